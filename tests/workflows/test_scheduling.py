"""The tick: every slot has one outcome, whoever dies, edits or ticks beside it."""

import asyncio
import logging
from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from shared.conditions import Conditions
from shared.errors import BridgeError, Conflict, StorageUnavailable
from shared.workflows.catalog import StoredWorkflow, WorkflowCatalog
from shared.workflows.connections import Connection, Consent
from shared.workflows.runs import Trigger, TriggerKind
from shared.workflows.workspaces import BatchDeployment, ComponentVersion, Datastore, Permission, Workspace, WorkspaceId
from tests.workflows.fakes import DATA, DATASTORES, WORKSPACE, component, document
from tests.workflows.slot_fakes import Died, Faults, MemorySlots, scheduled, utc, world

DAILY = "0 6 * * *"
BERLIN = "Europe/Berlin"


# One slot


async def test_a_slot_begins_a_run_that_names_it() -> None:
    place = world(scheduled(DAILY, "2026-11-20T12:00"))

    report = await place.tick("2026-11-21T06:00")

    [run] = place.runs.begun
    assert (run.trigger.kind, run.trigger.slot) == (TriggerKind.SCHEDULE, "2026-11-21T06:00:00Z")
    assert run.trigger.operation_id == "slot:2026-11-21T06:00:00Z"
    assert await place.told() == [("2026-11-21T06:00", "run", run.id)]
    assert [slot.run for slot in report.settled["churn"]] == [run.id]


async def test_a_slot_comes_once() -> None:
    place = world(scheduled(DAILY, "2026-11-20T12:00"))

    await place.each_minute("2026-11-21T05:50", "2026-11-21T06:10")

    assert len(place.runs.begun) == 1


async def test_a_slot_while_a_run_is_active_joins_it() -> None:
    place = world(scheduled("* * * * *", "2026-11-21T05:59"))

    await place.tick("2026-11-21T06:00")
    await place.tick("2026-11-21T06:01")

    assert await place.told() == [("2026-11-21T06:00", "run", "run-1"), ("2026-11-21T06:01", "joined", "run-1")]


@pytest.mark.parametrize(
    ("at", "note"),
    [
        ("2026-11-21T06:00:00", "scheduled for 2026-11-21T06:00:00Z"),
        ("2026-11-21T06:01:30", "scheduled for 2026-11-21T06:00:00Z"),
        ("2026-11-21T06:01:31", "scheduled for 2026-11-21T06:00:00Z, 1 min late"),
        ("2026-11-21T08:10:00", "scheduled for 2026-11-21T06:00:00Z, 2 h 10 min late"),
    ],
)
async def test_a_run_that_is_late_says_so(at: str, note: str) -> None:
    place = world(scheduled(DAILY, "2026-11-20T12:00"))

    await place.tick(at)

    assert place.runs.begun[0].timeline[0].note == note


# Clock changes


@pytest.mark.parametrize(
    ("day", "slot"), [("2026-03-29", "2026-03-29T01:00"), ("2026-10-25", "2026-10-25T00:30")], ids=["gap", "repeat"]
)
async def test_a_time_of_day_that_a_clock_change_skips_or_repeats_comes_once(day: str, slot: str) -> None:
    place = world(scheduled("30 2 * * *", f"{day}T00:00", zone=BERLIN))

    await place.each_minute(f"{day}T00:00", f"{day}T12:00")

    assert await place.told() == [(slot, "run", "run-1")]
    assert len(place.runs.begun) == 1


# Downtime


async def test_after_downtime_the_latest_slot_runs_and_the_others_are_superseded() -> None:
    place = world(scheduled(DAILY, "2026-11-17T12:00"))
    await place.tick("2026-11-18T06:00")
    place.runs.end()

    report = await place.tick("2026-11-21T07:00")

    assert await place.told() == [
        ("2026-11-18T06:00", "run", "run-1"),
        ("2026-11-19T06:00", "superseded", None),
        ("2026-11-20T06:00", "superseded", None),
        ("2026-11-21T06:00", "run", "run-2"),
    ]
    assert len(report.settled["churn"]) == 3


# Edits


async def test_a_new_workflow_has_no_slots_of_before_it_was_saved() -> None:
    place = world(scheduled(DAILY, "2026-11-21T06:00"))

    await place.each_minute("2026-11-21T06:00", "2026-11-21T06:05")

    assert await place.told() == []


async def test_an_old_timetables_slot_does_not_come_after_the_edit() -> None:
    place = world(scheduled("0 5 * * *", "2026-11-20T12:00"))
    await place.tick("2026-11-21T04:59")
    place.workflows = [scheduled("0 7 * * *", "2026-11-21T05:00:30")]

    await place.each_minute("2026-11-21T05:01", "2026-11-21T07:05")

    assert await place.told() == [("2026-11-21T07:00", "run", "run-1")]


async def test_a_new_timetable_begins_at_its_edit() -> None:
    place = world(scheduled(DAILY, "2026-11-20T12:00"))
    await place.tick("2026-11-21T06:00")
    place.workflows = [scheduled("*/10 * * * *", "2026-11-21T09:05")]
    place.runs.end()

    await place.tick("2026-11-21T09:10")

    assert (await place.told())[1:] == [("2026-11-21T09:10", "run", "run-2")]


async def test_an_edit_of_something_else_keeps_a_slot_that_is_due() -> None:
    edited = replace(scheduled(DAILY, "2026-11-20T12:00"), updated_at=utc("2026-11-21T06:00:30"))
    place = world(edited)

    await place.tick("2026-11-21T06:01")

    assert await place.told() == [("2026-11-21T06:00", "run", "run-1")]


async def test_slots_of_a_pause_do_not_come_back() -> None:
    place = world(scheduled(DAILY, "2026-11-19T12:00"))
    await place.tick("2026-11-20T06:00")
    place.workflows = [scheduled(DAILY, "2026-11-20T12:00", enabled=False)]
    await place.each_minute("2026-11-21T05:58", "2026-11-21T06:02")
    place.workflows = [scheduled(DAILY, "2026-11-21T08:00")]

    await place.each_minute("2026-11-21T08:00", "2026-11-21T08:05")
    await place.tick("2026-11-22T06:00")

    assert [slot for slot, _, _ in await place.told()] == ["2026-11-20T06:00", "2026-11-22T06:00"]


async def test_a_pause_that_no_tick_saw_is_a_pause() -> None:
    place = world(scheduled(DAILY, "2026-11-19T12:00"))
    await place.tick("2026-11-20T06:00")
    place.workflows = [scheduled(DAILY, "2026-11-21T06:30")]

    await place.tick("2026-11-21T07:00")

    assert len(await place.told()) == 1


async def test_a_draft_has_no_slots() -> None:
    place = world(scheduled(DAILY, "2026-11-20T12:00", missing=["transactions"]))

    report = await place.tick("2026-11-21T06:00")

    assert (await place.told(), report.failed) == ([], {})


async def test_a_workflow_deleted_and_made_anew_begins_anew() -> None:
    place = world(scheduled(DAILY, "2026-11-19T12:00"))
    await place.tick("2026-11-20T06:00")
    place.runs.end()
    place.workflows = []
    await place.tick("2026-11-21T06:00")
    place.workflows = [scheduled(DAILY, "2026-11-22T05:00")]

    await place.tick("2026-11-22T06:00")

    assert [slot for slot, _, _ in await place.told()] == ["2026-11-20T06:00", "2026-11-22T06:00"]


# Since when a timetable holds


class OneWorkspace:
    """The least that a workflow is checked against: one pipeline, with a data input and a data output."""

    async def workspace(self, workspace: WorkspaceId) -> Workspace:
        raise NotImplementedError

    async def permissions(self, workspace: WorkspaceId) -> Sequence[Permission]:
        raise NotImplementedError

    async def components(self, workspace: WorkspaceId) -> Sequence[ComponentVersion]:
        spec = {"inputs": {"transactions": {"type": "uri_file"}}, "outputs": {"scores": {"type": "uri_folder"}}}
        return [component({"type": "pipeline", **spec})]

    async def component(self, workspace: WorkspaceId, name: str, version: str) -> ComponentVersion | None:
        return (await self.components(workspace))[0]

    async def datastores(self, workspace: WorkspaceId) -> Sequence[Datastore]:
        return DATASTORES

    async def batch_deployments(self, workspace: WorkspaceId) -> Sequence[BatchDeployment]:
        return []


class OneWorkflow:
    """Where it lies."""

    stored: StoredWorkflow | None = None

    async def get(self, name: str) -> StoredWorkflow | None:
        return self.stored

    async def list(self) -> Sequence[StoredWorkflow]:
        return [self.stored] if self.stored else []

    async def save(self, workflow: StoredWorkflow, *, replaces: StoredWorkflow | None) -> bool:
        self.stored = workflow
        return True

    async def delete(self, workflow: StoredWorkflow) -> bool:
        self.stored = None
        return True


async def contoso(name: str) -> Connection:
    return Connection(name, "tenant", WORKSPACE.path, "westeurope", Consent("me", SAVED, "1"), "etag")


SAVED, EDITED = utc("2026-11-20T12:00"), utc("2026-11-21T06:00:30")
ON = {"cron": DAILY, "timeZone": "UTC", "enabled": True}
READY: dict[str, Any] = {"schedule": ON, "requiredData": {"transactions": {"path": DATA}}}
EDITS: dict[str, tuple[dict[str, Any], dict[str, Any], bool]] = {
    "nothing": (READY, {}, False),
    "something else": (READY, {"timeout": "PT1H"}, False),
    "what was the default": (READY | {"schedule": {"cron": DAILY}}, {"schedule": ON}, False),
    "the cron": (READY, {"schedule": {"cron": "0 7 * * *"}}, True),
    "the zone": (READY, {"schedule": {"timeZone": BERLIN}}, True),
    "off": (READY, {"schedule": {"enabled": False}}, True),
    "on": (READY | {"schedule": ON | {"enabled": False}}, {"schedule": {"enabled": True}}, True),
    "the first schedule": (READY | {"schedule": None}, {"schedule": ON}, True),
    "the end of a draft": (READY | {"requiredData": None}, {"requiredData": READY["requiredData"]}, True),
}


@pytest.mark.parametrize(("before", "edit", "is_new"), EDITS.values(), ids=EDITS)
async def test_a_timetable_holds_since_the_edit_that_changed_it(
    before: dict[str, Any], edit: dict[str, Any], is_new: bool
) -> None:
    catalog = WorkflowCatalog(OneWorkflow(), contoso, lambda tenant: OneWorkspace())
    saved, _ = await catalog.put("churn", document(**before), Conditions(), SAVED)

    edited = await catalog.patch("churn", edit, Conditions(), EDITED)

    assert saved.schedule_since == SAVED
    assert (edited.schedule_since, edited.updated_at) == (EDITED if is_new else SAVED, EDITED)


# Two hosts


async def test_hosts_that_tick_at_once_begin_one_run() -> None:
    place = world(scheduled(DAILY, "2026-11-20T12:00"))
    place.clock = utc("2026-11-21T06:00")

    await asyncio.gather(*(place.host().tick() for _ in range(5)))

    assert await place.told() == [("2026-11-21T06:00", "run", "run-1")]
    assert len(place.runs.begun) == 1


async def test_a_run_that_another_tick_began_for_the_slot_is_the_slots_own() -> None:
    place = world(scheduled(DAILY, "2026-11-20T12:00"))
    slot = "2026-11-21T06:00:00Z"
    await place.runs.begin(place.workflows[0], Trigger(TriggerKind.SCHEDULE, slot, f"slot:{slot}"))

    await place.tick("2026-11-21T06:00")

    assert await place.told() == [("2026-11-21T06:00", "run", "run-1")]


async def test_a_slot_that_another_tick_is_at_is_left_to_it() -> None:
    place = world(scheduled(DAILY, "2026-11-20T12:00"), ledger=MemorySlots(Faults(at=2)))
    place.clock = utc("2026-11-21T06:00")
    with pytest.raises(ExceptionGroup):
        await place.tick("2026-11-21T06:00")
    place.runs.end()

    await place.tick("2026-11-21T06:00:30")
    meanwhile = await place.told()
    await place.tick("2026-11-21T06:01")

    assert meanwhile == []
    assert await place.told() == [("2026-11-21T06:00", "run", "run-1")]


# Death

DEATHS = [(at, after) for at in range(1, 5) for after in (False, True)]


@pytest.mark.parametrize(("at", "after"), DEATHS)
async def test_a_repetition_completes_what_a_death_left(at: int, after: bool) -> None:
    faults = Faults(at, after)
    place = world(scheduled(DAILY, "2026-11-18T12:00"), ledger=MemorySlots(faults))
    place.runs.faults = faults
    place.clock = utc("2026-11-20T06:00")
    with pytest.raises(ExceptionGroup) as raised:
        await place.host().tick()
    place.runs.end()

    await place.tick("2026-11-20T06:01")

    assert raised.group_contains(Died)
    assert await place.told() == [("2026-11-19T06:00", "superseded", None), ("2026-11-20T06:00", "run", "run-1")]
    assert len(place.runs.begun) == 1


@pytest.mark.parametrize(("at", "after"), DEATHS)
async def test_a_run_that_had_begun_is_not_called_superseded_by_the_next_slot(at: int, after: bool) -> None:
    faults = Faults(at, after)
    place = world(scheduled("* * * * *", "2026-11-21T05:59"), ledger=MemorySlots(faults))
    place.runs.faults = faults
    place.clock = utc("2026-11-21T06:00")
    with pytest.raises(ExceptionGroup):
        await place.host().tick()
    had_begun = bool(place.runs.begun)
    place.runs.end()

    await place.tick("2026-11-21T06:01")

    first, second = await place.told()
    assert first == ("2026-11-21T06:00", *(("run", "run-1") if had_begun else ("superseded", None)))
    assert second == ("2026-11-21T06:01", "run", place.runs.begun[-1].id)
    assert len(place.runs.begun) == 1 + had_begun


async def test_a_slot_that_joined_stays_joined_though_its_tick_died_and_the_run_has_ended() -> None:
    ledger = MemorySlots()
    place = world(scheduled(DAILY, "2026-11-20T12:00"), ledger=ledger)
    await place.runs.begin(place.workflows[0], Trigger(TriggerKind.HTTP))
    ledger.faults = Faults(at=2, after=True)
    with pytest.raises(ExceptionGroup):
        await place.tick("2026-11-21T06:00")
    place.runs.end()

    await place.tick("2026-11-21T06:01")

    assert await place.told() == [("2026-11-21T06:00", "joined", "run-1")]
    assert len(place.runs.begun) == 1


async def test_a_run_left_behind_is_recorded_though_its_workflow_is_gone() -> None:
    place = world(scheduled(DAILY, "2026-11-20T12:00"))
    place.runs.faults = Faults(at=1, after=True)
    place.clock = utc("2026-11-21T06:00")
    with pytest.raises(ExceptionGroup):
        await place.host().tick()
    place.workflows = []

    await place.tick("2026-11-21T06:01")

    assert await place.told() == [("2026-11-21T06:00", "run", "run-1")]


async def test_a_slot_left_behind_does_not_come_after_an_edit() -> None:
    place = world(scheduled(DAILY, "2026-11-20T12:00"))
    place.runs.faults = Faults(at=1)
    with pytest.raises(ExceptionGroup):
        await place.tick("2026-11-21T06:00")
    place.workflows = [scheduled("0 7 * * *", "2026-11-21T06:00:40")]

    await place.tick("2026-11-21T06:01")
    reads = place.runs.reads
    await place.tick("2026-11-21T06:02")

    assert (await place.told(), place.runs.begun) == ([], [])
    assert place.runs.reads == reads


# Failures


@pytest.mark.parametrize(
    ("error", "level"), [(StorageUnavailable("away"), logging.WARNING), (Conflict("no"), logging.ERROR)]
)
async def test_one_workflows_failure_is_logged_and_keeps_no_other_from_its_slot(
    error: BridgeError, level: int, caplog: pytest.LogCaptureFixture
) -> None:
    place = world(*(scheduled(DAILY, "2026-11-20T12:00", name=name) for name in ("a", "b", "c")))
    place.runs.failing["b"] = error

    report = await place.tick("2026-11-21T06:00")

    assert sorted(report.settled) == ["a", "c"]
    assert report.failed == {"b": error.code}
    assert report.outcome == "partly"
    [logged] = [record for record in caplog.records if record.getMessage().startswith("schedule_failed")]
    assert logged.levelno == level
    assert f"workflow=b code={error.code}" in logged.getMessage()


async def test_a_failed_slot_is_tried_again_with_the_next_tick() -> None:
    place = world(scheduled(DAILY, "2026-11-20T12:00"))
    place.runs.failing["churn"] = StorageUnavailable("away")
    await place.each_minute("2026-11-21T06:00", "2026-11-21T06:09")
    del place.runs.failing["churn"]

    await place.tick("2026-11-21T06:10")

    assert await place.told() == [("2026-11-21T06:00", "run", "run-1")]
    assert place.runs.begun[0].timeline[0].note == "scheduled for 2026-11-21T06:00:00Z, 10 min late"


async def test_a_failed_slot_is_lost_to_the_next_one_alone() -> None:
    place = world(scheduled("0 * * * *", "2026-11-21T05:30"))
    place.runs.failing["churn"] = StorageUnavailable("away")
    await place.tick("2026-11-21T06:00")
    await place.tick("2026-11-21T06:59")
    del place.runs.failing["churn"]

    await place.tick("2026-11-21T07:00")

    assert await place.told() == [("2026-11-21T06:00", "superseded", None), ("2026-11-21T07:00", "run", "run-1")]


@pytest.mark.parametrize("cron", ["nonsense", "0 6 30 2 *"])
async def test_a_stored_schedule_that_cannot_be_read_keeps_no_other_from_its_slot(cron: str) -> None:
    bad = scheduled(cron, "2026-11-20T12:00", name="bad")
    place = world(bad, scheduled(DAILY, "2026-11-20T12:00", name="good"))

    report = await place.tick("2026-11-21T06:00")

    assert (sorted(report.settled), report.failed) == (["good"], {"bad": "BadRequest"})


async def test_a_fault_of_ours_is_raised_when_every_workflow_had_its_turn() -> None:
    place = world(*(scheduled(DAILY, "2026-11-20T12:00", name=name) for name in ("a", "b")))
    place.runs.failing["a"] = KeyError("ours")

    with pytest.raises(ExceptionGroup):
        await place.tick("2026-11-21T06:00")

    assert await place.told("b") == [("2026-11-21T06:00", "run", "run-1")]


# Cost


async def test_a_tick_with_nothing_due_reads_workflows_and_marks_once() -> None:
    ledger = MemorySlots()
    names = [f"w{number}" for number in range(200)]
    place = world(*(scheduled(DAILY, "2026-11-20T12:00", name=name) for name in names), ledger=ledger)
    await place.tick("2026-11-21T06:00")
    writes, ledger.reads, place.lists = ledger.faults.writes, 0, 0

    await place.tick("2026-11-21T06:01")

    assert (place.lists, ledger.reads, place.runs.reads) == (1, 1, 0)
    assert ledger.faults.writes == writes
    assert len(place.runs.begun) == 200


async def test_a_year_of_downtime_is_made_up_for_in_one_tick() -> None:
    place = world(scheduled("*/30 * * * *", "2026-01-01T12:00"))

    report = await place.tick("2026-11-21T06:00")

    assert len(report.settled["churn"]) == timedelta(days=35) / timedelta(minutes=30)
    assert len(place.runs.begun) == 1
