"""The timers: schedules, runs kept moving whatever message was lost, and what is kept for how long."""

import logging
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING

import azure.functions as func

from shared.errors import AccountInUse
from shared.logs import log_event
from shared.triggers.http import get_services

if TYPE_CHECKING:
    from shared.app import Services

blueprint = func.Blueprint()  # type: ignore[no-untyped-call]

logger = logging.getLogger("bridge.timers")


@blueprint.timer_trigger(arg_name="timer", schedule="0 * * * * *")
async def schedule_tick(timer: func.TimerRequest) -> None:
    """Each minute: the workflows that are due."""
    await _if_ours("schedule_tick", _tick)


@blueprint.timer_trigger(arg_name="timer", schedule="*/30 * * * * *")
async def watch_runs(timer: func.TimerRequest) -> None:
    """Each 30 s: every run that has not ended is looked at, for a message may have been lost with its process."""
    await _if_ours("watch_runs", _watch)


@blueprint.timer_trigger(arg_name="timer", schedule="0 17 3 * * *")
async def sweep(timer: func.TimerRequest) -> None:
    """Daily."""
    await _if_ours("sweep", _sweep)


async def _tick(services: "Services") -> None:
    await services.scheduler.tick()
    await services.heartbeats.beat("schedule_tick", services.now())


async def _watch(services: "Services") -> None:
    async for run in services.run_store.live():
        await services.send_advance(run)


async def _sweep(services: "Services") -> None:
    log_event(logger, "swept", **await services.sweep.sweep())
    await services.heartbeats.beat("sweep", services.now())


async def _if_ours(timer: str, work: "Callable[[Services], Awaitable[object]]") -> None:
    """In an account that is another app's nothing is done; that app's timers do it."""
    services = get_services()
    try:
        await services.account.check()
    except AccountInUse as error:
        log_event(logger, "timer_idle", logging.WARNING, timer=timer, code=error.code)
        return
    await work(services)
