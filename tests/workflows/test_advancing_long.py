"""Steps as long as the data is large: done by one, who says so again and again, and taken over when that one dies."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass

from shared.workflows.refreshing import Claim
from shared.workflows.runs import Run, RunStatus
from tests.support.virtual_time import in_virtual_time
from tests.workflows.run_fakes import MemoryRuns
from tests.workflows.run_world import MemorySink, World, churn, successor


@dataclass
class CountingSink(MemorySink):
    begun: int = 0

    async def write(self, path: str, chunks: AsyncIterator[bytes]) -> None:
        self.begun += 1
        await super().write(path, chunks)


async def at_export(slowness: float) -> tuple[World, CountingSink, str]:
    """A run that is about to export, for so many seconds."""
    world = World(churn(), successor())
    await world.begin()
    await world.settle()
    world.sink = sink = CountingSink(slowness=slowness)
    return world, sink, await world.begin("next")


@in_virtual_time
async def test_an_export_longer_than_its_lease_is_done_by_one() -> None:
    world, sink, run = await at_export(200)
    deliverers = [asyncio.create_task(world.settle(most=250)) for _ in range(2)]
    for _ in range(8):
        await asyncio.sleep(30)
        await world.tick()
    await asyncio.gather(*deliverers)
    await world.settle()

    folder = f"outputs/value/in/{run}/prior/"
    assert (sink.begun, list(sink.files)) == (1, [f"{folder}data.csv"])
    assert world.run(run).exported == {"prior": f"azureml://datastores/workspaceblobstore/paths/{folder}"}
    assert world.run(run).status is RunStatus.SUCCEEDED
    assert world.jobs.bodies[run]["properties"]["inputs"]["prior"]["uri"] == world.run(run).exported["prior"]


@in_virtual_time
async def test_a_storage_that_stutters_does_not_end_the_lease() -> None:
    world, _, run = await at_export(200)
    working = asyncio.create_task(world.settle(most=0))
    await asyncio.sleep(5)
    world.runs.is_away = True
    await asyncio.sleep(10)
    world.runs.is_away = False
    await asyncio.sleep(85)

    until = world.run(run).working_until
    assert until is not None
    assert until > world.now()
    await working
    assert world.run(run).exported


@in_virtual_time
async def test_a_long_step_whose_worker_died_is_taken_over_when_its_lease_has_run_out() -> None:
    world, sink, run = await at_export(200)
    dying = asyncio.create_task(world.runner.advance(run))
    await asyncio.sleep(15)
    dying.cancel()
    await asyncio.wait({dying})
    world.start_process()
    sink.slowness = 0

    await world.settle(most=20)
    assert (sink.begun, world.run(run).exported) == (1, {})
    await world.settle(most=20)

    assert (sink.begun, list(world.run(run).exported)) == (2, ["prior"])


@in_virtual_time
async def test_a_run_canceled_during_a_long_step_ends_at_once() -> None:
    world, _, run = await at_export(200)
    working = asyncio.create_task(world.settle())
    await asyncio.sleep(50)

    assert (await world.control.cancel(run)).status is RunStatus.CANCELED

    await working
    assert (run in world.jobs.jobs, world.run(run).status) == (False, RunStatus.CANCELED)


class Disturbed(MemoryRuns):
    """Somebody else writes just before a long step begins."""

    is_disturbed = False

    async def save(self, run: Run, version: str, claim: Claim | None = None, *, settles: bool = False) -> bool:
        if run.working_until is not None and not self.is_disturbed:
            self.is_disturbed = True
            known, current = self.runs[run.id]
            await super().save(known, current)
        return await super().save(run, version, claim, settles=settles)


@in_virtual_time
async def test_who_loses_the_race_for_a_long_step_looks_again() -> None:
    runs = Disturbed()
    world = World(runs=runs)
    run = await world.begin()

    await world.settle()

    assert (runs.is_disturbed, world.run(run).status) == (True, RunStatus.SUCCEEDED)
