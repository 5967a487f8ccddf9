"""Many at the same run: processes, duplicates, hints and timers never do a thing twice, and never let it lie."""

import asyncio
import random
from dataclasses import dataclass, field, replace
from datetime import timedelta

import pytest

from shared.entities.snapshots import Snapshot
from shared.workflows.facts import CancelRequested, FailedForNow, Working
from shared.workflows.lifecycle import apply
from shared.workflows.messages import WhenActive
from shared.workflows.refreshing import Claim
from shared.workflows.runs import Run, RunError, RunJob, RunStatus
from tests.support.virtual_time import in_virtual_time, run_virtual
from tests.workflows.run_fakes import MemoryRuns
from tests.workflows.run_world import MemoryQueues, World


def rows_of(world: World) -> int:
    current = world.entities.entities["customervalue"].current
    assert isinstance(current, Snapshot)
    return len(world.rows.contents(current.place))


@dataclass
class TwiceQueues(MemoryQueues):
    """Some messages are delivered twice."""

    chance: random.Random = field(default_factory=random.Random)

    async def send(self, queue: str, body: str, delay: float) -> None:
        for _ in range(self.chance.choice([1, 1, 2])):
            await super().send(queue, body, delay)


async def crowded(seed: int) -> tuple[World, str]:
    """Three deliver messages at once, each some twice, over a store that answers late."""
    world, chance = World(), random.Random(seed)
    world.queues = TwiceQueues(world.now, chance=chance)
    world.start_process()
    run = await world.begin()
    world.runs.latency = lambda: chance.choice([0, 0, 0.01, 0.3, 2])
    world.jobs.slowness = 0.1

    async def deliver() -> None:
        while not world.run(run).status.is_terminal:
            await world.settle(until=lambda: world.run(run).status.is_terminal)
            await asyncio.sleep(0.5)

    async with asyncio.timeout(3600):
        await asyncio.gather(*(deliver() for _ in range(3)))
    return world, run


@pytest.mark.parametrize("seed", range(12))
def test_many_who_advance_a_run_together_send_one_job_and_import_each_row_once(seed: int) -> None:
    world, run = run_virtual(crowded(seed))

    assert world.run(run).status is RunStatus.SUCCEEDED
    assert [entry.status.value for entry in world.run(run).timeline] == [
        "queued",
        "running",
        "importing",
        "publishing",
        "succeeded",
    ]
    assert list(world.jobs.bodies) == [run]
    assert (rows_of(world), world.runs.claimed["churn"].active) == (3, None)


async def busy(seed: int) -> World:
    """Runs are asked for while others end."""
    world, chance = World(), random.Random(seed)
    world.runs.latency = lambda: chance.choice([0, 0.01, 0.3])
    world.jobs.way = ("Running", "Completed")

    async def ask() -> None:
        for _ in range(10):
            await world.begin(when_active=WhenActive.QUEUE)
            await asyncio.sleep(chance.uniform(0, 3))

    async def deliver() -> None:
        for _ in range(60):
            await world.settle(most=1)
            await asyncio.sleep(1)

    await asyncio.gather(*(ask() for _ in range(3)), *(deliver() for _ in range(3)))
    await world.settle()
    return world


@pytest.mark.parametrize("seed", range(8))
def test_a_run_that_begins_while_another_ends_is_not_forgotten(seed: int) -> None:
    world = run_virtual(busy(seed))

    assert len(world.runs.runs) > 3
    assert {run.status for run, _ in world.runs.runs.values()} == {RunStatus.SUCCEEDED}
    assert (world.runs.alive, world.runs.claimed["churn"].active, world.runs.claimed["churn"].pending) == (
        set(),
        None,
        None,
    )


# The chain of looks


async def looked_at_together(seed: int) -> World:
    world, chance = World(), random.Random(seed)
    world.jobs.way = ("Running",)
    run = await world.begin()
    await world.settle(most=600)
    world.runs.latency = lambda: chance.choice([0, 0.01, 0.3])
    for _ in range(10):
        await asyncio.gather(*(world.runner.advance(run) for _ in range(5)))
        ahead = [message for message in world.waiting() if message.due > world.now()]
        assert len(ahead) == 1
        await asyncio.sleep(40)
    return world


@pytest.mark.parametrize("seed", range(5))
def test_many_who_find_a_look_overdue_together_ask_for_one(seed: int) -> None:
    run_virtual(looked_at_together(seed))


@in_virtual_time
async def test_a_live_run_has_one_look_ahead_whatever_duplicates_and_hints_come() -> None:
    world = World()
    world.jobs.way = ("Running",)
    run = await world.begin()
    for round_ in range(30):
        for _ in range(round_ % 5):
            await world.send_advance(run)
        await world.runner.job_changed(run)
        await world.settle(most=10)
        assert len(world.waiting()) == 1, f"round {round_}"
        assert world.waiting()[0].due - world.now() <= timedelta(seconds=30)


@in_virtual_time
async def test_looks_are_frequent_at_first_and_every_half_minute_in_the_end() -> None:
    world = World()
    world.jobs.way = ("Running",)
    await world.begin()
    await world.settle(most=3600)

    delays = [delay for queue, _, delay in world.queues.sent if queue == "run-advance"]
    assert delays[:3] == [0, 1, 1]
    assert delays[-1] == 30
    assert len(delays) < 180


class Contended(MemoryRuns):
    """Somebody else writes just before a look is asked for, some times."""

    lost = 0

    async def save(self, run: Run, version: str, claim: Claim | None = None, *, settles: bool = False) -> bool:
        known = self.runs[run.id][0]
        if run.wake_at != known.wake_at and self.lost < 5:
            self.lost += 1
            await super().save(apply(known, Working(known.created_at), known.created_at), version)
        return await super().save(run, version, claim, settles=settles)


@in_virtual_time
async def test_a_look_is_asked_for_even_if_others_write_at_that_moment() -> None:
    runs = Contended()
    world = World(runs=runs)
    world.jobs.way = ("Running",)
    await world.begin()

    await world.settle(most=3)

    assert runs.lost == 5
    assert len(world.waiting()) == 1


@in_virtual_time
async def test_a_run_that_ended_meanwhile_is_not_looked_at_again() -> None:
    world = World()
    run = await world.begin()
    stale = world.run(run)
    await world.control.cancel(run)
    sent = len(world.queues.sent)

    await world.runner._look_again(stale)

    assert len(world.queues.sent) == sent


@in_virtual_time
async def test_a_pending_run_is_looked_at_seldom_though_a_look_failed_once() -> None:
    world = World()
    world.jobs.way = ("Running",)
    await world.begin()
    pending = await world.begin(when_active=WhenActive.QUEUE)
    await world.settle(most=600)
    await world.runner.record(pending, [FailedForNow(RunError("StorageUnavailable", "away"))])
    await world.settle(most=60)
    sent = len(world.queues.sent)

    await world.settle(most=600)

    assert len(world.queues.sent) - sent <= 2 * 21
    assert world.run(pending).began_at is None


# Hints


@in_virtual_time
async def test_a_hint_by_the_jobs_name_finds_a_run_that_named_it_otherwise() -> None:
    world = World()
    world.jobs.way = ("Running",)
    run = await world.begin()
    await world.settle(most=5)
    stored = await world.runs.get(run)
    assert stored is not None
    await world.runs.save(replace(stored.run, job=RunJob("batch-1", "Running")), stored.version)
    world.jobs.jobs["batch-1"] = ["Completed"]
    world.output.files[f"outputs/value/{run}/scores.csv"] = world.jobs.csv

    await world.runner.job_changed("batch-1")

    assert world.run(run).status is RunStatus.IMPORTING


@in_virtual_time
async def test_a_hint_about_a_foreign_job_does_nothing() -> None:
    world = World()
    await world.begin()
    writes = world.runs.writes

    await world.runner.job_changed("somebody-elses")

    assert world.runs.writes == writes


@in_virtual_time
async def test_facts_are_taken_in_whoever_else_writes() -> None:
    world = World()
    run = await world.begin()
    world.runs.latency = lambda: 0.1

    told = await asyncio.gather(*(world.runner.record(run, [CancelRequested()]) for _ in range(5)))

    assert {each.status for each in told if each} == {RunStatus.CANCELED}
    assert [entry.status for entry in world.run(run).timeline] == [RunStatus.QUEUED, RunStatus.CANCELED]
