"""An event loop whose clock jumps: tests of deadlines, back-off and pauses take no time and always end alike."""

import asyncio
from collections.abc import Callable, Coroutine
from functools import wraps
from selectors import DefaultSelector, SelectorKey
from typing import Any

_MOST_ROUNDS = 1000


class _JumpingSelector(DefaultSelector):
    """Moves the clock on by as long as it is asked to wait, and does not wait.

    asyncio fires timers up to 1 ns early: those who then look at the clock, and wait again, would keep each other
    busy for ever at that moment. So after many rounds without a wait the clock moves by itself.
    """

    now = 1000.0
    _rounds = 0

    def select(self, timeout: float | None = None) -> list[tuple[SelectorKey, int]]:
        if timeout is not None:
            self._rounds = self._rounds + 1 if timeout <= 0 else 0
            self.now += timeout if self._rounds < _MOST_ROUNDS else 1e-9
            timeout = 0
        return super().select(timeout)


class VirtualTimeLoop(asyncio.SelectorEventLoop):
    """Time stands still while anything is ready, and jumps to the next timer when nothing is. No real I/O."""

    def __init__(self) -> None:
        self._clock = _JumpingSelector()
        super().__init__(self._clock)

    def time(self) -> float:
        return self._clock.now

    def run_in_executor(self, executor: Any, func: Callable[..., Any], *args: Any) -> "asyncio.Future[Any]":  # type: ignore[override]
        """At once: the clock would run away from a thread."""
        result = self.create_future()
        try:
            result.set_result(func(*args))
        except Exception as error:  # noqa: BLE001  # whatever it is, it belongs to whoever waits
            result.set_exception(error)
        return result


def run_virtual[T](main: Coroutine[Any, Any, T]) -> T:
    """`asyncio.run` in virtual time."""
    with asyncio.Runner(loop_factory=VirtualTimeLoop) as runner:
        return runner.run(main)


def in_virtual_time[**P](test: Callable[P, Coroutine[Any, Any, None]]) -> Callable[P, None]:
    """Marks an `async` test that is to run in virtual time."""

    @wraps(test)
    def run(*args: P.args, **kwargs: P.kwargs) -> None:
        run_virtual(test(*args, **kwargs))

    return run
