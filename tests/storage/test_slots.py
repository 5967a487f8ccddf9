"""The ledger of slots: the same claims for the one in memory that other tests rely on and for Table storage."""

import asyncio
from dataclasses import replace
from datetime import timedelta

import pytest
from azure.data.tables import UpdateMode
from azure.data.tables.aio import TableServiceClient

from shared.errors import BridgeError
from shared.storage.slots import TableSlots
from shared.storage.tables import connect
from shared.storage.workflows import TableWorkflows
from shared.workflows.schedules import SlotOutcome
from shared.workflows.slots import Mark, SettledSlot, SlotLedger
from tests.support.azurite import connection_string
from tests.support.identity import no_identity
from tests.support.ports import free_port
from tests.workflows.slot_fakes import Died, Faults, MemorySlots, scheduled, utc, world

SIX = utc("2026-11-21T06:00")
DAY = timedelta(days=1)


@pytest.fixture(params=["memory", "table"])
def ledger(request: pytest.FixtureRequest) -> SlotLedger:
    if request.param == "memory":
        return MemorySlots()
    service: TableServiceClient = request.getfixturevalue("service")
    return TableSlots(service)


def ran(days_ago: int = 0, run: str = "run-1") -> SettledSlot:
    return SettledSlot(SIX - days_ago * DAY, SlotOutcome.RUN, run, SIX)


def superseded(days_ago: int) -> SettledSlot:
    return SettledSlot(SIX - days_ago * DAY, SlotOutcome.SUPERSEDED, None, SIX)


# Marks


async def test_a_ledger_begins_empty(ledger: SlotLedger) -> None:
    assert await ledger.marks() == {}
    assert await ledger.recent("churn", 10) == []
    assert await ledger.outcome("churn", SIX) is None


@pytest.mark.parametrize(
    "mark",
    [Mark("churn"), Mark("churn", SIX), Mark("churn", None, SIX, SIX + DAY), Mark("churn", SIX, SIX + DAY, SIX)],
)
async def test_a_mark_comes_back_as_it_was_written(ledger: SlotLedger, mark: Mark) -> None:
    moved = await ledger.move(mark)

    assert await ledger.marks() == {"churn": moved}
    assert moved is not None
    assert replace(moved, version="") == mark


async def test_a_mark_is_written_only_as_it_was_read(ledger: SlotLedger) -> None:
    first = await ledger.move(Mark("churn"))
    assert first is not None

    second = await ledger.move(replace(first, settled=SIX))

    assert second is not None
    assert await ledger.move(replace(first, settled=SIX + DAY)) is None
    assert await ledger.move(Mark("churn")) is None
    assert await ledger.marks() == {"churn": second}
    assert await ledger.move(replace(second, settled=SIX + DAY)) is not None


async def test_one_of_ten_who_claim_together_wins(ledger: SlotLedger) -> None:
    new = await asyncio.gather(*(ledger.move(Mark("churn", None, SIX, SIX)) for _ in range(10)))
    [mark] = [mark for mark in new if mark is not None]

    again = await asyncio.gather(*(ledger.move(replace(mark, claimed=SIX + DAY)) for _ in range(10)))

    assert len([mark for mark in again if mark is not None]) == 1


# Outcomes


async def test_a_slots_first_outcome_holds(ledger: SlotLedger) -> None:
    first = await ledger.decide("churn", ran(run="first"))

    second = await ledger.decide("churn", SettledSlot(SIX, SlotOutcome.JOINED, "second", SIX + DAY))

    assert first == second == ran(run="first")
    assert await ledger.outcome("churn", SIX) == first


async def test_recent_slots_are_the_newest_first(ledger: SlotLedger) -> None:
    await ledger.supersede("churn", [superseded(3), superseded(2), superseded(1)])
    await ledger.decide("churn", ran())
    await ledger.decide("other", ran())

    assert await ledger.recent("churn", 2) == [ran(), superseded(1)]
    assert await ledger.recent("churn", 10) == [ran(), superseded(1), superseded(2), superseded(3)]


async def test_superseding_again_changes_nothing(ledger: SlotLedger) -> None:
    for _ in range(2):
        await ledger.supersede("churn", [superseded(days) for days in range(1, 151)])

    assert len(await ledger.recent("churn", 1000)) == 150


async def test_names_go_without_regard_to_case(ledger: SlotLedger) -> None:
    await ledger.move(Mark("Churn"))
    await ledger.decide("Churn", ran())

    assert list(await ledger.marks()) == ["churn"]
    assert await ledger.recent("CHURN", 1) == [ran()]
    assert await ledger.outcome("churn", SIX) == ran()


# Retention


async def test_slots_past_their_retention_are_dropped(ledger: SlotLedger) -> None:
    mark = await ledger.move(Mark("churn", SIX))
    await ledger.supersede("churn", [superseded(days) for days in range(1, 151)])
    await ledger.decide("churn", ran())

    dropped = await ledger.drop_older(SIX - 20 * DAY)

    assert dropped == 130
    assert (await ledger.recent("churn", 1000))[-1] == superseded(20)
    assert await ledger.marks() == {"churn": mark}


async def test_a_mark_is_dropped_when_no_tick_looks_back_as_far(ledger: SlotLedger) -> None:
    kept = {
        "near": await ledger.move(Mark("near", SIX - 35 * DAY)),
        "claimed": await ledger.move(Mark("claimed", SIX - 36 * DAY, SIX - 35 * DAY, SIX)),
    }
    await ledger.move(Mark("far", SIX - 36 * DAY))

    await ledger.drop_older(SIX)

    assert await ledger.marks() == kept


async def test_a_slot_whose_mark_was_dropped_does_not_come_again(ledger: SlotLedger) -> None:
    place = world(scheduled("0 6 1 1 *", "2025-06-01"), ledger=ledger)
    await place.tick("2026-01-01T06:00")
    place.runs.end()
    await ledger.drop_older(utc("2026-11-01"))

    await place.tick("2026-11-01")

    assert await ledger.marks() == {}
    assert len(place.runs.begun) == 1


# Ticks over it


async def test_ticks_at_once_begin_one_run(ledger: SlotLedger) -> None:
    place = world(scheduled("0 6 * * *", "2026-11-18T12:00"), ledger=ledger)
    place.clock = SIX

    await asyncio.gather(*(place.host().tick() for _ in range(5)))

    assert await place.told() == [
        ("2026-11-19T06:00", "superseded", None),
        ("2026-11-20T06:00", "superseded", None),
        ("2026-11-21T06:00", "run", "run-1"),
    ]
    assert len(place.runs.begun) == 1


async def test_a_repetition_completes_what_a_death_after_the_beginning_left(ledger: SlotLedger) -> None:
    place = world(scheduled("* * * * *", "2026-11-21T05:59"), ledger=ledger)
    place.runs.faults = Faults(at=1, after=True)
    with pytest.raises(ExceptionGroup) as raised:
        await place.tick("2026-11-21T06:00")
    place.runs.end()

    await place.tick("2026-11-21T06:01")

    assert raised.group_contains(Died)
    assert await place.told() == [("2026-11-21T06:00", "run", "run-1"), ("2026-11-21T06:01", "run", "run-2")]


async def test_many_workflows_are_due_together(ledger: SlotLedger) -> None:
    names = [f"w{number}" for number in range(40)]
    place = world(*(scheduled("0 6 * * *", "2026-11-20T12:00", name=name) for name in names), ledger=ledger)

    report = await place.tick("2026-11-21T06:00")

    assert sorted(report.settled) == sorted(names)
    assert {mark.settled for mark in (await ledger.marks()).values()} == {SIX}


async def test_storage_that_is_away_leaves_no_outcome_and_the_slot_for_the_next_tick(ledger: SlotLedger) -> None:
    workflow = scheduled("0 6 * * *", "2026-11-20T12:00")
    async with connect(connection_string(table=free_port()), "", no_identity) as away:
        place = world(workflow, ledger=TableSlots(away))
        with pytest.raises(BridgeError, match="bridgeslots"):
            await place.tick("2026-11-21T06:00")
    place.ledger = ledger

    await place.tick("2026-11-21T06:01")

    assert await place.told() == [("2026-11-21T06:00", "run", "run-1")]


# What a workflow keeps of its timetable


async def test_since_when_a_timetable_holds_is_kept_with_the_workflow(service: TableServiceClient) -> None:
    workflows = TableWorkflows(service)
    edited = replace(scheduled("0 6 * * *", "2026-11-20T12:00"), updated_at=SIX)
    await workflows.save(edited, replaces=None)

    [stored] = await workflows.list()

    assert (stored.schedule_since, stored.updated_at) == (utc("2026-11-20T12:00"), SIX)


async def test_a_workflow_that_was_stored_without_it_has_its_timetable_since_it_was_saved(
    service: TableServiceClient,
) -> None:
    workflows = TableWorkflows(service)
    await workflows.save(scheduled("0 6 * * *", "2026-11-20T12:00"), replaces=None)
    table = service.get_table_client("bridgeworkflows")
    row = await table.get_entity("workflow", "churn")
    await table.upsert_entity({name: row[name] for name in row if name != "ScheduledAt"}, mode=UpdateMode.REPLACE)

    [stored] = await workflows.list()

    assert stored.schedule_since == utc("2026-11-20T12:00")
