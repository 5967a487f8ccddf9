"""Erasure from Parquet: of the files that have the customer, with their manifests, and from what readers are told."""

import asyncio
import json
from collections.abc import Awaitable, Callable
from datetime import timedelta
from itertools import batched
from typing import Any

import pytest

from shared.entities.describing import is_true
from shared.entities.erased_parquet import ParquetCopies
from shared.entities.erasure import ErasedRows, erase_again, erase_customer
from shared.entities.files import current_path, manifest_path, part_path
from shared.entities.manifests import read_manifest
from shared.entities.part_file import GroupSize
from shared.entities.rewriting import Going, leave_out
from shared.entities.snapshots import Snapshot
from tests.entities.fakes import MemoryLarge
from tests.entities.kept import NOW, Kept

LONG = "x" * 40_000
ODD = ("O'Neil", "a/b\\c", "100%", "a|b", "a}", "Zoë 北京 🙂", "~", " ", "ÿ", "z", "é")
QUERIES = (
    "$orderby=CustomerId",
    "$filter=n ge 0",
    "$filter=contains(CustomerId,'a') or n ge 0",
    "$skip=0&$orderby=n desc",
)


async def known(kept: Kept, customer: str) -> None:
    """Its tombstone stands, and everybody knows."""
    await kept.tombstones.set(customer, NOW)
    kept.later()


async def erase(kept: Kept, customer: str) -> list[ErasedRows]:
    await known(kept, customer)
    return list(await erase_customer(customer, kept.stores, [kept.copies]))


async def again(kept: Kept, snapshot: Snapshot) -> int:
    return await erase_again("Value", snapshot, await kept.tombstones.erased(), kept.stores, [kept.copies])


async def parts(kept: Kept, ids: str, records: int = 2) -> Snapshot:
    """Published, so many rows a part, of customers with a letter each."""
    lines = [f"{customer},{number},{number}\n" for number, customer in enumerate(ids)]
    texts = ["".join(["id,k,n\n", *some]) for some in batched(lines, records, strict=False)]
    return await (await (await kept.begin(texts, primary="k")).all()).publish()


def told(kept: Kept, path: str) -> Any:
    return json.loads(kept.large.values[path])


async def test_only_the_files_that_have_the_customer_are_written_anew() -> None:
    kept = Kept()
    await parts(kept, "bbabccaa")
    before = dict(kept.large.values)

    [gone] = await erase(kept, "a")

    assert (gone.rows, gone.copies) == (3, 3)
    assert kept.in_parquet() == ["b", "b", "b", "c", "c"]
    paths = [part_path("T1", number) for number in range(4)]
    assert [kept.large.values[path] is before[path] for path in paths] == [True, False, True, False]


async def test_manifests_tell_of_the_files_as_they_are_and_name_nobody_who_went() -> None:
    kept = Kept()
    snapshot = await parts(kept, "aabbcc")

    await erase(kept, "a")

    manifest = await read_manifest("T1", kept.large)
    assert await is_true(manifest, kept.large)
    assert [(file.rows, file.groups) for file in manifest.files] == [(0, ()), (2, (2,)), (2, (2,))]
    assert {column.name: (column.lowest, column.highest) for column in manifest.columns}["CustomerId"] == ("b", "c")
    current = told(kept, current_path("Value"))
    assert (current["rows"], [file["rows"] for file in current["files"]]) == (4, [0, 2, 2])
    assert [file["bytes"] for file in current["files"]] == [file.size for file in manifest.files]
    assert (await kept.get("Value/$count"), snapshot.rows) == (4, 6)


async def test_every_snapshot_loses_the_customers_rows_published_held_or_on_its_way() -> None:
    kept = Kept()
    text = f"id,k,t\na,1,{LONG}\na,2,y\nb,1,{LONG}\n"
    tables = ("Former", "Current", "Held", "Coming")
    await kept.publish(text, "Former", "k")
    await kept.publish(text, "Current", "k")
    await (await (await kept.begin(text, "Held", "k")).all()).judge()
    coming = await (await kept.begin(text, "Coming", "k")).all()

    found = await erase(kept, "a")

    assert sorted((gone.snapshot, gone.copies) for gone in found) == [(table, 2) for table in sorted(tables)]
    assert [kept.in_parquet(table) for table in tables] == [["b"]] * 4
    assert told(kept, current_path("Value"))["snapshot"] == "Current"
    await coming.publish()
    assert (await kept.columnar_ids(), told(kept, current_path("Value"))["rows"]) == (["b"], 1)


async def test_a_repetition_finds_nothing_and_writes_nothing() -> None:
    kept = Kept()
    await parts(kept, "abab")
    await erase(kept, "a")
    before = dict(kept.large.values)

    assert await erase(kept, "a") == []

    assert all(kept.large.values[path] is data for path, data in before.items())


async def test_an_erasure_that_died_before_the_manifest_is_read_past_and_finished_by_the_next() -> None:
    kept = Kept()
    snapshot = await parts(kept, "aabbab")
    for number in range(3):
        await leave_out(part_path("T1", number), snapshot.schema, Going("CustomerId", lambda column: ["a"]), kept.large)
    assert not await is_true(await read_manifest("T1", kept.large), kept.large)

    assert [await kept.columnar_ids(query) for query in QUERIES] == [["b"] * 3] * 4
    assert await kept.get("Value/$count", "$filter=n ge 0") == 3
    assert [gone.copies for gone in await erase(kept, "a")] == [0]

    assert await is_true(await read_manifest("T1", kept.large), kept.large)
    assert told(kept, current_path("Value"))["rows"] == 3


@pytest.mark.parametrize("size", [1, 100])
async def test_any_id_is_erased_from_parquet_and_no_other(size: int) -> None:
    kept = Kept()
    lines = [f'"{customer}",{number}\n' for number, customer in enumerate(ODD)]
    texts = ["".join(["id,n\n", *some]) for some in batched(lines, size, strict=False)]
    await (await (await kept.begin(texts)).all()).publish()
    left = sorted(ODD)
    assert await kept.copies.erase("Value", await the_snapshot(kept), "\ud800") == 0

    for customer in ODD:
        [gone] = await erase(kept, customer)
        left.remove(customer)
        assert (gone.copies, kept.in_parquet()) == (1, left)


async def the_snapshot(kept: Kept) -> Snapshot:
    [snapshot] = await kept.entities.list_snapshots("Value")
    return snapshot


async def test_a_row_group_whose_statistics_rule_the_customer_out_is_not_looked_into() -> None:
    kept = Kept()
    snapshot = await parts(kept, "bc")

    def values(column: object) -> list[str]:
        raise AssertionError("looked into")

    going = Going("CustomerId", values, lambda statistics: False)
    assert await leave_out(part_path("T1", 0), snapshot.schema, going, kept.large) == 0
    assert await kept.copies.erase("Value", snapshot, "a") == 0


async def test_customers_erased_at_once_all_go_and_the_manifest_is_true() -> None:
    kept = Kept()
    await parts(kept, "abcdabcdee", records=5)

    await asyncio.gather(*(erase(kept, customer) for customer in "abcda"))

    assert kept.in_parquet() == ["e", "e"]
    assert await is_true(await read_manifest("T1", kept.large), kept.large)
    assert told(kept, current_path("Value"))["rows"] == 2


async def test_between_tombstone_and_erasure_nothing_of_the_customer_comes_out_of_parquet() -> None:
    kept = Kept()
    await parts(kept, "abab")
    await known(kept, "a")

    assert [await kept.columnar_ids(query) for query in QUERIES] == [["b", "b"]] * 4
    assert await kept.get("Value/$count", "$filter=n ge 0") == 2
    page = await kept.get("Value", "$orderby=n&$top=1&$count=true")
    assert ([row["CustomerId"] for row in page["value"]], page["@odata.count"]) == (["b"], 2)
    assert kept.in_parquet() == ["a", "a", "b", "b"]


async def test_a_snapshot_that_began_long_after_a_tombstone_is_read_without_a_look_at_it() -> None:
    kept = Kept()
    snapshot = await parts(kept, "ab")
    await known(kept, "a")
    erased = await kept.tombstones.erased()

    assert erased.missed_by(snapshot.created_at).has("a")
    assert erased.missed_by(NOW + timedelta(hours=23)).has("a")
    assert not erased.missed_by(NOW + timedelta(hours=25)).tombstones


async def test_after_its_tombstone_is_lifted_a_customer_is_read_again_where_it_is_imported() -> None:
    kept = Kept()
    await parts(kept, "ab")
    await erase(kept, "a")
    await kept.tombstones.lift("a")

    await kept.publish("id,n\na,1\nb,2\n", "T2")

    assert await kept.columnar_ids() == ["a", "b"]


async def test_an_import_leaves_an_erased_customer_out_of_its_files_also_of_those_sent_early() -> None:
    kept = Kept()
    wide = "w" * 500
    text = "id,k,w\n" + "".join(f"{customer},{n},{wide}\n" for n in range(300) for customer in "ab")
    await known(kept, "a")
    coming = await kept.begin(text, primary="k", records=10_000)

    await coming.part(coming.plan.parts[0], GroupSize(batch=10, rows=10, held=1))

    assert (set(kept.in_parquet()), len(kept.in_parquet())) == ({"b"}, 300)
    snapshot = await coming.publish()
    assert (snapshot.rows, snapshot.erased, (await read_manifest("T1", kept.large)).rows) == (300, 300, 300)


async def a_late_file(kept: Kept, then: Callable[[], Awaitable[object]]) -> Snapshot:
    """A part whose rows are written, and whose file comes after `then`."""
    coming = await kept.begin("id,n\na,1\nb,2\n")
    gate = coming.slow_files()
    part = asyncio.create_task(coming.part(coming.plan.parts[0]))
    await gate.reached.wait()
    await then()
    gate.open()
    await part
    return await coming.publish()


async def test_a_file_that_comes_after_the_erasure_is_settled_without_the_customer() -> None:
    kept = Kept()

    await a_late_file(kept, lambda: erase(kept, "a"))

    assert (kept.in_parquet(), (await read_manifest("T1", kept.large)).rows) == (["b"], 1)


async def test_what_a_zombie_writes_into_parquet_is_read_by_nobody_and_goes_with_the_next_sweep() -> None:
    kept = Kept()
    coming = await (await kept.begin("id,n\na,1\nb,2\n")).all()
    snapshot = await coming.publish()
    gate = coming.slow_files()
    coming.erased_by_nobody()
    zombie = asyncio.create_task(coming.part(coming.plan.parts[0]))
    await gate.reached.wait()
    path = part_path("T1", 0)
    before = kept.large.values[path]
    await erase(kept, "a")
    kept.large.values[path] = before  # as if the erasure had found the file before it was there
    gate.open()
    await zombie
    assert kept.in_parquet() == ["a", "b"]

    assert [await kept.columnar_ids(query) for query in QUERIES] == [["b"]] * 4
    assert await kept.get("Value/$count", "$filter=n ge 0") == 1
    assert await again(kept, snapshot) == 1

    assert kept.in_parquet() == ["b"]
    assert await is_true(await read_manifest("T1", kept.large), kept.large)
    assert (told(kept, current_path("Value"))["rows"], told(kept, manifest_path("T1"))["rows"]) == (1, 1)
    assert await again(kept, snapshot) == 0


async def test_a_late_writers_file_never_replaces_one_that_was_erased_from() -> None:
    kept = Kept()
    coming = await (await kept.begin("id,n\na,1\nb,2\n")).all()
    await coming.publish()
    gate = coming.slow_files()
    coming.erased_by_nobody()
    late = asyncio.create_task(coming.part(coming.plan.parts[0]))
    await gate.reached.wait()

    await erase(kept, "a")
    gate.open()
    await late

    assert kept.in_parquet() == ["b"]


async def test_a_file_written_anew_while_an_erasure_reads_it_is_erased_from_all_the_same() -> None:
    kept = Kept()
    await parts(kept, "aabb", records=4)

    class Restless(MemoryLarge):
        """Another erasure is faster, once."""

        is_calm = False

        async def read(self, path: str, start: int = 0, end: int | None = None) -> bytes:
            if not self.is_calm:
                self.is_calm = True
                await kept.copies.erase("Value", await the_snapshot(kept), "b")
            return await super().read(path, start, end)

    files = Restless(kept.large.values)

    assert await ParquetCopies(kept.entities, files).erase("Value", await the_snapshot(kept), "a") == 2

    assert kept.in_parquet() == []
    assert await is_true(await read_manifest("T1", kept.large), kept.large)


async def test_a_dropped_snapshots_files_are_not_brought_back() -> None:
    kept = Kept()
    snapshot = await parts(kept, "ab")
    await kept.large.drop("snapshots/T1/")

    assert await kept.copies.erase("Value", snapshot, "a") == 0

    assert [path for path in kept.large.values if path.startswith("snapshots/")] == []
