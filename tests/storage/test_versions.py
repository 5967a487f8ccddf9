"""Old and new processes side by side: what a newer release adds to a row outlives a write of this one, and a row that this
one could misread is refused."""

import json
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any

import pytest
from azure.data.tables import UpdateMode
from azure.data.tables.aio import TableClient, TableServiceClient

from shared.conditions import etag_of
from shared.entities.schema import FoundColumn, Wanted, decide_schema
from shared.entities.snapshots import Snapshot, claim_entity, publish_snapshot
from shared.entities.values import EdmType
from shared.errors import NewerVersion, OlderVersion
from shared.operations.ownership import Ownership
from shared.skills.catalog import KeyPlace, StoredSkill
from shared.skills.definition import stored_definition
from shared.storage.columns import read_document, write_document
from shared.storage.entities import TableEntities
from shared.storage.ownership import TableOwnership
from shared.storage.parts import TableParts
from shared.storage.poison import TablePoison
from shared.storage.reader_keys import TableReaderKeys
from shared.storage.runs import TableRuns
from shared.storage.skills import TableSkillStore
from shared.storage.slots import TableSlots
from shared.storage.tables import Table
from shared.storage.workflows import TableWorkflows
from shared.workflows.definition import stored_workflow as stored
from shared.workflows.facts import LookAgain
from shared.workflows.lifecycle import apply
from shared.workflows.part_ledger import PartEntry, PartState
from shared.workflows.poison import PoisonMessage, poison_id
from shared.workflows.refreshing import RunFilter
from shared.workflows.slots import Mark
from tests.entities.reader_fakes import reader_key
from tests.storage.test_run_stores import a_run, begun
from tests.workflows.fakes import stored_workflow

NOON = datetime(2026, 11, 21, 12, tzinfo=UTC)
SCHEMA = decide_schema([[FoundColumn("id", 1, EdmType.STRING)]], Wanted("id", "id", {}))


async def write_run(service: TableServiceClient) -> None:
    await begun(TableRuns(service), a_run())


async def write_run_again(service: TableServiceClient) -> None:
    runs = TableRuns(service)
    [run] = (await runs.list(RunFilter(), size=9)).runs
    stored = await runs.get(run.id)
    assert stored is not None
    assert await runs.save(apply(stored.run, LookAgain(NOON), NOON), stored.version, await runs.claim_of("churn"))


async def write_entity(service: TableServiceClient) -> None:
    entities = TableEntities(service)
    await claim_entity(entities, "Value", "churn")
    await entities.save_snapshot("Value", Snapshot("Value1", "run", SCHEMA, 4, 1, 0, NOON))


async def write_entity_again(service: TableServiceClient) -> None:
    entities = TableEntities(service)
    snapshot = await entities.get_snapshot("Value", "Value1")
    assert snapshot is not None
    await publish_snapshot(entities, "Value", snapshot, NOON)


async def write_part(service: TableServiceClient) -> None:
    assert await TableParts(service).save("run", PartEntry(0, PartState.WORKING, "p", NOON))


async def write_part_again(service: TableServiceClient) -> None:
    found = await TableParts(service).get("run", 0)
    assert found is not None
    assert await TableParts(service).save("run", replace(found, state=PartState.DONE))


async def write_mark(service: TableServiceClient) -> None:
    assert await TableSlots(service).move(Mark("churn", None, NOON, NOON))


async def write_mark_again(service: TableServiceClient) -> None:
    """Twice from one reading, as a tick does; the claim is given up."""
    slots = TableSlots(service)
    moved = await slots.move(replace((await slots.marks())["churn"], settled=NOON))
    assert moved is not None
    assert await slots.move(replace(moved, claimed=None, claimed_at=None))


async def write_key(service: TableServiceClient) -> None:
    assert await TableReaderKeys(service).add(reader_key())


async def write_key_again(service: TableServiceClient) -> None:
    [key] = await TableReaderKeys(service).list()
    await TableReaderKeys(service).mark_used(key, NOON)


async def write_poison(service: TableServiceClient) -> None:
    await TablePoison(service).add(PoisonMessage(poison_id("q", "x"), "q", "x", None, NOON, NOON))


async def write_workflow(service: TableServiceClient) -> None:
    assert await TableWorkflows(service).save(stored_workflow("churn"), replaces=None)


async def write_workflow_again(service: TableServiceClient) -> None:
    found = await TableWorkflows(service).get("churn")
    assert found is not None
    assert await TableWorkflows(service).save(found, replaces=found)


async def write_skill(service: TableServiceClient) -> None:
    skill = StoredSkill("s", {"uri": "x"}, KeyPlace("SKILL_KEY_A", None), etag_of("a"), NOON)
    assert await TableSkillStore(service).save(skill, replaces=None)


async def write_skill_again(service: TableServiceClient) -> None:
    found = await TableSkillStore(service).get("s")
    assert found is not None
    assert await TableSkillStore(service).save(replace(found, key=None), replaces=found)


async def write_owner(service: TableServiceClient) -> None:
    assert await TableOwnership(service).save(Ownership("a", NOON))


async def write_owner_again(service: TableServiceClient) -> None:
    found = await TableOwnership(service).get()
    assert found is not None
    assert await TableOwnership(service).save(replace(found, owner="b", former="a"))


type Act = Callable[[TableServiceClient], Awaitable[None]]


@dataclass(frozen=True)
class Kind:
    """Rows of one kind, as the app writes them and writes them again."""

    table: str
    rows: str
    """How their keys, partition and row, begin."""
    write: Act
    again: Act
    keeps_members: bool = False
    """Of its document, beside the columns."""
    gone: tuple[str, ...] = ()
    """Columns of this release that the second write leaves out."""


KINDS = [
    Kind("bridgeruns", "run/run|", write_run, write_run_again, keeps_members=True),
    Kind("bridgeruns", "run/claim|", write_run, write_run_again),
    Kind("bridgeentities", "entity/", write_entity, write_entity_again, keeps_members=True),
    Kind("bridgeentities", "snapshot-value/", write_entity, write_entity_again, keeps_members=True),
    Kind("bridgeparts", "run/", write_part, write_part_again),
    Kind("bridgeslots", "|marks/", write_mark, write_mark_again, gone=("Claimed", "ClaimedAt")),
    Kind("bridgereaderkeys", "readerkey/key|", write_key, write_key_again),
    Kind("bridgepoison", "message/", write_poison, write_poison, keeps_members=True),
    Kind("bridgeworkflows", "workflow/", write_workflow, write_workflow_again),
    Kind("bridgeskills", "skill/", write_skill, write_skill_again, gone=("KeySetting", "KeySecret")),
    Kind("bridgeprocesses", "owner/", write_owner, write_owner_again),
]
EACH = pytest.mark.parametrize("kind", KINDS, ids=lambda kind: f"{kind.table}-{kind.rows.rstrip('/|')}")


async def rows_of(client: TableClient, kind: Kind) -> list[dict[str, Any]]:
    found = [dict(row) async for row in client.list_entities()]
    return [row for row in found if f"{row['PartitionKey']}/{row['RowKey']}".startswith(kind.rows)]


async def change(service: TableServiceClient, kind: Kind, **columns: Any) -> None:
    """As a process of another release writes it."""
    client = service.get_table_client(kind.table)
    [row] = await rows_of(client, kind)
    if kind.keeps_members and "Later" in columns:
        columns |= write_document({**read_document(row), "later": {"deep": [1]}})
    await client.upsert_entity({**row, **columns}, mode=UpdateMode.REPLACE)


@EACH
async def test_every_kind_of_row_has_its_version(service: TableServiceClient, kind: Kind) -> None:
    await kind.write(service)

    [row] = await rows_of(service.get_table_client(kind.table), kind)

    assert row["V"] == 1


@EACH
async def test_what_a_newer_release_added_is_kept_where_a_row_is_written_again(
    service: TableServiceClient, kind: Kind
) -> None:
    await kind.write(service)
    await change(service, kind, Later="x", LaterNumber=7)

    await kind.again(service)

    [row] = await rows_of(service.get_table_client(kind.table), kind)
    assert (row["Later"], row["LaterNumber"]) == ("x", 7)
    assert not row.keys() & set(kind.gone)
    if kind.keeps_members:
        assert read_document(row)["later"] == {"deep": [1]}


@EACH
async def test_a_row_of_the_release_before_is_read(service: TableServiceClient, kind: Kind) -> None:
    await kind.write(service)
    await change(service, kind, V=0)

    await kind.again(service)

    [row] = await rows_of(service.get_table_client(kind.table), kind)
    assert row["V"] == 1


@EACH
@pytest.mark.parametrize(("version", "error"), [(2, NewerVersion), (-1, OlderVersion)])
async def test_a_row_that_could_be_misread_is_refused_and_says_what_to_do(
    service: TableServiceClient, kind: Kind, version: int, error: type[Exception]
) -> None:
    await kind.write(service)
    await change(service, kind, V=version)

    with pytest.raises(error, match=f"a row of the table {kind.table} was written by a"):
        await kind.again(service)


async def test_that_a_run_is_live_is_known_whatever_release_wrote_it(service: TableServiceClient) -> None:
    await write_run(service)
    await change(service, Kind("bridgeruns", "run/live|", write_run, write_run), V=2)

    assert len([run async for run in TableRuns(service).live()]) == 1


async def test_a_table_of_a_later_version_reads_its_own_and_the_one_before(service: TableServiceClient) -> None:
    for version in (1, 2, 3):
        await Table(service, "bridgetestversions", version=version).insert("p", str(version), {})
    later = Table(service, "bridgetestversions", version=3)

    read = [await later.get("p", key) for key in ("3", "2")]
    assert [row and row["V"] for row in read] == [3, 2]
    with pytest.raises(OlderVersion, match="deploy the release in between first"):
        await later.get("p", "1")
    with pytest.raises(NewerVersion, match="upgrade this app"):
        await Table(service, "bridgetestversions", version=1).get("p", "3")


def test_members_that_this_release_does_not_know_are_ignored_in_what_was_checked_when_it_was_saved() -> None:
    workflow = stored_workflow("churn").document | {"later": 1, "quality": {"minRows": 2, "later": 1}}
    skill = {"uri": "https://x.example", "inputs": [{"name": "a", "source": "/document/a", "later": 1}]}
    outputs = {"outputs": [{"name": "b"}], "gateway": {"retries": 1, "later": {}}, "later": json.dumps({})}

    assert stored(workflow).quality.min_rows == 2
    assert stored_definition({**skill, **outputs}).gateway.retries == 1
