"""How many HTTP calls the host takes in at once."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager


class Throttle:
    """host.json's two limits: calls in and waiting (beyond: refused), and calls running (beyond: waiting)."""

    def __init__(self, outstanding: int, concurrent: int) -> None:
        self._outstanding = outstanding
        self._slots = asyncio.Semaphore(concurrent) if concurrent > 0 else None
        self._inside = 0

    @asynccontextmanager
    async def place(self) -> AsyncIterator[bool]:
        if self._outstanding > 0 and self._inside >= self._outstanding:
            yield False
            return
        self._inside += 1
        try:
            if self._slots is None:
                yield True
            else:
                async with self._slots:
                    yield True
        finally:
            self._inside -= 1
