"""Runs and parts: the store in memory that other tests use and the one in Table storage keep the same promises."""

import asyncio
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from shared.storage.columns import read_document, write_document
from shared.storage.parts import TableParts
from shared.storage.runs import TableRuns
from shared.storage.tables import Table, TableServiceClient
from shared.workflows.facts import Announced, CancelRequested, LookAgain
from shared.workflows.lifecycle import apply
from shared.workflows.part_ledger import PartEntry, PartLedger, PartState
from shared.workflows.refreshing import Claim, RunFilter, RunStore, StoredRun
from shared.workflows.runs import Run, RunError, RunStatus, Trigger, TriggerKind, new_run, new_run_id
from tests.workflows.fakes import stored_workflow
from tests.workflows.lifecycle_runs import UP_TO, after
from tests.workflows.run_fakes import MemoryParts, MemoryRuns

NOON = datetime(2026, 11, 21, 12, tzinfo=UTC)
MINUTE = timedelta(minutes=1)


@pytest.fixture
def clean(request: pytest.FixtureRequest) -> TableServiceClient | None:
    """An empty account; None: memory."""
    return request.getfixturevalue("service") if request.param == "tables" else None


BOTH = pytest.mark.parametrize("clean", ["memory", "tables"], indirect=True)


@pytest.fixture
def runs(clean: TableServiceClient | None) -> RunStore:
    return MemoryRuns() if clean is None else TableRuns(clean)


@pytest.fixture
def parts(clean: TableServiceClient | None) -> PartLedger:
    return MemoryParts() if clean is None else TableParts(clean)


def a_run(workflow: str = "churn", at: datetime = NOON, operation: str | None = None) -> Run:
    trigger = Trigger(TriggerKind.HTTP, operation_id=operation)
    return new_run(new_run_id(workflow, at), stored_workflow(workflow), trigger, at)


async def begun(runs: RunStore, run: Run | None = None) -> StoredRun:
    """Active, under a claim of its own."""
    run = run or a_run()
    assert await runs.begin(run, replace(await runs.claim_of(run.workflow), active=run.id, latest=run.id))
    stored = await runs.get(run.id)
    assert stored is not None
    return stored


async def live(runs: RunStore) -> list[str]:
    return [run async for run in runs.live()]


@BOTH
async def test_nothing_is_found_where_nothing_is(runs: RunStore) -> None:
    assert (await runs.get(a_run().id), await runs.run_of("churn", "op"), await runs.claims()) == (None, None, [])
    assert await runs.claim_of("Churn") == Claim("Churn")
    assert (await live(runs), (await runs.list(RunFilter(), size=5)).runs) == ([], [])
    await runs.delete(a_run().id)


@BOTH
async def test_a_run_its_claim_and_its_operation_id_begin_together(runs: RunStore) -> None:
    run = a_run(operation="op / 1")

    stored = await begun(runs, run)

    claim = await runs.claim_of("CHURN")
    assert stored.run == run
    assert (claim.workflow, claim.active, claim.pending, claim.latest) == ("churn", run.id, None, run.id)
    assert (await runs.run_of("Churn", "op / 1"), await runs.run_of("churn", "op / 2")) == (run.id, None)
    assert (await live(runs), await runs.claims()) == ([run.id], [claim])


@BOTH
async def test_a_joined_run_is_found_by_the_operation_id_which_keeps_what_it_stood_for(runs: RunStore) -> None:
    run = (await begun(runs, a_run(operation="op"))).run

    await runs.note(run, "joined")
    await runs.note(a_run(), "joined")
    await runs.note(a_run(), "op")

    assert [await runs.run_of("churn", operation) for operation in ("op", "joined")] == [run.id] * 2


@BOTH
@pytest.mark.parametrize("taken", ["claim", "operation", "run"])
async def test_a_run_that_may_not_begin_leaves_nothing(runs: RunStore, taken: str) -> None:
    first = await begun(runs, a_run(operation="op"))
    claim = await runs.claim_of("churn")
    other = first.run if taken == "run" else a_run(operation="op" if taken == "operation" else "other")

    is_begun = await runs.begin(other, Claim("churn", other.id) if taken == "claim" else claim)

    assert not is_begun
    assert await runs.claim_of("churn") == claim
    assert (await live(runs), await runs.run_of("churn", "other")) == ([first.run.id], None)
    assert len((await runs.list(RunFilter(), size=5)).runs) == 1


@BOTH
async def test_of_many_who_begin_together_one_does(runs: RunStore) -> None:
    some = [a_run() for _ in range(8)]

    won = await asyncio.gather(*(runs.begin(run, Claim("churn", run.id, latest=run.id)) for run in some))

    assert won.count(True) == 1
    assert await live(runs) == [some[won.index(True)].id]


@BOTH
async def test_a_run_is_written_over_only_as_it_was_read(runs: RunStore) -> None:
    stored = await begun(runs)
    moved = apply(stored.run, LookAgain(NOON + MINUTE), NOON)

    assert await runs.save(moved, stored.version)
    assert not await runs.save(stored.run, stored.version)
    assert not await runs.save(a_run(), stored.version)

    found = await runs.get(moved.id)
    assert found is not None
    assert found.run == moved


@BOTH
async def test_an_ended_run_frees_its_claim_or_does_not_end(runs: RunStore) -> None:
    stored = await begun(runs)
    ended = apply(stored.run, CancelRequested(), NOON)
    claim = await runs.claim_of("churn")

    stale = await runs.save(ended, stored.version, replace(claim, active=None, version=""), settles=True)
    assert (stale, await runs.get(ended.id), await live(runs)) == (False, stored, [ended.id])

    assert await runs.save(ended, stored.version, replace(claim, active=None), settles=True)
    left = await runs.claim_of("churn")
    assert (left.active, left.latest, await live(runs)) == (None, ended.id, [])


@BOTH
async def test_a_run_whose_end_is_still_to_be_told_stays_live_until_it_is_or_is_dropped(runs: RunStore) -> None:
    stored = await begun(runs)
    ended = apply(stored.run, CancelRequested(), NOON)

    assert await runs.save(ended, stored.version)
    assert await live(runs) == [ended.id]
    left = await runs.get(ended.id)
    assert left is not None
    told = apply(left.run, Announced(left.run.announcing), NOON)

    assert await runs.save(told, left.version, settles=told.is_settled)
    assert await live(runs) == []


@BOTH
async def test_of_two_who_end_a_run_together_one_does(runs: RunStore) -> None:
    stored = await begun(runs)
    ended, claim = apply(stored.run, CancelRequested(), NOON), replace(await runs.claim_of("churn"), active=None)

    assert sorted(await asyncio.gather(*(runs.save(ended, stored.version, claim) for _ in range(2)))) == [False, True]


@BOTH
@pytest.mark.parametrize("place", UP_TO)
async def test_a_run_comes_back_as_it_went_at_every_place(runs: RunStore, place: str) -> None:
    stored = await begun(runs)
    moved = replace(after(UP_TO[place]), id=stored.run.id)

    assert await runs.save(moved, stored.version, settles=moved.status.is_terminal)

    found = await runs.get(moved.id)
    assert found is not None
    assert found.run == moved
    assert await live(runs) == ([] if moved.status.is_terminal else [moved.id])


@BOTH
async def test_the_list_has_the_newest_first_by_workflow_status_and_time(runs: RunStore) -> None:
    ids: dict[str, str] = {}
    for number, workflow in enumerate(["churn", "Value", "churn"]):
        stored = await begun(runs, a_run(workflow, NOON + number * MINUTE))
        ids[f"{workflow}{number}"] = stored.run.id
    await runs.save(apply(stored.run, CancelRequested(), NOON), stored.version)

    async def listed(**chosen: object) -> list[str]:
        page = await runs.list(RunFilter(**chosen), size=9)  # type: ignore[arg-type]
        return [run.id for run in page.runs]

    assert await listed() == [ids["churn2"], ids["Value1"], ids["churn0"]]
    assert await listed(workflow="CHURN") == [ids["churn2"], ids["churn0"]]
    assert await listed(status=RunStatus.CANCELED) == [ids["churn2"]]
    assert await listed(workflow="churn", status=RunStatus.QUEUED) == [ids["churn0"]]
    assert await listed(since=NOON + MINUTE) == [ids["churn2"], ids["Value1"]]
    assert await listed(since=NOON + 3 * MINUTE) == []


@BOTH
@pytest.mark.parametrize("size", [1, 2, 5, 9])
async def test_pages_have_each_run_once(runs: RunStore, size: int) -> None:
    begun_runs = [(await begun(runs, a_run(at=NOON + number // 2 * MINUTE))).run.id for number in range(5)]

    found: list[str] = []
    token: str | None = None
    while True:
        page = await runs.list(RunFilter(workflow="churn"), size=size, token=token)
        assert len(page.runs) <= size
        found += [run.id for run in page.runs]
        if (token := page.token) is None:
            break

    assert sorted(found) == sorted(begun_runs)


@BOTH
async def test_a_deleted_run_is_gone_with_its_operation_ids(runs: RunStore) -> None:
    stored = await begun(runs, a_run(operation="op"))
    ended = apply(stored.run, CancelRequested(), NOON)
    await runs.save(ended, stored.version)
    await runs.note(ended, "joined")
    await runs.note(a_run(), "of another")

    await runs.delete(ended.id)
    await runs.delete(ended.id)

    assert (await runs.get(ended.id), await runs.run_of("churn", "of another") is None) == (None, False)
    assert [await runs.run_of("churn", operation) for operation in ("op", "joined")] == [None, None]
    assert (await runs.list(RunFilter(), size=5)).runs == []


NO_IDS = ["", "x", "-", "a/b-20261121T120000-a", "a'-20261121T120000-a", "a|-20261121T120000-a", "a-20261399T120000-a"]


@BOTH
@pytest.mark.parametrize("text", [*NO_IDS, "ä-20261121T120000-a", "a#?\\-20261121T120000-\n", "x" * 3000])
async def test_what_is_no_id_of_a_run_is_not_found(runs: RunStore, text: str) -> None:
    assert await runs.get(text) is None


# Of Table storage alone


async def change(service: TableServiceClient, run: str, **members: object) -> None:
    """A run's document as another release would have written it; None takes a member away."""
    table = Table(service, "bridgeruns")
    [row] = [row async for row in table.query("run", keys=("run|", "run}")) if row["RowKey"].endswith(run)]
    document = {name: value for name, value in (read_document(row) | members).items() if value is not None}
    await table.upsert("run", row["RowKey"], write_document(document))


async def test_a_run_of_another_release_is_read(service: TableServiceClient) -> None:
    runs = TableRuns(service)
    run = (await begun(runs)).run
    await change(
        service, run.id, future={"x": 1}, held_for=None, by_hand=None, working_until=None, exported=None, trace=None
    )

    found = await runs.get(run.id)

    assert found is not None
    assert found.run == run


async def test_a_run_with_a_large_definition_is_kept_whole(service: TableServiceClient) -> None:
    runs = TableRuns(service)
    run = replace(a_run(), definition={"text": "ü🙂" * 30_000})

    assert (await begun(runs, run)).run == run


# Parts

RUN = "brg-churn-20261121T120000-abcdef"
ENTRY = PartEntry(7, PartState.WORKING, "p1", NOON + timedelta(microseconds=123456))


@BOTH
async def test_an_entry_comes_back_as_it_went(parts: PartLedger) -> None:
    entry = replace(
        ENTRY, state=PartState.FAILED, attempts=3, records=5, misfits=2, error=RunError("A", "b: 'c'"), trace="t"
    )

    saved = await parts.save(RUN, entry)

    assert saved is not None
    assert saved == replace(entry, version=saved.version)
    assert (await parts.get(RUN, 7), await parts.list(RUN)) == (saved, [saved])
    assert (await parts.get(RUN, 8), await parts.get("other", 7), await parts.list("other")) == (None, None, [])


async def test_an_entry_of_the_release_before_is_read(service: TableServiceClient) -> None:
    parts = TableParts(service)
    await parts.save(RUN, ENTRY)
    table = Table(service, "bridgeparts")
    [row] = [row async for row in table.query(RUN)]
    await table.upsert(RUN, row["RowKey"], {name: value for name, value in row.items() if name != "Trace"})

    found = await parts.get(RUN, 7)

    assert found is not None
    assert found == replace(ENTRY, version=found.version)


@BOTH
async def test_an_entry_is_written_over_only_as_it_was_read(parts: PartLedger) -> None:
    first = await parts.save(RUN, ENTRY)
    assert first is not None
    second = await parts.save(RUN, replace(first, by="p2"))

    assert second is not None
    assert await parts.save(RUN, replace(first, by="p3")) is None
    assert await parts.save(RUN, replace(ENTRY, by="p4")) is None
    assert await parts.get(RUN, 7) == second


@BOTH
async def test_of_many_who_take_a_part_together_one_does(parts: PartLedger) -> None:
    taken = await asyncio.gather(*(parts.save(RUN, replace(ENTRY, by=f"p{number}")) for number in range(8)))

    assert [entry for entry in taken if entry is not None] == [await parts.get(RUN, 7)]


@BOTH
async def test_entries_are_listed_by_number_and_dropped_together(parts: PartLedger) -> None:
    for number in range(120, 0, -1):
        await parts.save(RUN, replace(ENTRY, number=number))
    await parts.save("other", ENTRY)

    assert [entry.number for entry in await parts.list(RUN)] == list(range(1, 121))

    await parts.drop(RUN)
    await parts.drop(RUN)
    assert (await parts.list(RUN), len(await parts.list("other"))) == ([], 1)
