"""Places: calls of one skill in flight, whatever happens to its definition."""

import asyncio

from hypothesis import given
from hypothesis import strategies as st

from shared.skills.places import Places
from tests.support.virtual_time import in_virtual_time, run_virtual


class Load:
    """Calls through `places`, and the most of them at once."""

    def __init__(self, places: Places) -> None:
        self.places = places
        self.now = 0
        self.most = 0

    async def call(self, seconds: float = 1) -> None:
        async with self.places:
            self.now += 1
            self.most = max(self.most, self.now)
            try:
                await asyncio.sleep(seconds)
            finally:
                self.now -= 1


@in_virtual_time
async def test_no_more_calls_than_places() -> None:
    load = Load(Places(3))

    await asyncio.gather(*(load.call() for _ in range(20)))

    assert load.most == 3


@in_virtual_time
async def test_fewer_places_hold_for_the_calls_to_come() -> None:
    load = Load(Places(5))
    calls = [asyncio.create_task(load.call()) for _ in range(10)]
    await asyncio.sleep(0.5)

    load.places.resize(2)
    load.most = 0
    await asyncio.sleep(1)

    assert load.most == 2
    await asyncio.gather(*calls)


@in_virtual_time
async def test_more_places_serve_those_who_wait_at_once() -> None:
    load = Load(Places(1))
    calls = [asyncio.create_task(load.call()) for _ in range(4)]
    await asyncio.sleep(0.5)

    load.places.resize(4)
    await asyncio.sleep(0)

    assert load.now == 4
    await asyncio.gather(*calls)


@given(st.lists(st.tuples(st.integers(0, 20), st.integers(0, 20)), max_size=30), st.integers(1, 4))
def test_a_caller_that_goes_away_takes_no_place_with_it(times: list[tuple[int, int]], limit: int) -> None:
    async def main() -> int:
        load = Load(Places(limit))

        async def impatient(start: int, patience: int) -> None:
            await asyncio.sleep(start)
            try:
                async with asyncio.timeout(patience):
                    await load.call(5)
            except TimeoutError:
                pass

        await asyncio.gather(*(impatient(*each) for each in times))
        load.most = 0
        await asyncio.gather(*(load.call() for _ in range(limit)))
        return load.most

    assert run_virtual(main()) == limit
