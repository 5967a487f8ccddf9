"""Runs that a person decides about: held, published by hand, discarded; and outputs that are imported again."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import pytest

from shared.entities.snapshots import Snapshot, roll_back_entity
from shared.errors import Conflict
from shared.workflows.messages import WhenActive
from shared.workflows.runs import Run, RunStatus
from tests.entities.fakes import MemoryEntities
from tests.support.virtual_time import in_virtual_time
from tests.workflows.run_world import CSV, NOON, World, churn

WIDER = CSV.replace(b"score", b"points")


def statuses(run: Run) -> list[str]:
    return [entry.status.value for entry in run.timeline]


async def held(quality: dict[str, Any] | None = None) -> tuple[World, str]:
    """A run that has too few rows."""
    world = World(churn(quality=quality or {"minRows": 5}))
    run = await world.begin()
    await world.settle()
    assert world.run(run).status is RunStatus.HELD
    return world, run


def current(world: World) -> str | None:
    entity = world.entities.entities["customervalue"]
    return entity.current.run if entity.current else None


@in_virtual_time
async def test_a_run_with_too_few_rows_is_held_and_its_workflow_may_run_again() -> None:
    world, run = await held()

    assert statuses(world.run(run)) == ["queued", "running", "importing", "held"]
    assert world.run(run).held_for == ("3 rows were imported, fewer than minRows (5)",)
    assert (current(world), world.runs.claimed["churn"].active, world.queues.waiting) == (None, None, [])
    assert world.runs.alive == {run}


@in_virtual_time
async def test_a_pending_run_begins_when_the_active_one_is_held() -> None:
    world = World(churn(quality={"minRows": 5}))
    first, second = await world.begin(), await world.begin(when_active=WhenActive.QUEUE)
    await world.settle(until=lambda: world.run(first).status is RunStatus.RUNNING)
    world.workflows.workflows["churn"] = churn()

    await world.settle()

    assert (world.run(first).status, world.run(second).status) == (RunStatus.HELD, RunStatus.SUCCEEDED)
    assert (world.runs.claimed["churn"].active, current(world)) == (None, second)


@in_virtual_time
async def test_another_schema_is_held() -> None:
    world = World()
    await world.begin()
    await world.settle()
    world.jobs.csv = WIDER

    run = await world.begin()
    await world.settle()

    assert world.run(run).held_for == ("the column score is gone, and schemaChange is additive",)


@in_virtual_time
async def test_a_held_run_is_published_by_hand_once() -> None:
    world, run = await held()

    asked = [await world.control.publish(run), await world.control.publish(run)]
    await world.settle()

    assert {each.status for each in asked} == {RunStatus.PUBLISHING}
    assert (world.run(run).status, current(world)) == (RunStatus.SUCCEEDED, run)
    assert (await world.control.publish(run)).status is RunStatus.SUCCEEDED
    assert world.runs.alive == set()


@in_virtual_time
async def test_a_held_run_published_by_hand_leaves_the_active_runs_claim_alone() -> None:
    world, run = await held()
    other = await world.begin()

    await world.control.publish(run)
    await world.settle(until=lambda: world.run(run).status.is_terminal)

    assert world.runs.claimed["churn"].active == other


@in_virtual_time
async def test_a_discarded_run_is_canceled_and_stays_so() -> None:
    world, run = await held()

    asked = [await world.control.discard(run), await world.control.discard(run)]

    assert [(each.status, each.timeline[-1].note) for each in asked] == [(RunStatus.CANCELED, "discarded")] * 2
    await world.settle()
    assert (current(world), world.runs.alive) == (None, set())


@in_virtual_time
async def test_a_held_run_expires_after_seven_days() -> None:
    world, run = await held()
    await world.settle(most=0)
    for _ in range(7 * 24):
        assert world.run(run).status is RunStatus.HELD
        await world.queues.send("timer", "", 3600)
        await world.settle(most=3600)

    assert world.run(run).status is RunStatus.CANCELED
    assert "7 days" in str(world.run(run).timeline[-1].note)


async def published_twice() -> World:
    world = World()
    for _ in range(2):
        await world.begin()
        await world.settle()
    return world


@in_virtual_time
async def test_a_pinned_entity_holds_the_run_and_a_person_may_publish_it() -> None:
    world = await published_twice()
    await roll_back_entity(world.entities, "CustomerValue", world.now())

    run = await world.begin()
    await world.settle()
    assert world.run(run).status is RunStatus.HELD
    assert "pinned since a rollback" in world.run(run).held_for[0]

    await world.control.publish(run)
    await world.settle()
    assert (world.run(run).status, current(world)) == (RunStatus.SUCCEEDED, run)


@dataclass
class RolledBack(MemoryEntities):
    """Somebody rolls back just before the pointer moves."""

    now: datetime = NOON
    is_rolled_back: bool = False

    async def save_snapshot(self, entity: str, snapshot: Snapshot) -> None:
        await super().save_snapshot(entity, snapshot)
        if snapshot.published_at is not None and not self.is_rolled_back:
            self.is_rolled_back = True
            await roll_back_entity(self, entity, self.now)


@in_virtual_time
async def test_a_rollback_between_judging_and_publishing_holds_the_run() -> None:
    world = await published_twice()
    world.entities = RolledBack(**vars(world.entities), now=world.now())
    world.start_process()
    before = current(world)
    run = await world.begin()
    await world.settle()

    assert statuses(world.run(run)) == ["queued", "running", "importing", "publishing", "held"]
    assert "pinned since a rollback" in world.run(run).held_for[0]
    assert current(world) not in (run, before)
    kept = await world.entities.get_snapshot("CustomerValue", world.run(run).snapshot or "")
    assert kept is not None
    assert (kept.rows, kept.published_at) == (3, None)


# Importing again


@in_virtual_time
async def test_an_output_is_imported_again_under_todays_definition_without_a_job() -> None:
    world, source = await held()
    world.workflows.workflows["churn"] = churn(columns={"score": "Edm.String"})

    begun = await world.control.import_again(source, world.now())
    await world.settle()

    again = world.run(begun.run.id)
    assert begun.is_new
    assert statuses(again) == ["queued", "running", "importing", "publishing", "succeeded"]
    assert again.timeline[0].note == f"imports the output of {source} again"
    assert list(world.jobs.bodies) == [source]
    entity = world.entities.entities["customervalue"]
    assert entity.current is not None
    assert entity.current.schema.properties["score"] == "Edm.String"
    assert entity.current.table != world.run(source).snapshot


@in_virtual_time
async def test_an_import_again_may_be_imported_again() -> None:
    world, source = await held()
    first = (await world.control.import_again(source, world.now())).run.id
    await world.settle()

    second = (await world.control.import_again(first, world.now() + timedelta(seconds=1))).run.id
    await world.settle()

    assert world.run(second).status is RunStatus.HELD
    assert world.run(second).output == world.run(source).output


@in_virtual_time
async def test_only_a_finished_jobs_output_is_imported_again_and_only_while_no_run_is_active() -> None:
    world = World()
    run = await world.begin()
    with pytest.raises(Conflict, match="has no finished job whose output could be imported"):
        await world.control.import_again(run, world.now())
    await world.settle()

    other = await world.begin()
    with pytest.raises(Conflict, match=f"the run {other} of churn is active"):
        await world.control.import_again(run, world.now())
