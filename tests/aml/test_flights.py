import asyncio

import pytest

from shared.aml.flights import Flight


class Fetch:
    """Waits until it is let go; counts how often it was made."""

    def __init__(self, error: Exception | None = None) -> None:
        self.made = 0
        self.go = asyncio.Event()
        self._error = error

    async def __call__(self) -> int:
        self.made += 1
        await self.go.wait()
        if self._error is not None:
            raise self._error
        return self.made


async def joined(flight: Flight[int], fetch: Fetch, count: int) -> list[asyncio.Task[int]]:
    tasks = [asyncio.create_task(flight.join(fetch)) for _ in range(count)]
    await asyncio.sleep(0)
    return tasks


async def test_one_fetch_serves_all_who_ask_meanwhile() -> None:
    flight, fetch = Flight[int](), Fetch()
    tasks = await joined(flight, fetch, 1000)

    fetch.go.set()

    assert await asyncio.gather(*tasks) == [1] * 1000


async def test_one_failure_tells_all_who_ask_meanwhile() -> None:
    flight, fetch = Flight[int](), Fetch(LookupError("gone"))
    tasks = await joined(flight, fetch, 100)

    fetch.go.set()
    failures = await asyncio.gather(*tasks, return_exceptions=True)

    assert all(isinstance(failure, LookupError) for failure in failures)
    assert fetch.made == 1


async def test_who_asks_afterwards_gets_a_fetch_of_his_own() -> None:
    flight, fetch = Flight[int](), Fetch()
    fetch.go.set()

    assert [await flight.join(fetch), await flight.join(fetch)] == [1, 2]


async def test_who_gives_up_takes_nothing_from_the_others() -> None:
    flight, fetch = Flight[int](), Fetch()
    tasks = await joined(flight, fetch, 3)

    tasks[0].cancel()
    await asyncio.sleep(0)
    fetch.go.set()

    assert await asyncio.gather(*tasks[1:]) == [1, 1]
    with pytest.raises(asyncio.CancelledError):
        await tasks[0]


async def test_a_failure_that_nobody_waits_for_any_more_is_no_noise() -> None:
    flight, fetch = Flight[int](), Fetch(LookupError("gone"))
    unhandled: list[object] = []
    asyncio.get_running_loop().set_exception_handler(lambda _loop, context: unhandled.append(context))
    (task,) = await joined(flight, fetch, 1)

    task.cancel()
    await asyncio.sleep(0)
    fetch.go.set()
    await asyncio.sleep(0.01)

    assert unhandled == []
