"""Which call goes next? A sliding window's queue: fresh work, work that waits for its next attempt, work in flight."""

import asyncio
import heapq
from collections import deque
from collections.abc import Iterable
from itertools import count


class Backlog[T]:
    """Workers `take` items and end each with `finish`, before which they may `add` or `delay` further ones.

    Items whose delay is over go before fresh ones. One event loop; not safe across threads.
    """

    def __init__(self, items: Iterable[T]) -> None:
        self._fresh: deque[T] = deque(items)
        self._delayed: list[tuple[float, int, T]] = []
        self._taken = 0
        self._order = count()
        self._changed = asyncio.Event()

    async def take(self) -> T | None:
        """The next item; waits while only delayed items or items in flight are left. None when all is done."""
        while True:
            if self._delayed and self._delayed[0][0] <= asyncio.get_running_loop().time():
                return self._out(heapq.heappop(self._delayed)[2])
            if self._fresh:
                return self._out(self._fresh.popleft())
            if not self._delayed and not self._taken:
                return None
            await self._change()

    def _out(self, item: T) -> T:
        self._taken += 1
        return item

    async def _change(self) -> None:
        """Until an item was added or finished, or the first delay is over."""
        self._changed.clear()
        until = self._delayed[0][0] if self._delayed else None
        try:
            async with asyncio.timeout_at(until):
                await self._changed.wait()
        except TimeoutError:
            pass

    def add(self, items: Iterable[T]) -> None:
        """New work, done before what is still fresh."""
        self._fresh.extendleft(reversed(list(items)))
        self._changed.set()

    def delay(self, item: T, seconds: float) -> None:
        """Work to take again once `seconds` have passed."""
        ready = asyncio.get_running_loop().time() + seconds
        heapq.heappush(self._delayed, (ready, next(self._order), item))
        self._changed.set()

    def finish(self) -> None:
        """An item that was taken is settled, or was put back."""
        self._taken -= 1
        if not self._taken:
            self._changed.set()
