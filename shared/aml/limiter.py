"""How many calls may be in flight at one endpoint? A window that finds out, and a breaker for an endpoint that is gone.

One an endpoint and process. `Window` decides (pure: the time comes in), `Limiter` makes callers wait.
"""

import asyncio
from collections import deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from enum import Enum
from typing import Any

from shared.skills.failures import Failure, Kind
from shared.skills.gateway import AttemptFailed

FIRST_WINDOW = 2.0
WIDEST_WINDOW = 200.0
NARROWEST_WINDOW = 1 / 16
SILENT_ATTEMPTS = 20
PROBE_INTERVAL = 10.0
_FIRST_ROUND_TRIP = 0.05
_LONGEST_GAP = 2.0
_LARGEST_STEP = 1.0
_PATIENCE = 1.0
_OVERDUE_ROUND_TRIPS = 4.0


class Outcome(Enum):
    """What an attempt tells of the endpoint's load."""

    ANSWERED = "answered"
    PUSHED_BACK = "pushed back"
    """429 or 503: it lives, and has no room."""
    TIMED_OUT = "timed out"
    UNREACHED = "unreached"
    """No connection, or it was lost."""
    ABORTED = "aborted"
    """Its caller went away, as at a deadline."""


class Window:
    """The window's state. Times are seconds of one clock.

    It starts at 2 and doubles a round trip until the first push-back; from then on it grows by one a round trip.
    A push-back halves it, once a round trip. Push-backs in a row take it below one call: calls are then spaced out,
    so that processes which know nothing of each other can share an endpoint of little capacity. After 20 attempts
    in a row without an answer it is closed, and lets one probe through every 10 s.
    An attempt that was aborted counts among these if an answer was overdue: else an endpoint that hangs for longer
    than its callers wait would never be seen to hang.
    """

    def __init__(self) -> None:
        self._size = FIRST_WINDOW
        self._doubling = True
        self._capacity: float | None = None
        self._round_trip = _FIRST_ROUND_TRIP
        self._last_cut = float("-inf")
        self._pushed_back_last = False
        self._opens_at = float("-inf")
        self._asked_until = float("-inf")
        self._next_probe = float("-inf")
        self.in_flight = 0
        self.answers = 0
        """Calls answered so far, push-backs not counted."""
        self.silent = 0
        """Attempts in a row without an answer."""

    @property
    def size(self) -> float:
        """Calls that may be in flight; below one, the share of the time that one may be."""
        return self._size if self._capacity is None else min(self._size, self._capacity)

    @property
    def is_closed(self) -> bool:
        return self.silent >= SILENT_ATTEMPTS

    @property
    def opens_at(self) -> float:
        """No call may start before."""
        return max(self._opens_at, self._next_probe) if self.is_closed else self._opens_at

    def is_asked_to_wait(self, now: float) -> bool:
        """By the endpoint's own `Retry-After`; otherwise a pause is our spacing of calls."""
        return self._asked_until > now

    def share_capacity(self, capacity: float | None) -> None:
        """This process's share of the calls that the endpoint can hold, where that is known."""
        self._capacity = None if capacity is None else max(capacity, NARROWEST_WINDOW)

    def may_start(self, now: float) -> bool:
        places = 1.0 if self.is_closed else max(1.0, self.size)
        return self.in_flight + 1 <= places and now >= self.opens_at

    def start(self, now: float) -> None:
        self.in_flight += 1
        if self.is_closed:
            self._next_probe = now + PROBE_INTERVAL

    def give_back(self) -> None:
        """A place that was taken and not used."""
        self.in_flight -= 1
        self._next_probe = float("-inf")

    def end(self, outcome: Outcome, *, started: float, now: float, retry_after: float | None = None) -> None:
        """A call that began at `started` has ended."""
        was_full = self.in_flight + 1 > self.size
        self.in_flight -= 1
        if outcome in (Outcome.ANSWERED, Outcome.PUSHED_BACK):
            self._heard()
        match outcome:
            case Outcome.ANSWERED:
                self.answers += 1
                self._answered(now - started, was_full)
            case Outcome.PUSHED_BACK:
                self._cut(started, now)
            case Outcome.TIMED_OUT:
                self.silent += 1
                self._cut(started, now)
            case Outcome.UNREACHED:
                self.silent += 1
            case Outcome.ABORTED:
                self.silent += self._is_overdue(now - started)
        self._space_out(now)
        if retry_after is not None:
            self._asked_until = max(self._asked_until, now + retry_after)
            self._pause(self._asked_until)
        if self.is_closed:
            self._next_probe = max(self._next_probe, now + PROBE_INTERVAL)

    def _heard(self) -> None:
        """It lives; if it was closed, it starts again with one call."""
        if self.is_closed:
            self._size, self._opens_at, self._asked_until = 1.0, float("-inf"), float("-inf")
        self.silent = 0

    def _is_overdue(self, seconds: float) -> bool:
        return seconds >= max(_PATIENCE, _OVERDUE_ROUND_TRIPS * self._round_trip)

    def _answered(self, seconds: float, was_full: bool) -> None:
        self._pushed_back_last = False
        self._round_trip += (seconds - self._round_trip) / 8
        if not was_full or self._size > self.size:
            return
        grown = self._size + (1.0 if self._doubling else min(1 / self._size, _LARGEST_STEP))
        self._size = min(grown, WIDEST_WINDOW)

    def _cut(self, started: float, now: float) -> None:
        self._doubling = False
        # One push-back at a window of one is no reason to pause: only the second in a row shows that one is too much.
        narrowest = NARROWEST_WINDOW if self._pushed_back_last else 1.0
        self._pushed_back_last = True
        if started >= self._last_cut:
            self._size = min(self._size, max(self.size / 2, narrowest))
            self._last_cut = now

    def _space_out(self, now: float) -> None:
        if self.size < 1.0:
            self._pause(now + min(self._round_trip * (1 / self.size - 1), _LONGEST_GAP))

    def _pause(self, until: float) -> None:
        self._opens_at = max(self._opens_at, until)


@dataclass(slots=True)
class Slot:
    """One call's permission; its holder says how the call ended."""

    outcome: Outcome = Outcome.ABORTED
    retry_after: float | None = None


@dataclass(frozen=True, slots=True, eq=False)
class _Waiter:
    turn: asyncio.Future[None]
    deadline: float


class Limiter:
    """`async with limiter.slot(deadline)` round each attempt. One event loop; first come, first served."""

    def __init__(self) -> None:
        self.window = Window()
        self._waiters: deque[_Waiter] = deque()
        self._alarm: asyncio.TimerHandle | None = None

    @asynccontextmanager
    async def slot(self, deadline: float) -> AsyncIterator[Slot]:
        """Wait for a place. Raises AttemptFailed as soon as none can come before `deadline` (loop time)."""
        loop = asyncio.get_running_loop()
        await self._enter(loop, deadline)
        slot, started = Slot(), loop.time()
        try:
            yield slot
        finally:
            self.window.end(slot.outcome, started=started, now=loop.time(), retry_after=slot.retry_after)
            self._serve(loop)

    async def _enter(self, loop: asyncio.AbstractEventLoop, deadline: float) -> None:
        if not self._waiters and self.window.may_start(loop.time()):
            self.window.start(loop.time())
            return
        waiter = _Waiter(loop.create_future(), deadline)
        self._waiters.append(waiter)
        self._serve(loop)
        try:
            await waiter.turn
        except asyncio.CancelledError:
            self._leave(waiter)
            self._serve(loop)
            raise

    def _leave(self, waiter: _Waiter) -> None:
        """Cancelled while it waited, or in the same moment as its turn came: then the place goes to the next."""
        if waiter in self._waiters:
            self._waiters.remove(waiter)
        elif waiter.turn.done() and not waiter.turn.cancelled() and waiter.turn.exception() is None:
            self.window.give_back()

    def _serve(self, loop: asyncio.AbstractEventLoop) -> None:
        """Give places to those whose turn it is, and turn away those who would wait beyond their deadline."""
        now = loop.time()
        while self._waiters and self.window.may_start(now):
            waiter = self._waiters.popleft()
            if not waiter.turn.done():
                self.window.start(now)
                waiter.turn.set_result(None)
        if self._waiters and self.window.opens_at > now:
            self._refuse_hopeless(now)
        self._set_alarm(loop, now)

    def _refuse_hopeless(self, now: float) -> None:
        opens_at = self.window.opens_at
        for waiter in [waiter for waiter in self._waiters if waiter.deadline <= opens_at]:
            self._waiters.remove(waiter)
            if not waiter.turn.done():
                waiter.turn.set_exception(AttemptFailed(self._refusal(now)))

    def _set_alarm(self, loop: asyncio.AbstractEventLoop, now: float) -> None:
        if self._alarm is not None:
            self._alarm.cancel()
            self._alarm = None
        if self._waiters and self.window.opens_at > now:
            self._alarm = loop.call_at(self.window.opens_at, self._serve, loop)

    def _refusal(self, now: float) -> Failure:
        wait = max(self.window.opens_at - now, 0.0)
        if self.window.is_closed:
            return Failure(
                Kind.CLOSED,
                retry_after=wait,
                facts={"silent": self.window.silent, "probe": f"{PROBE_INTERVAL:g}"},
            )
        if not self.window.is_asked_to_wait(now):
            return Failure(Kind.SPACED_OUT, retry_after=wait)
        return Failure(Kind.PAUSED, retry_after=wait, facts={"wait": f"{wait:.0f}"})

    def snapshot(self, now: float) -> dict[str, Any]:
        """For `/stats`."""
        state = "closed" if self.window.is_closed else "paused" if self.window.opens_at > now else "open"
        return {
            "window": round(self.window.size, 2),
            "inFlight": self.window.in_flight,
            "waiting": len(self._waiters),
            "state": state,
            "silentAttempts": self.window.silent,
        }
