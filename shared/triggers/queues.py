"""The rim of every queue function: a message that fails leaves its cause, then goes the host's way.

The host tries it again, and puts it into the poison queue in the end, without a word about why. What fails because this
process is not the one to do it goes back into its queue instead, as a new message: a process of a newer release, or of the
app that owns the account, will take it; until then it goes round, and is neither lost nor counted as failed.

A handler takes the body as `str`, unless it needs the message's id: a `QueueMessage` is made of the host's metadata, over
which the host lays the members of a JSON body, so that a body such as `{"dequeueCount": "x"}` cannot be decoded
(azure-functions-python-worker#1373).
"""

import logging
from collections.abc import Callable, Coroutine
from functools import wraps
from typing import TYPE_CHECKING, Any, Protocol

import azure.functions as func

from shared.errors import AccountInUse, BridgeError, NewerVersion
from shared.loading import at_first_use
from shared.logs import log_event, place_of
from shared.signals import Attributes
from shared.tracing import SpanKind
from shared.triggers.http import get_services
from shared.triggers.invocations import invocation, takes_context

if TYPE_CHECKING:
    from shared.app import Services

with at_first_use():
    from shared.workflows import messages, poison

_NOT_FOR_US = (AccountInUse, NewerVersion)
_PAUSE = 30.0
"""Seconds until a message that is not for this process is seen again."""

logger = logging.getLogger("bridge.queues")


class QueueHandler(Protocol):
    """The worker passes the body by name, so the binding's `arg_name` is `msg`."""

    __name__: str

    def __call__(self, msg: Any) -> Coroutine[Any, Any, None]: ...


def text_of(msg: func.QueueMessage | str) -> str:
    """The body; with the queues' encoding `none` it is always text."""
    return msg if isinstance(msg, str) else msg.get_body().decode("utf-8", "surrogatepass")


def queue_rim(queue: str, services: "Callable[[], Services]" = get_services) -> Callable[[QueueHandler], QueueHandler]:
    """For the handler of `queue`: what it raises is noted as the message's cause, and raised again."""

    def rimmed(handler: QueueHandler) -> QueueHandler:
        @wraps(handler)
        async def rim(msg: Any, context: func.Context | None = None) -> None:
            body, values = text_of(msg), {Attributes.QUEUE: queue}
            with invocation(
                handler.__name__,
                "pubsub",
                context,
                trace=messages.read_trace(body),
                kind=SpanKind.CONSUMER,
                values=values,
            ):
                try:
                    await services().account.check()
                    await handler(msg)
                except _NOT_FOR_US as error:
                    log_failure("queue_message_put_back", queue, body, error)
                    await services().queues.send(queue, body, delay=_PAUSE)
                except Exception as error:
                    log_failure("queue_message_failed", queue, body, error)
                    await _note(services, queue, body, error)
                    raise

        takes_context(rim, handler)
        return rim

    return rimmed


async def _note(services: "Callable[[], Services]", queue: str, body: str, error: Exception) -> None:
    """Best effort: that the cause is not stored must not hide it from the host."""
    try:
        made = services()
        await made.poison.note_cause(queue, body, poison.cause_of_error(error, made.now()))
    except Exception as failure:  # noqa: BLE001  # the rim: the handler's own error is the one to raise
        log_failure("cause_not_noted", queue, body, failure)


def log_failure(event: str, queue: str, body: str, error: Exception) -> None:
    """By the message's id; the body and a foreign error's text stay out."""
    ours = isinstance(error, BridgeError)
    log_event(
        logger,
        event,
        logging.WARNING if ours else logging.ERROR,
        queue=queue,
        message=poison.poison_id(queue, body),
        error=error.code if isinstance(error, BridgeError) else type(error).__name__,
        at=None if ours else place_of(error),
    )
