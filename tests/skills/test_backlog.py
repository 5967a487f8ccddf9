"""The queue of a sliding window."""

import asyncio
from collections import Counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shared.skills.backlog import Backlog
from tests.support.virtual_time import in_virtual_time, run_virtual

type Plan = list[tuple[float, list[float]]]


async def drain(plan: Plan, workers: int) -> tuple[list[int], float]:
    """Items by number: each takes its first time, and comes back after each of its delays. Who was taken, and how long."""
    taken: list[int] = []
    rounds = Counter[int]()
    backlog = Backlog(range(len(plan)))
    loop = asyncio.get_running_loop()
    started = loop.time()

    async def work() -> None:
        while (item := await backlog.take()) is not None:
            taken.append(item)
            seconds, delays = plan[item]
            await asyncio.sleep(seconds)
            if rounds[item] < len(delays):
                backlog.delay(item, delays[rounds[item]])
                rounds[item] += 1
            backlog.finish()

    async with asyncio.TaskGroup() as group:
        for _ in range(workers):
            group.create_task(work())
    return taken, loop.time() - started


times = st.sampled_from([0.0, 0.1, 1.0, 7.5])


@settings(deadline=None)
@given(st.lists(st.tuples(times, st.lists(times, max_size=3)), max_size=25), st.integers(1, 10))
def test_every_item_is_taken_once_and_once_more_for_each_delay(plan: Plan, workers: int) -> None:
    taken, _ = run_virtual(drain(plan, workers))

    assert Counter(taken) == {item: 1 + len(delays) for item, (_, delays) in enumerate(plan)}


@settings(deadline=None)
@given(st.lists(times, min_size=1, max_size=20), st.integers(1, 5))
def test_no_worker_idles_while_there_is_work(seconds: list[float], workers: int) -> None:
    _, duration = run_virtual(drain([(one, []) for one in seconds], workers))

    assert duration <= sum(seconds) / workers + max(seconds) + 1e-6


@in_virtual_time
async def test_what_waited_long_enough_goes_before_fresh_work() -> None:
    backlog = Backlog(["a", "b", "c"])
    first = await backlog.take()
    backlog.delay("a", 5)
    backlog.finish()
    second = await backlog.take()
    await asyncio.sleep(5)

    third, fourth = await backlog.take(), await backlog.take()

    assert [first, second, third, fourth] == ["a", "b", "a", "c"]


@in_virtual_time
async def test_added_work_goes_before_fresh_work_in_its_order() -> None:
    backlog = Backlog(["a", "b"])
    first = await backlog.take()
    backlog.add(["x", "y"])

    assert [first, await backlog.take(), await backlog.take(), await backlog.take()] == ["a", "x", "y", "b"]


@in_virtual_time
async def test_delayed_work_comes_in_the_order_of_its_times() -> None:
    backlog = Backlog[str]([])
    for item, seconds in (("late", 9), ("soon", 1), ("also soon", 1)):
        backlog.delay(item, seconds)

    assert [await backlog.take() for _ in range(3)] == ["soon", "also soon", "late"]


@in_virtual_time
async def test_a_worker_that_waits_takes_what_another_adds() -> None:
    backlog = Backlog(["a"])
    await backlog.take()
    waiting = asyncio.create_task(backlog.take())
    await asyncio.sleep(3)
    assert not waiting.done()

    backlog.add(["b"])

    assert await waiting == "b"


@in_virtual_time
async def test_a_shorter_delay_wakes_a_worker_that_waits_for_a_longer_one() -> None:
    backlog = Backlog(["a"])
    await backlog.take()
    backlog.delay("long", 60)
    waiting = asyncio.create_task(backlog.take())
    await asyncio.sleep(1)
    before = asyncio.get_running_loop().time()

    backlog.delay("short", 2)

    assert await waiting == "short"
    assert asyncio.get_running_loop().time() - before == pytest.approx(2)


@in_virtual_time
async def test_all_workers_end_when_the_last_item_does() -> None:
    backlog = Backlog(["a"])
    await backlog.take()
    waiting = [asyncio.create_task(backlog.take()) for _ in range(5)]
    await asyncio.sleep(1)

    backlog.finish()

    assert await asyncio.gather(*waiting) == [None] * 5
