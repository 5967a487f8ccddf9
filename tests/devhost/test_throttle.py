"""host.json's limits on HTTP calls."""

import asyncio

from devhost.throttle import Throttle


async def call(throttle: Throttle, release: asyncio.Event, running: list[int]) -> bool:
    async with throttle.place() as admitted:
        if admitted:
            running.append(1)
            await release.wait()
            running.pop()
        return admitted


async def test_beyond_the_outstanding_limit_is_refused_and_beyond_the_concurrent_one_waits() -> None:
    throttle, release = Throttle(3, 2), asyncio.Event()
    running: list[int] = []

    calls = [asyncio.create_task(call(throttle, release, running)) for _ in range(5)]
    await asyncio.sleep(0.01)
    most = len(running)
    release.set()
    admitted = await asyncio.gather(*calls)

    assert most == 2
    assert admitted == [True, True, True, False, False]


async def test_no_limits_admit_all() -> None:
    throttle, release = Throttle(-1, -1), asyncio.Event()
    running: list[int] = []

    calls = [asyncio.create_task(call(throttle, release, running)) for _ in range(50)]
    await asyncio.sleep(0.01)

    assert len(running) == 50
    release.set()
    assert all(await asyncio.gather(*calls))
