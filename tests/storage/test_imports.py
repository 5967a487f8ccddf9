"""From a pipeline's file to a customer's rows, on Azurite: planned, imported, published, read."""

import asyncio
import io
from datetime import UTC, datetime
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from shared.entities.csvscan import CutSize
from shared.entities.importing import import_part, imported
from shared.entities.odata.requests import parse_request
from shared.entities.parts import Plan, parse_plan, plan_import
from shared.entities.reading import answer
from shared.entities.rows import SnapshotTable
from shared.entities.schema import Wanted
from shared.entities.snapshots import Snapshot, claim_entity, publish_snapshot, snapshot_table
from shared.entities.values import EdmType
from shared.errors import Gone, UnusableOutput
from tests.storage.accounts import Storage

NOW = datetime(2026, 11, 21, 6, 0, tzinfo=UTC)
ROOT = "https://bridge.example/api/data"


async def prepare(
    storage: Storage, entity: str, wanted: Wanted, size: CutSize | None = None
) -> tuple[Plan, SnapshotTable]:
    plan = await plan_import(storage.imports.output, entity, wanted, size)
    table = SnapshotTable(snapshot_table(entity, "run", datetime.now(UTC)), plan.schema, 4)
    await storage.imports.rows.create(table)
    return parse_plan(plan.document()), table


async def publish(storage: Storage, entity: str, plan: Plan, table: SnapshotTable) -> Snapshot:
    found = await imported(plan, table, storage.imports.rejects)
    snapshot = Snapshot(table.name, "run", plan.schema, table.buckets, found.rows, found.rejected, NOW)
    await claim_entity(storage.data.entities, entity, "value")
    await publish_snapshot(storage.data.entities, entity, snapshot, NOW)
    return snapshot


async def run(storage: Storage, entity: str, wanted: Wanted, size: CutSize | None = None) -> Snapshot:
    """All that a run does with its output, which lies in a folder of the entity's name."""
    plan, table = await prepare(storage, entity, wanted, size)
    for part in plan.parts:
        await import_part(part, plan, table, storage.imports)
    return await publish(storage, entity, plan, table)


async def get(storage: Storage, path: str, query: str = "") -> Any:
    found = (await answer(parse_request(path, query), storage.data, ROOT, datetime.now(UTC))).body
    return int(found) if isinstance(found, str) else found


async def test_a_csv_of_the_pipeline_is_read_by_customer(storage: Storage) -> None:
    csv = (
        "customer_id,order,score,at,note,active,big\r\n"
        '00001,a/1,0.5,2026-01-02T03:04:05+02:00,"two\r\nlines, and ünïcode",true,9000000000\r\n'
        "00001,b#2,NaN,,,false,1\r\n"
        "O'Neil,%3,inf,2026-01-01,x,true,2\r\n"
        ",c,1,,,,\r\n"
        "00002,d,none,,,,\r\n"
    )
    await storage.upload("Thread/part-0.csv", csv.encode())
    wanted = Wanted("order", "customer_id", {"score": EdmType.DOUBLE})

    snapshot = await run(storage, "Thread", wanted)
    found = await get(storage, "Thread", "$filter=CustomerId%20eq%20'00001'")

    assert (snapshot.rows, snapshot.rejected) == (3, 2)
    assert found == {
        "@odata.context": f"{ROOT}/$metadata#Thread",
        "value": [
            {
                "CustomerId": "00001",
                "customer_id": "00001",
                "order": "a/1",
                "score": 0.5,
                "at": "2026-01-02T01:04:05Z",
                "note": "two\r\nlines, and ünïcode",
                "active": True,
                "big": 9000000000,
            },
            {
                "CustomerId": "00001",
                "customer_id": "00001",
                "order": "b#2",
                "score": "NaN",
                "at": None,
                "note": None,
                "active": False,
                "big": 1,
            },
        ],
    }
    rejects = [(reject.origin.line, reject.reason) async for reject in storage.imports.rejects.list(snapshot.table)]
    assert rejects == [
        (6, "has no value in the key column 'customer_id'"),
        (7, "has a value in the column 'score' that is no Edm.Double"),
    ]


async def test_every_type_comes_back_as_it_was(storage: Storage) -> None:
    values = {
        "i": [2**31 - 1, -(2**31), None],
        "l": [2**63 - 1, -(2**63), 0],
        "d": [5.0, 1e-300, float("nan")],
        "t": [datetime(1601, 1, 1, tzinfo=UTC), datetime(9999, 12, 31, 23, 59, 59, 999999, tzinfo=UTC), None],
        "s": ["ünï 🙂 \x00\x1f", "", "a\r\nb"],
        "größe": [True, False, None],
    }
    table = pa.table(
        {"id": ["1", "2", "3"], **values},
        schema=pa.schema(
            [
                ("id", pa.string()),
                ("i", pa.int32()),
                ("l", pa.int64()),
                ("d", pa.float64()),
                ("t", pa.timestamp("us", "UTC")),
                ("s", pa.string()),
                ("größe", pa.bool_()),
            ]
        ),
    )
    data = io.BytesIO()
    pq.write_table(table, data, row_group_size=2)
    await storage.upload("Types/a.parquet", data.getvalue())

    await run(storage, "Types", Wanted("id", "id", {}))

    rows = [await get(storage, f"Types('{key}')") for key in "123"]
    assert {name: [row[name] for row in rows] for name in values} == {
        **values,
        "d": [5.0, 1e-300, "NaN"],
        "t": ["1601-01-01T00:00:00Z", "9999-12-31T23:59:59.999999Z", None],
    }


async def test_keys_of_all_characters_are_found(storage: Storage) -> None:
    keys = [
        "a/b",
        "a\\b",
        "#",
        "?",
        "%25",
        "O'Neil",
        "a b",
        "ü",
        "🙂",
        "+",
        "&=;",
        "|",
        "~",
        '"',
        "\t",
        "a" * 500,
        ".",
        "..",
    ]
    text = "id,n\n" + "".join('"' + key.replace('"', '""') + f'",{index}\n' for index, key in enumerate(keys))
    await storage.upload("Keys/a.csv", text.encode())

    snapshot = await run(storage, "Keys", Wanted("n", "id", {}))

    assert snapshot.rows == len(keys)
    for index, key in enumerate(keys):
        literal = key.replace("'", "''")
        found = await get(storage, f"Keys?filter=CustomerId eq '{literal}'")
        assert [(row["id"], row["n"]) for row in found["value"]] == [(key, str(index))]


async def test_pages_of_a_table_hold_every_row_once(storage: Storage) -> None:
    await storage.upload("Pages/a.csv", b"id\n" + b"".join(b"%d\n" % number for number in range(2300)))
    await run(storage, "Pages", Wanted("id", "id", {}))

    found, page = [], await get(storage, "Pages", "$top=2200")
    while True:
        found += [row["id"] for row in page["value"]]
        if "@odata.nextLink" not in page:
            break
        page = await get(storage, "Pages", page["@odata.nextLink"].partition("?")[2])

    assert len(found) == len(set(found)) == 2200


async def test_parts_imported_at_once_and_again_give_each_row_once(storage: Storage) -> None:
    first = b"id,n\n" + b"".join(b"%d,first\n" % number for number in range(300))
    second = b"id,n\n" + b"".join(b"%d,second\n" % number for number in range(200, 450))
    await storage.upload("Twice/a.csv", first)
    await storage.upload("Twice/b.csv", second)
    plan, table = await prepare(storage, "Twice", Wanted("id", "id", {}), CutSize(records=150))

    parts = [*reversed(plan.parts), *plan.parts]
    await asyncio.gather(*(import_part(part, plan, table, storage.imports) for part in parts))
    snapshot = await publish(storage, "Twice", plan, table)

    assert (snapshot.rows, snapshot.rejected) == (450, 100)
    rejects = [(reject.file, reject.is_duplicate) async for reject in storage.imports.rejects.list(table.name)]
    assert rejects == [("Twice/b.csv", True)] * 100
    rows = [row for query in ("", "$top=5") for row in (await get(storage, "Twice", query))["value"]]
    assert all(row["n"] == ("first" if int(row["id"]) < 300 else "second") for row in rows)


async def test_a_large_value_lies_in_a_blob_and_comes_back_whole(storage: Storage) -> None:
    long = "ü" * 70_000
    await storage.upload("Large/a.csv", f"id,a\n1,{long}\n2,{'x' * 32_000}\n".encode())

    snapshot = await run(storage, "Large", Wanted("id", "id", {}))

    assert (await get(storage, "Large('1')"))["a"] == long
    assert (await get(storage, "Large('2')"))["a"] == "x" * 32_000
    await storage.imports.large.drop(f"snapshots/{snapshot.table}/")
    with pytest.raises(Gone):
        await get(storage, "Large('1')")


async def test_rows_at_the_limits_of_storage_are_taken(storage: Storage) -> None:
    wide = ",".join(["id", *(f"c{index}" for index in range(247))])
    rows = ["\x01" * 30_000, "🙂" * 15_000, *("é" * 31_000 for _ in range(40))]
    text = f"{wide}\n" + "".join(
        f"{index}," + ",".join([value] + ["1"] * 246) + "\n" for index, value in enumerate(rows)
    )
    await storage.upload("Limits/a.csv", text.encode())

    snapshot = await run(storage, "Limits", Wanted("id", "id", {}))

    assert (snapshot.rows, snapshot.rejected) == (len(rows), 0)
    assert (await get(storage, "Limits('1')"))["c0"] == "🙂" * 15_000


async def test_a_page_of_a_dropped_table_is_gone(storage: Storage) -> None:
    await storage.upload("Dropped/a.csv", b"id\n1\n")
    snapshot = await run(storage, "Dropped", Wanted("id", "id", {}))
    await storage.imports.rows.drop(snapshot.table)
    await storage.imports.rows.drop(snapshot.table)

    for path, query in (("Dropped", ""), ("Dropped('1')", ""), ("Dropped", "$filter=CustomerId eq '1'")):
        with pytest.raises(Gone, match="has been dropped; start reading anew"):
            await get(storage, path, query)


async def test_a_file_that_changed_since_the_plan_fails_the_part(storage: Storage) -> None:
    await storage.upload("Changed/a.csv", b"id\n1\n")
    plan, table = await prepare(storage, "Changed", Wanted("id", "id", {}))
    await storage.upload("Changed/a.csv", b"id\n2\n")

    with pytest.raises(UnusableOutput, match=r"Changed/a\.csv has changed or gone"):
        await import_part(plan.parts[0], plan, table, storage.imports)


async def test_a_container_that_is_not_there_is_told(storage: Storage, azurite: str) -> None:
    from shared.storage.blobs import BlobOutput, connect

    async with connect(azurite, "", lambda: None) as blobs:
        with pytest.raises(UnusableOutput, match="the datastore's container absent does not exist"):
            await plan_import(BlobOutput(blobs, "absent"), "x", Wanted("id", "id", {}))
