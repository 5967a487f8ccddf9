"""The queues that move workflows: requests for runs, steps of runs, parts of imports, events of Azure ML, notifications."""

import azure.functions as func

from shared.loading import at_first_use
from shared.triggers.http import get_services
from shared.triggers.queues import queue_rim, text_of
from shared.workflows.queues import ADVANCE_QUEUE, EVENTS_QUEUE, NOTIFY_QUEUE, PART_QUEUE, REFRESH_QUEUE

with at_first_use():
    from shared.workflows import messages, runs

blueprint = func.Blueprint()  # type: ignore[no-untyped-call]

_CONNECTION = "AzureWebJobsStorage"


@blueprint.queue_trigger(arg_name="msg", queue_name=REFRESH_QUEUE, connection=_CONNECTION)
@queue_rim(REFRESH_QUEUE)
async def refresh_from_queue(msg: func.QueueMessage) -> None:
    """The message's id makes a second delivery the same request."""
    services = get_services()
    known = {workflow.name.lower() for workflow in await services.workflows.list()}
    asked = messages.read_refresh(text_of(msg), known)
    workflow = await services.workflows.get(asked.workflow)
    await services.refreshes.begin(
        workflow, runs.Trigger(runs.TriggerKind.QUEUE, operation_id=f"queue:{msg.id}"), asked.when_active
    )


@blueprint.queue_trigger(arg_name="msg", queue_name=ADVANCE_QUEUE, connection=_CONNECTION)
@queue_rim(ADVANCE_QUEUE)
async def advance_run(msg: str) -> None:
    await get_services().runner.advance(messages.read_advance(msg))


@blueprint.queue_trigger(arg_name="msg", queue_name=PART_QUEUE, connection=_CONNECTION)
@queue_rim(PART_QUEUE)
async def import_part(msg: str) -> None:
    part = messages.read_part(msg)
    await get_services().parts.do(part.run, part.number)


@blueprint.queue_trigger(arg_name="msg", queue_name=EVENTS_QUEUE, connection=_CONNECTION)
@queue_rim(EVENTS_QUEUE)
async def take_events(msg: str) -> None:
    runner = get_services().runner
    for hint in messages.read_events(msg):
        await runner.job_changed(hint.job)


@blueprint.queue_trigger(arg_name="msg", queue_name=NOTIFY_QUEUE, connection=_CONNECTION)
@queue_rim(NOTIFY_QUEUE)
async def notify_run(msg: str) -> None:
    await get_services().notifier.deliver(messages.read_notify(msg))
