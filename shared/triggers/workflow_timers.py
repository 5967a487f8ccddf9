"""The timers: schedules, runs kept moving whatever message was lost, and what is kept for how long."""

import logging
from contextlib import suppress
from typing import TYPE_CHECKING

import azure.functions as func

from shared.errors import BridgeError
from shared.logs import log_event
from shared.signals import SCHEDULE_TICK, Attributes
from shared.tracing import count, is_on
from shared.triggers.timers import if_ours, timed

if TYPE_CHECKING:
    from shared.app import Services

blueprint = func.Blueprint()  # type: ignore[no-untyped-call]

logger = logging.getLogger("bridge.timers")


@blueprint.timer_trigger(arg_name="timer", schedule="0 * * * * *")
@timed
async def schedule_tick(timer: func.TimerRequest) -> None:
    """Each minute: the workflows that are due."""
    await if_ours("schedule_tick", _tick)


@blueprint.timer_trigger(arg_name="timer", schedule="*/30 * * * * *")
@timed
async def watch_runs(timer: func.TimerRequest) -> None:
    """Each 30 s: every run that has not ended is looked at, for a message may have been lost with its process."""
    await if_ours("watch_runs", _watch)


@blueprint.timer_trigger(arg_name="timer", schedule="0 17 3 * * *")
@timed
async def sweep(timer: func.TimerRequest) -> None:
    """Daily."""
    await if_ours("sweep", _sweep)


async def _tick(services: "Services") -> None:
    outcome = "failed"
    try:
        report = await services.scheduler.tick()
        await services.heartbeats.beat("schedule_tick", services.now())
        outcome = report.outcome
        if is_on():
            with suppress(BridgeError):  # the slots are settled; the next tick looks again
                await services.freshness.look()
    finally:
        count(SCHEDULE_TICK, {Attributes.OUTCOME: outcome})


async def _watch(services: "Services") -> None:
    async for run in services.run_store.live():
        await services.send_advance(run)


async def _sweep(services: "Services") -> None:
    log_event(logger, "swept", **await services.sweep.sweep())
    await services.heartbeats.beat("sweep", services.now())
