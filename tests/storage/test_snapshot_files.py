"""Parquet beside a table on Azurite: written, settled, read, told, dropped; and that a late writer changes nothing."""

import json
from dataclasses import replace

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest

from shared.entities.columnar import Query, open_columnar
from shared.entities.csvscan import CutSize
from shared.entities.files import part_path
from shared.entities.importing import import_part, imported
from shared.entities.manifests import tell_current
from shared.entities.parts import plan_import
from shared.entities.rebuilding import rebuild_table
from shared.entities.retention import SnapshotStores, drop_snapshot
from shared.entities.rows import SnapshotTable
from shared.entities.schema import Wanted
from shared.entities.settling import settle_files
from shared.entities.snapshots import Snapshot, claim_entity, publish_snapshot
from shared.errors import Gone
from tests.entities.snapshot_files import NOW
from tests.storage.accounts import Storage


async def written(storage: Storage, name: str) -> Snapshot:
    """3,000 rows in parts, the last imported first, with keys twice."""
    lines = [f"{number % 2_900},{number / 8}" for number in range(3_000)]
    await storage.upload(f"{name}/a.csv", "\n".join(["id,score", *lines, ""]).encode())
    plan = await plan_import(storage.imports.output, name, Wanted("id", "id", {}), CutSize(records=1_000))
    table = SnapshotTable(name, plan.schema, 4)
    await storage.imports.rows.create(table)
    for part in reversed(plan.parts):
        await import_part(part, plan, table, storage.imports)
    await settle_files(plan, table, storage.imports.large, storage.imports.rejects)
    found = await imported(plan, table, storage.imports.rejects)
    return Snapshot(name, "run-1", plan.schema, 4, found.rows, found.rejected, NOW)


async def test_from_a_pipelines_file_to_parquet_and_back(storage: Storage) -> None:
    files, rows = storage.imports.large, storage.imports.rows
    snapshot = await written(storage, "Columnar")
    columnar = await open_columnar("Columnar", files)

    best = await columnar.select(Query(["id", "score"], order=[("score", True)], top=2))
    page = await columnar.select(Query(["id"], start=1_999, top=2))

    assert await columnar.count() == snapshot.rows == 2_900
    assert await columnar.count(lambda table: pc.less(table["score"], 10.0), ["score"]) == 80
    assert best.rows == [{"id": "2899", "score": 362.375}, {"id": "2898", "score": 362.25}]
    assert (page.rows, page.next) == ([{"id": "1999"}, {"id": "2000"}], 2_001)
    before = await rows.page(snapshot.place, size=1000)
    await rows.drop("Columnar")
    lost = replace(snapshot, table="Columnar2")
    for path in [kept.path async for kept in files.list("snapshots/Columnar/")]:
        data = (await files.read(path)).replace(b"snapshots/Columnar/", b"snapshots/Columnar2/")
        await files.put(path.replace("Columnar", "Columnar2"), data)
    assert await rebuild_table(lost, rows, files) == 2_900  # Azurite, as the service, needs a while to drop a table
    assert (await rows.page(lost.place, size=1000)).rows == before.rows


async def test_a_manifest_at_a_path_that_stays_and_nothing_left_behind(storage: Storage) -> None:
    files = storage.imports.large
    snapshot = await written(storage, "Told")
    await claim_entity(storage.data.entities, "Told", "w")
    await publish_snapshot(storage.data.entities, "Told", snapshot, NOW)

    for _ in range(2):
        await tell_current("TOLD", storage.data.entities, files)
    told = await files.read("entities/told/current.json")

    current = json.loads(told)
    assert (current["snapshot"], current["rows"]) == ("Told", 2_900)
    parts = [await files.read(file["path"]) for file in current["files"]]
    whole = pa.concat_tables(pq.read_table(pa.BufferReader(part)) for part in parts)  # as the docs show
    assert sorted(whole["id"].to_pylist(), key=int) == [str(number) for number in range(2_900)]
    stores = SnapshotStores(storage.data.entities, storage.imports.rows, files, storage.imports.rejects)
    await drop_snapshot("Told", "Told", stores)
    assert [kept async for kept in files.list("snapshots/Told/")] == []
    with pytest.raises(Gone):
        await files.read(part_path("Told", 0))


async def test_of_two_uploads_that_began_together_the_first_to_commit_stays(storage: Storage) -> None:
    files = storage.imports.large
    for content in (b"first", b"second"):
        one, other = await files.begin("snapshots/Race/x"), await files.begin("snapshots/Race/x")
        await one.add(content)
        await other.add(b"late" * 1_000_000)

        assert await one.commit()
        assert not await other.commit()
        assert not await other.again().commit()
        assert await files.read("snapshots/Race/x") == content
