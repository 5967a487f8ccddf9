"""The timers: schedules, runs kept moving whatever message was lost, and what is kept for how long."""

import logging

import azure.functions as func

from shared.logs import log_event
from shared.triggers.http import get_services

blueprint = func.Blueprint()  # type: ignore[no-untyped-call]

logger = logging.getLogger("bridge.timers")


@blueprint.timer_trigger(arg_name="timer", schedule="0 * * * * *")
async def schedule_tick(timer: func.TimerRequest) -> None:
    """Each minute: the workflows that are due."""
    services = get_services()
    await services.scheduler.tick()
    await services.heartbeats.beat("schedule_tick", services.now())


@blueprint.timer_trigger(arg_name="timer", schedule="*/30 * * * * *")
async def watch_runs(timer: func.TimerRequest) -> None:
    """Each 30 s: every run that has not ended is looked at, for a message may have been lost with its process."""
    services = get_services()
    async for run in services.run_store.live():
        await services.send_advance(run)


@blueprint.timer_trigger(arg_name="timer", schedule="0 17 3 * * *")
async def sweep(timer: func.TimerRequest) -> None:
    """Daily."""
    services = get_services()
    log_event(logger, "swept", **await services.sweep.sweep())
    await services.heartbeats.beat("sweep", services.now())
