"""The poison queues: what the host gave up is kept with its cause, and nothing disappears.

No queue stands behind these, so a message that fails here would lie unseen until it expires. It is put back instead, as
a new message, until storage takes it. As `str` for the reason that `queues` has; with the queues' encoding `none` a
message is always text.
"""

import logging
from collections.abc import Callable
from typing import TYPE_CHECKING

import azure.functions as func

from shared.errors import BridgeError
from shared.loading import at_first_use
from shared.logs import log_event
from shared.signals import POISON, Attributes
from shared.tracing import carrying, count
from shared.triggers.http import get_services
from shared.triggers.invocations import start_telemetry
from shared.triggers.queues import log_failure

if TYPE_CHECKING:
    from shared.app import Services

with at_first_use():
    from shared.workflows import messages, poison

blueprint = func.Blueprint()  # type: ignore[no-untyped-call]

_CONNECTION = "AzureWebJobsStorage"
_PAUSE = 60.0
"""Seconds before a message that could not be kept is tried again."""

logger = logging.getLogger("bridge.queues")


@blueprint.queue_trigger(arg_name="msg", queue_name="workflow-refresh-poison", connection=_CONNECTION)
async def keep_workflow_refresh(msg: str) -> None:
    await take_poison("workflow-refresh", msg)


@blueprint.queue_trigger(arg_name="msg", queue_name="run-advance-poison", connection=_CONNECTION)
async def keep_run_advance(msg: str) -> None:
    await take_poison("run-advance", msg)


@blueprint.queue_trigger(arg_name="msg", queue_name="import-part-poison", connection=_CONNECTION)
async def keep_import_part(msg: str) -> None:
    await take_poison("import-part", msg)


@blueprint.queue_trigger(arg_name="msg", queue_name="aml-events-poison", connection=_CONNECTION)
async def keep_aml_events(msg: str) -> None:
    await take_poison("aml-events", msg)


@blueprint.queue_trigger(arg_name="msg", queue_name="run-notify-poison", connection=_CONNECTION)
async def keep_run_notify(msg: str) -> None:
    await take_poison("run-notify", msg)


async def take_poison(queue: str, body: str, services: "Callable[[], Services]" = get_services) -> None:
    """Keep the message, and tell of it. Raises only where storage takes it neither into the table nor back into the
    queue."""
    start_telemetry()
    with carrying(messages.read_trace(body)):
        await _take(queue, body, services)


async def _take(queue: str, body: str, services: "Callable[[], Services]") -> None:
    try:
        made = services()
        await made.account.check()
        message = await poison.keep(queue, body, store=made.poison, now=made.now())
    except Exception as error:  # noqa: BLE001  # the rim: whatever it is, the message stays
        log_failure("poison_not_kept", queue, body, error)
        await _put_back(services(), queue, body)
        return
    count(POISON, {Attributes.QUEUE: queue})
    code = message.cause.code if message.cause else None
    log_event(logger, "message_poisoned", logging.ERROR, queue=queue, message=message.id, code=code)
    await _tell(made, message)


async def _tell(services: "Services", message: "poison.PoisonMessage") -> None:
    try:
        await services.poisoned(message.queue, message.body, message.cause)
    except Exception as error:  # noqa: BLE001  # the rim: the message is kept and seen, whatever comes of telling it
        log_failure("poison_not_told", message.queue, message.body, error)
        if isinstance(error, BridgeError) and error.retryable:
            await _put_back(services, message.queue, message.body)


async def _put_back(services: "Services", queue: str, body: str) -> None:
    await services.queues.send(f"{queue}-poison", body, delay=_PAUSE)
