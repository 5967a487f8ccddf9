"""An output on its way into a table and its Parquet, in memory; and what both of them hold."""

import io
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from shared.entities.columnar import Columnar, open_columnar
from shared.entities.csvscan import CutSize
from shared.entities.files import part_path
from shared.entities.importing import ImportStores, import_part
from shared.entities.manifests import Manifest
from shared.entities.part_file import GROUP_SIZE, GroupSize
from shared.entities.parts import Part, Plan, plan_import
from shared.entities.rows import SnapshotTable, large_name
from shared.entities.schema import ORIGIN, Wanted
from shared.entities.settling import settle_files
from shared.entities.snapshots import Snapshot
from tests.entities.fakes import MemoryLarge, MemoryOutput, MemoryRejects, MemoryRows

NOW = datetime(2026, 11, 22, 6, 0, tzinfo=UTC)
WANTED = Wanted("id", "id", {})


class Imported:
    """One run's output, and all that it left."""

    def __init__(self, files: dict[str, bytes], table: str = "T1") -> None:
        self.rows = MemoryRows()
        self.rejects = MemoryRejects()
        self.large = MemoryLarge()
        self.stores = ImportStores(MemoryOutput(files), self.rows, self.rejects, self.large)
        self.name = table

    async def plan(self, wanted: Wanted = WANTED, size: CutSize | None = None) -> Plan:
        self.planned = await plan_import(self.stores.output, "out", wanted, size)
        self.table = SnapshotTable(self.name, self.planned.schema, 4)
        await self.rows.create(self.table)
        return self.planned

    async def part(self, part: Part, size: GroupSize = GROUP_SIZE) -> None:
        await import_part(part, self.planned, self.table, self.stores, size)

    async def settle(self) -> Manifest:
        return await settle_files(self.planned, self.table, self.large, self.rejects)

    async def all(
        self, wanted: Wanted = WANTED, size: CutSize | None = None, groups: GroupSize = GROUP_SIZE
    ) -> "Imported":
        for part in (await self.plan(wanted, size)).parts:
            await self.part(part, groups)
        await self.settle()
        return self

    @property
    def snapshot(self) -> Snapshot:
        rows = len(self.rows.tables[self.name])
        return Snapshot(self.name, "run-1", self.table.schema, 4, rows, 0, NOW)

    async def columnar(self) -> Columnar:
        return await open_columnar(self.name, self.large)

    def in_table(self) -> dict[str, dict[str, Any]]:
        """Rows by origin, large values whole."""
        rows = self.rows.contents(self.table).values()
        names = [column.name for column in self.table.schema.columns]
        return {
            row.origin.text: {
                **row.values,
                **{names[i]: self.large.values[large_name(self.name, row.origin, i)].decode() for i in row.large},
            }
            for row in rows
        }

    def in_parquet(self) -> dict[str, dict[str, Any]]:
        """Rows by origin, as pyarrow itself reads them."""
        rows = [row for part in self.planned.parts for row in self.file(part.number).to_pylist()]
        found = {row[ORIGIN]: {n: v for n, v in row.items() if v is not None and n != ORIGIN} for row in rows}
        assert len(found) == len(rows)
        return found

    def file(self, number: int) -> pa.Table:
        return pq.read_table(io.BytesIO(self.large.values[part_path(self.name, number)]))


def comparable(rows: Mapping[str, Mapping[str, Any]]) -> dict[str, dict[str, Any]]:
    """NaN is equal to itself here."""
    return {key: {name: "NaN" if value != value else value for name, value in row.items()} for key, row in rows.items()}


def csv(*lines: str) -> bytes:
    return "".join(f"{line}\n" for line in lines).encode()


def files_of(parts: Sequence[Sequence[tuple[str, int]]]) -> dict[str, bytes]:
    """A CSV file each, of ids and numbers."""
    return {f"out/{i}.csv": csv("id,n", *(f"{key},{number}" for key, number in rows)) for i, rows in enumerate(parts)}
