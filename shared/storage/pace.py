"""How many rows a second may this process ask of a storage account? As many as it likes until the account says it is busy;
from then on about as many as the account takes.

After a refusal the rate falls a little below what was just taken, creeps up while that refusal is recent, and hurries
once it is long ago. Times come from the clock that is handed in.
"""

import asyncio
from collections import deque
from collections.abc import Callable
from math import inf

_FALL = 0.95
"""Of the rate, at a refusal; once for all that were under way together."""
_STEEP_FALL = 0.85
"""Where the last fall was not enough."""
_TOGETHER = 0.1
_AGAIN = 0.15
_LATE = 0.05
"""Seconds of turns that a process which was late may take at once."""
_CREEP = 0.03
_HURRY = 0.5
"""Of the rate, a second."""
_LONG_AGO = 2.0
_LEAST = 200.0
"""Rows a second: two transactions."""
_FIRST_GUESS = 2000.0
"""At least, where little was asked before: what Table storage takes in one partition."""
_LOOKS_BACK = 1.0


class Pace:
    """Tells each request when it may go."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self.rate = inf
        self._clock = clock
        self._next = 0.0
        """When the next request may go."""
        self._refused_at = -inf
        self._grown_at = 0.0
        self._taken: deque[tuple[float, int]] = deque()

    def delay(self, rows: int) -> float:
        """Seconds to wait before asking for `rows` rows, or writing them; the turn is taken."""
        now = self._clock()
        start = max(now - _LATE, self._next)
        self._next = start + rows / self.rate
        return max(start - now, 0.0)

    def taken(self, rows: int) -> None:
        """The account has done what `rows` rows asked for."""
        now = self._clock()
        self._forget(now)
        self._taken.append((now, rows))
        if self.rate < inf:
            growth = _CREEP if now - self._refused_at < _LONG_AGO else _HURRY
            self.rate *= 1 + growth * (now - self._grown_at)
            self._grown_at = now

    def refused(self, pause: float = 0.0) -> None:
        """The account is busy, and wants no request for `pause` seconds."""
        now = self._clock()
        self._next = max(self._next, now + pause)
        since = now - self._refused_at
        if since < _TOGETHER:
            return
        self._forget(now)
        if self.rate == inf:
            self.rate = max(sum(rows for _, rows in self._taken) / self._span(now), _FIRST_GUESS)
        self.rate = max(self.rate * (_STEEP_FALL if since < _AGAIN else _FALL), _LEAST)
        self._refused_at = self._grown_at = now

    def _span(self, now: float) -> float:
        return max(now - self._taken[0][0], _TOGETHER) if self._taken else _LOOKS_BACK

    def _forget(self, now: float) -> None:
        while self._taken and now - self._taken[0][0] > _LOOKS_BACK:
            self._taken.popleft()


async def wait_turn(pace: Pace, rows: int) -> None:
    seconds = pace.delay(rows)
    if seconds > 0:
        await asyncio.sleep(seconds)
