"""Looks at what lies outside: some at once, each within its time, all within the whole's. None hides another.

A look that gives nothing is a `Fault`, with a message for people.
"""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from shared.errors import BridgeError
from shared.skills.failures import sentence
from shared.skills.gateway import AttemptFailed

AT_ONCE = 8
MOST_SECONDS = 10.0
"""Of one look."""
ALL_SECONDS = 180.0
"""Of all of them; the platform ends a request after 230."""


@dataclass(frozen=True, slots=True)
class Fault:
    """Why a look gave nothing."""

    message: str
    code: str
    status: int | None = None
    """Of the answer, where there was one."""
    is_late: bool = False
    """It was not looked at: the time of all looks was over."""


_LATE = Fault(
    "the time of the whole examination was over before it was its turn; ask for less with ?only=", "Late", None, True
)


class Looks:
    """Of one examination. A look must not hold another: there are only so many places."""

    def __init__(
        self,
        clock: Callable[[], float],
        *,
        at_once: int = AT_ONCE,
        most_seconds: float = MOST_SECONDS,
        all_seconds: float = ALL_SECONDS,
    ) -> None:
        self._clock = clock
        self._began = clock()
        self._places = asyncio.Semaphore(at_once)
        self._most_seconds = most_seconds
        self._all_seconds = all_seconds

    @property
    def seconds(self) -> float:
        """Since the first one could begin."""
        return self._clock() - self._began

    async def at[T](self, look: Callable[[], Awaitable[T]], of: str = "it") -> T | Fault:
        """What `look` gives; `of` is whom it asks, for the sentence about it."""
        async with self._places:
            left = self._all_seconds - self.seconds
            if left <= 0:
                return _LATE
            seconds = min(self._most_seconds, left)
            # Gathered, not caught: whatever goes wrong in one look is told, and the others go on.
            (found,) = await asyncio.gather(_within(look, seconds), return_exceptions=True)
        return fault_of(found, of, seconds) if isinstance(found, BaseException) else found


async def _within[T](look: Callable[[], Awaitable[T]], seconds: float) -> T:
    async with asyncio.timeout(seconds):
        return await look()


def fault_of(error: BaseException, of: str, seconds: float = MOST_SECONDS) -> Fault:
    """Only our own errors are worded for people; the text of any other may hold anything."""
    match error:
        case BridgeError():
            return Fault(error.message, error.code, getattr(error.__cause__, "status_code", None))
        case AttemptFailed():
            failure = error.failure
            status = failure.facts.get("status", failure.status)
            return Fault(sentence(failure, of), failure.kind.code, status if isinstance(status, int) else None)
        case TimeoutError():
            return Fault(f"{of} gave no answer within {seconds:g} s", "TimedOut")
        case _:
            return Fault(
                f"the look at {of} failed in this app ({type(error).__name__}), which it should not", "InternalError"
            )
