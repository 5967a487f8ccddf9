"""The nightly copy of the configuration."""

import logging
from typing import TYPE_CHECKING

import azure.functions as func

from shared.logs import log_event
from shared.triggers.timers import if_ours, timed

if TYPE_CHECKING:
    from shared.app import Services

blueprint = func.Blueprint()  # type: ignore[no-untyped-call]

logger = logging.getLogger("bridge.timers")


@blueprint.timer_trigger(arg_name="timer", schedule="0 47 3 * * *")
@timed
async def export_nightly(timer: func.TimerRequest) -> None:
    """Daily, after the sweep: written only where it differs."""
    await if_ours("export_nightly", _export)


async def _export(services: "Services") -> None:
    log_event(logger, "exported", **await services.nightly_export.write())
