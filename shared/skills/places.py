"""How many calls of one skill are in flight in this process? At most degreeOfParallelism, whatever happens to its definition."""

import asyncio
from collections import deque
from types import TracebackType


class Places:
    """`async with places` round each call; first come, first served. The limit may change while calls are in flight."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._taken = 0
        self._waiters: deque[asyncio.Future[None]] = deque()

    def resize(self, limit: int) -> None:
        self._limit = limit
        self._serve()

    async def __aenter__(self) -> None:
        if self._taken < self._limit and not self._waiters:
            self._taken += 1
            return
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiters.append(turn)
        try:
            await turn
        except asyncio.CancelledError:
            if turn.done() and not turn.cancelled():
                self._leave()
            raise

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._leave()

    def _leave(self) -> None:
        self._taken -= 1
        self._serve()

    def _serve(self) -> None:
        while self._waiters and self._taken < self._limit:
            turn = self._waiters.popleft()
            if not turn.done():
                self._taken += 1
                turn.set_result(None)
