"""An entity `Value` in memory: its snapshots, imported beside erasures, and what readers find."""

import asyncio
import io
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pyarrow.parquet as pq

from shared.entities.csvscan import CutSize
from shared.entities.erased_parquet import ParquetCopies
from shared.entities.files import rows_prefix
from shared.entities.importing import ImportStores, import_part, imported
from shared.entities.manifests import tell_current
from shared.entities.odata.requests import parse_request
from shared.entities.outputs import Listed
from shared.entities.parquet_reader import ParquetReader
from shared.entities.part_file import GROUP_SIZE, GroupSize
from shared.entities.parts import Part, Plan, plan_import
from shared.entities.reading import DataStores, answer
from shared.entities.retention import SnapshotStores
from shared.entities.rows import SnapshotTable, Write
from shared.entities.schema import CUSTOMER_ID, Wanted
from shared.entities.settling import settle_files
from shared.entities.snapshots import Snapshot, claim_entity, publish_snapshot
from shared.entities.tombstones import LIFETIME, Tombstones, VisibleRows, nobody
from tests.entities.fakes import (
    MemoryEntities,
    MemoryLarge,
    MemoryOutput,
    MemoryRejects,
    MemoryRows,
    MemoryTombstones,
    MemoryUpload,
)

NOW = datetime(2026, 11, 21, tzinfo=UTC)


class Gate:
    """Where a part stands still until it is let on."""

    def __init__(self) -> None:
        self.reached, self._opened = asyncio.Event(), asyncio.Event()

    async def passed(self) -> None:
        self.reached.set()
        await self._opened.wait()

    def open(self) -> None:
        self._opened.set()


class SlowOutput(MemoryOutput):
    """A file whose bytes come once the gate is open; planning does not wait."""

    gate: Gate | None = None

    async def read(self, file: Listed, start: int = 0, end: int | None = None) -> AsyncIterator[bytes]:
        if self.gate is not None:
            await self.gate.passed()
        async for chunk in super().read(file, start, end):
            yield chunk


class SlowRows(MemoryRows):
    """Rows whose transactions are sent, and arrive once the gate is open."""

    gate: Gate | None = None

    async def write(self, table: SnapshotTable, writes: Sequence[Write]) -> bool:
        if self.gate is not None:
            await self.gate.passed()
        return await super().write(table, writes)


class SlowUpload(MemoryUpload):
    """A file whose bytes are sent, and which is there once the gate is open."""

    gate: Gate

    async def commit(self) -> bool:
        await self.gate.passed()
        return await super().commit()


class SlowFiles(MemoryLarge):
    """Another process's view of the files, whose uploads wait."""

    gate: Gate

    async def begin(self, path: str) -> MemoryUpload:
        upload = SlowUpload(self, path, self.values.get(path))
        upload.gate = self.gate
        return upload


class Import:
    """A snapshot on its way in, part by part."""

    def __init__(self, kept: "Kept", plan: Plan, table: SnapshotTable, output: SlowOutput) -> None:
        self.plan, self.table, self.output = plan, table, output
        self._kept = kept
        stores = kept.stores
        self._stores = ImportStores(output, stores.rows, stores.rejects, stores.large, kept.tombstones.erased)

    def erased_by_nobody(self) -> None:
        """As a process that has not heard of any tombstone."""
        self._stores = replace(self._stores, erased=nobody)

    def slow_files(self) -> Gate:
        """As a process whose files are not seen before the gate is open."""
        files = SlowFiles(self._kept.large.values)
        files.gate = Gate()
        self._stores = replace(self._stores, large=files)
        return files.gate

    async def part(self, part: Part, size: GroupSize = GROUP_SIZE) -> None:
        await import_part(part, self.plan, self.table, self._stores, size)

    async def all(self) -> "Import":
        for part in self.plan.parts:
            await self.part(part)
        return self

    async def judge(self) -> Snapshot:
        stores = self._kept.stores
        await settle_files(self.plan, self.table, stores.large, stores.rejects)
        found = await imported(self.plan, self.table, stores.rejects)
        snapshot = self.snapshot
        erased = self.plan.records - found.rows - found.rejected
        counted = replace(snapshot, rows=found.rows, rejected=found.rejected, erased=erased)
        await stores.entities.save_snapshot("Value", counted)
        return counted

    async def publish(self) -> Snapshot:
        snapshot = await self.judge()
        await publish_snapshot(self._kept.stores.entities, "Value", snapshot, NOW)
        await tell_current("Value", self._kept.stores.entities, self._kept.stores.large)
        return snapshot

    @property
    def snapshot(self) -> Snapshot:
        return Snapshot(self.table.name, "r", self.plan.schema, self.table.buckets, 0, 0, NOW)


class Kept:
    """What is kept, and the tombstones as one process knows them, whose clock the test moves."""

    def __init__(self, page_size: int = 1000) -> None:
        self.rows, self.large, self.rejects = SlowRows(page_size=page_size), MemoryLarge(), MemoryRejects()
        self.entities = MemoryEntities()
        self.stores = SnapshotStores(self.entities, self.rows, self.large, self.rejects)
        self.marks = MemoryTombstones()
        self.clock = 0.0
        self.tombstones = self.process()
        erased = self.tombstones.erased
        reader = ParquetReader(self.large, erased)
        self.data = DataStores(self.entities, VisibleRows(self.rows, erased), self.large, reader)
        self.copies = ParquetCopies(self.entities, self.large)

    def process(self, clock: Callable[[], float] | None = None) -> Tombstones:
        return Tombstones(self.marks, clock or (lambda: self.clock))

    def later(self) -> None:
        self.clock += LIFETIME

    async def begin(
        self, text: str | Sequence[str], table: str = "T1", primary: str = "id", records: int = 100
    ) -> Import:
        """A text a file."""
        texts = [text] if isinstance(text, str) else text
        output = SlowOutput({f"out/{number}.csv": each.encode() for number, each in enumerate(texts)})
        plan = await plan_import(output, "out", Wanted(primary, "id", {}), CutSize(records=records))
        place = SnapshotTable(table, plan.schema, 4)
        await claim_entity(self.entities, "Value", "w")
        started = Import(self, plan, place, output)
        await self.entities.save_snapshot("Value", started.snapshot)
        await self.rows.create(place)
        return started

    async def publish(self, text: str, table: str = "T1", primary: str = "id") -> Snapshot:
        return await (await (await self.begin(text, table, primary)).all()).publish()

    async def get(self, path: str = "Value", query: str = "", prefer: str | None = None) -> Any:
        request = parse_request(path, query, prefer=prefer)
        body = (await answer(request, self.data, "https://bridge.example/api/data", NOW)).body
        return int(body) if "/$count" in path and isinstance(body, str) else body

    async def ids(self) -> list[str]:
        return [row["CustomerId"] for row in (await self.get())["value"]]

    async def columnar_ids(self, query: str = "$orderby=CustomerId") -> list[str]:
        """As the Parquet tells them."""
        return [row["CustomerId"] for row in (await self.get("Value", query))["value"]]

    def in_parquet(self, table: str = "T1") -> list[str]:
        """The customers whose rows lie in its files, seen or not."""
        paths = [path for path in self.large.values if path.startswith(rows_prefix(table))]
        files = [pq.read_table(io.BytesIO(self.large.values[path])) for path in paths]
        return sorted(customer_id for file in files for customer_id in file[CUSTOMER_ID].to_pylist())

    def large_values(self) -> list[str]:
        return [name for name in self.large.values if "/large/" in name]

    def stored(self, table: str = "T1") -> list[str]:
        """The customers whose rows lie there, seen or not."""
        return sorted(str(row.values["CustomerId"]) for row, _ in self.rows.tables[table].values())
