"""The rim of every timer: its trace, and that it works in an account of this app's alone."""

import logging
from collections.abc import Awaitable, Callable, Coroutine
from functools import wraps
from typing import TYPE_CHECKING, Any, Protocol

import azure.functions as func

from shared.errors import AccountInUse
from shared.logs import log_event
from shared.triggers.http import get_services
from shared.triggers.invocations import invocation, takes_context

if TYPE_CHECKING:
    from shared.app import Services

logger = logging.getLogger("bridge.timers")


class TimerHandler(Protocol):
    __name__: str

    def __call__(self, timer: func.TimerRequest) -> Coroutine[Any, Any, None]: ...


def timed(handler: TimerHandler) -> Callable[..., Coroutine[Any, Any, None]]:
    """The rim of every timer."""

    @wraps(handler)
    async def rim(timer: func.TimerRequest, context: func.Context | None = None) -> None:
        with invocation(handler.__name__, "timer", context):
            await handler(timer)

    takes_context(rim, handler)
    return rim


async def if_ours(timer: str, work: "Callable[[Services], Awaitable[object]]") -> None:
    """In an account that is another app's nothing is done; that app's timers do it."""
    services = get_services()
    try:
        await services.account.check()
    except AccountInUse as error:
        log_event(logger, "timer_idle", logging.WARNING, timer=timer, code=error.code)
        return
    await work(services)
