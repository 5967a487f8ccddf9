"""One fetch serves all who ask while it is under way: its value, and its failure too."""

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any


class Flight[T]:
    """A caller who gives up takes nothing from the others: the fetch goes on. One event loop."""

    def __init__(self) -> None:
        self._task: asyncio.Task[T] | None = None

    async def join(self, fetch: Callable[[], Coroutine[Any, Any, T]]) -> T:
        """What the fetch under way gives, or else a new one. Raises what it raises."""
        if self._task is None:
            self._task = asyncio.create_task(fetch())
            self._task.add_done_callback(self._land)
        return await asyncio.shield(self._task)

    def _land(self, task: asyncio.Task[T]) -> None:
        self._task = None
        if not task.cancelled():
            task.exception()  # it has been seen, also where every caller has gone
