"""The rows with the highest score: from the Parquet beside the table, and by a scan of the table."""

import heapq
from collections.abc import AsyncIterator, Callable, Coroutine, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from benchmarks.data.process import Opened
from benchmarks.data.readers import SCHEMA
from benchmarks.data.source import BUCKETS, WANTED, LocalOutput
from benchmarks.data.writers import NoRejects, opened_rows
from shared.entities.columnar import Columnar, Query, open_columnar
from shared.entities.importing import ImportStores, import_part
from shared.entities.parts import plan_import
from shared.entities.row_columns import RowColumns
from shared.entities.rows import Page, Row, SnapshotTable
from shared.entities.settling import settle_files
from tests.entities.fakes import MemoryLarge, MemoryRows

SCORE = "score"
_PAGE = 1000


@dataclass(frozen=True)
class TopJob:
    """The first `most` of a table of `rows` rows, which was written from `file`."""

    connection: str
    file: Path
    table: str
    rows: int
    most: int


@dataclass
class _NoRows(MemoryRows):
    """Takes rows, and keeps none: only the files beside them are read here."""

    taken: int = 0

    def encode(self, table: SnapshotTable, rows: Sequence[Row] | RowColumns) -> Sequence[bytes]:
        return [b""] * len(rows)

    async def insert(self, table: SnapshotTable, bodies: Sequence[bytes]) -> bool:
        self.taken += len(bodies)
        return True


@dataclass
class _Prepared:
    """Files are written once a process."""

    by_file: dict[Path, Columnar] = field(default_factory=dict)


_PREPARED = _Prepared()


async def _columnar(job: TopJob) -> Columnar:
    if job.file not in _PREPARED.by_file:
        files, rejects = MemoryLarge(), NoRejects()
        stores = ImportStores(LocalOutput(job.file), _NoRows(), rejects, files)
        plan = await plan_import(stores.output, job.file.name, WANTED)
        table = SnapshotTable(job.table, plan.schema, BUCKETS)
        for part in plan.parts:
            await import_part(part, plan, table, stores)
        await settle_files(plan, table, files, rejects)
        _PREPARED.by_file[job.file] = await open_columnar(job.table, files)
    return _PREPARED.by_file[job.file]


type _Work = Callable[[], Coroutine[Any, Any, int]]


@asynccontextmanager
async def _from_parquet(job: TopJob) -> AsyncIterator[_Work]:
    columnar = await _columnar(job)

    async def work() -> int:
        query = Query(("CustomerId", SCORE), order=((SCORE, True),), top=job.most)
        found = (await columnar.select(query)).rows
        return _checked([float(str(row[SCORE])) for row in found], job)

    yield work


@asynccontextmanager
async def _by_scan(job: TopJob) -> AsyncIterator[_Work]:
    table = SnapshotTable(job.table, SCHEMA, BUCKETS)
    async with opened_rows(job.connection) as rows:

        async def work() -> int:
            best: list[float] = []
            page = Page([], "")
            while page.token is not None:
                page = await rows.page(table, size=_PAGE, token=page.token or None)
                best = heapq.nlargest(job.most, [*best, *(float(str(row.values[SCORE])) for row in page.rows)])
            return _checked(best, job)

        yield work


def _checked(scores: list[float], job: TopJob) -> int:
    if len(scores) != job.most or scores != sorted(scores, reverse=True):
        raise AssertionError(f"{len(scores)} scores came, or not in their order")
    return job.rows


TOPS: dict[str, Callable[[TopJob], Opened]] = {"ours": _from_parquet, "scan of the table": _by_scan}
