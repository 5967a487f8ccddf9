"""Answers what is not one customer's rows from a snapshot's Parquet: counts, filters over all, an order with a top, CSV.

A filter is a function over an Arrow table. Only the columns that are needed are fetched and decoded, row group by row
group, some ahead; decoding runs beside the event loop. Rows come in the order of the run's output: file, then line.
"""

import asyncio
from bisect import bisect_right
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Collection, Sequence
from contextlib import aclosing
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from shared.entities.arrow_values import Rows, csv_header, csv_lines, rows_of
from shared.entities.files import SnapshotFiles
from shared.entities.manifests import Manifest, read_manifest
from shared.entities.ordering import POSITION, Best, Mark, Order, behind, mark_of
from shared.entities.scanning import Span, scan, spans_of
from shared.entities.schema import CUSTOMER_ID

if TYPE_CHECKING:
    import pyarrow as pa
    import pyarrow.compute as pc

type Mask = "Callable[[pa.Table], pa.Array | pa.ChunkedArray | pc.Expression]"
"""A Boolean for each row of a table, which has at least the columns that were said to be needed; null is false."""

_SLICE = 50_000
"""Rows that become CSV at once where they are held anyway."""
_HELD = 100_000
"""Rows of an order that are held at once; whatever is deeper is reached in strides, each a pass over the files."""
_GROUPS_HELD = 4
"""As many fewer are held where rows are large: row groups are of a limited size."""


@dataclass(frozen=True, slots=True)
class Query:
    """Which rows, in which order, and what of them."""

    columns: Sequence[str]
    """Properties, in the order of the answer."""
    mask: "Mask | None" = None
    needs: Collection[str] = ()
    """Properties that the mask looks at."""
    order: Order = ()
    """Empty: as in the run's output."""
    skip: int = 0
    top: int | None = None
    start: int | Mark = 0
    """Where to begin, as `Found.next` told it; with an order a number is one of rows to pass over."""


@dataclass(frozen=True, slots=True)
class Found:
    """Rows, by property."""

    rows: Rows
    next: int | Mark | None
    """Where the next page begins (the query with this as `start` and no `skip`); None after the last row."""


class Columnar:
    """One snapshot. Every method raises Gone where it has been dropped, and StorageUnavailable."""

    def __init__(self, manifest: Manifest, files: SnapshotFiles, *, held: int = _HELD) -> None:
        """`held`: rows of an order in memory, at most."""
        self.manifest = manifest
        self.files = files
        self._spans = spans_of(manifest)
        self._firsts = [span.first for span in self._spans]
        of_groups = _GROUPS_HELD * manifest.rows // max(1, len(self._spans))
        self._stride = min(held, max(held // 100, of_groups))

    @property
    def groups(self) -> int:
        """Row groups."""
        return len(self._spans)

    async def count(self, mask: "Mask | None" = None, needs: Collection[str] = ()) -> int:
        if mask is None:
            return self.manifest.rows
        counts = self._scan(self._spans, needs or (CUSTOMER_ID,), lambda table, _: len(table.filter(mask(table))))
        return sum([count async for count in counts])

    async def select(self, query: Query) -> Found:
        """Holds the rows that it gives. With an order but no top, all of the snapshot's rows are sorted in memory."""
        if query.order:
            table, following = await self._first(query)
            return Found([] if table is None else await asyncio.to_thread(rows_of, table), following)
        rows: Rows = []
        after = self.manifest.rows
        async with aclosing(self._tables(query)) as tables:
            async for table in tables:
                rows += await asyncio.to_thread(rows_of, table.drop_columns([POSITION]))
                if len(rows) == query.top:
                    after = table[POSITION][-1].as_py() + 1
        return Found(rows, after if after < self.manifest.rows else None)

    async def csv(self, query: Query) -> AsyncGenerator[bytes]:
        """A header, and the rows: a row group at a time, in an order a stride."""
        yield csv_header(query.columns)
        if query.order:
            async with aclosing(self._strides(query)) as strides:
                async for stride in strides:
                    for start in range(0, len(stride), _SLICE):
                        yield await asyncio.to_thread(csv_lines, stride.slice(start, _SLICE))
            return
        async with aclosing(self._tables(query)) as tables:
            async for table in tables:
                yield await asyncio.to_thread(csv_lines, table.drop_columns([POSITION]))

    async def tables(self, columns: Sequence[str], start: int = 0) -> "AsyncGenerator[pa.Table]":
        """All rows from row group `start` on, a row group at a time; `columns` may name `_origin` too."""
        async with aclosing(self._scan(self._spans[start:], columns, lambda table, _: table.select(columns))) as tables:
            async for table in tables:
                yield table

    async def _tables(self, query: Query) -> "AsyncGenerator[pa.Table]":
        """The rows of a query without an order, with their positions; none of them is empty."""
        start, skip, left = _number(query.start), query.skip, query.top
        if query.mask is None:
            start, skip = start + skip, 0
        spans = self._spans[max(0, bisect_right(self._firsts, start) - 1) :]
        picked = _picker(query.columns, query.mask, start)
        async with aclosing(self._scan(spans, {*query.columns, *query.needs}, picked)) as tables:
            async for found in _limited(tables, skip, left):
                yield found

    async def _strides(self, query: Query) -> "AsyncGenerator[pa.Table]":
        """The rows of a query with an order, never many at a time."""
        left, here = query.top, query
        while left is None or left > 0:
            size = self._stride if left is None else min(left, self._stride)
            table, following = await self._first(replace(here, top=size))
            if table is not None:
                yield table
            if table is None or following is None:
                return
            here = replace(here, start=following, skip=0)
            left = None if left is None else left - len(table)

    async def _first(self, query: Query) -> "tuple[pa.Table | None, Mark | None]":
        """The rows of a query with an order, and where the next go on, if there are more. Of few rows the other columns
        are fetched once it is known which rows these are: most row groups have none of them."""
        if query.top == 0:
            return None, None
        skip, mark = query.skip + _number(query.start), query.start if isinstance(query.start, Mark) else None
        ordered = {name for name, _ in query.order}
        while skip > self._stride:
            stride = await self._best(Best(query.order, self._stride), ordered, query, mark)
            if stride is None or len(stride) < self._stride:
                return None, None
            skip, mark = skip - self._stride, self._last(stride, query.order, mark)
        most = None if query.top is None else skip + query.top + 1
        seen = ordered if most is not None and most <= len(self._spans) else ordered.union(query.columns)
        kept = await self._best(Best(query.order, most), seen, query, mark)
        if kept is None or len(kept) <= skip:
            return None, None
        end = len(kept) if query.top is None else min(len(kept), skip + query.top)
        following = self._last(kept.slice(0, end), query.order, mark) if end < len(kept) else None
        kept = kept.slice(skip, end - skip)
        if seen.issuperset(query.columns):
            return kept.select(query.columns), following
        return await self._gathered(kept[POSITION].combine_chunks(), query.columns), following

    def _last(self, table: "pa.Table", order: Order, before: Mark | None) -> Mark:
        return mark_of(table, order, len(table) + (before.passed if before else 0))

    async def _best(self, best: Best, seen: Collection[str], query: Query, mark: Mark | None) -> "pa.Table | None":
        """The first rows behind `mark`."""
        columns = {*seen, *query.needs}
        picked = _picker(sorted(columns), query.mask, 0, None if mark is None else behind(query.order, mark))
        near = self._scan(self._spans, columns, lambda table, span: best.reduced(picked(table, span)))
        async with aclosing(near) as tables:
            async for table in tables:
                await asyncio.to_thread(best.add, table)
        return await asyncio.to_thread(best.rows)

    async def _gathered(self, positions: "pa.Array", columns: Sequence[str]) -> "pa.Table":
        """The rows at these positions, in that order."""
        import pyarrow as pa

        wanted = await asyncio.to_thread(self._by_span, positions)
        spans = [self._spans[index] for index in sorted(wanted)]
        here = {span.first: wanted[index] for index, span in zip(sorted(wanted), spans, strict=True)}
        picks = self._scan(spans, columns, lambda table, span: table.select(columns).take(here[span.first]))
        tables = [table async for table in picks]
        return await asyncio.to_thread(_in_order, pa.concat_tables(tables), positions)

    def _by_span(self, positions: "pa.Array") -> "dict[int, pa.Array]":
        """Indices of the wanted rows within each row group, ascending."""
        import pyarrow as pa

        wanted: dict[int, list[int]] = {}
        for position in sorted(positions.to_pylist()):
            index = bisect_right(self._firsts, position) - 1
            wanted.setdefault(index, []).append(position - self._firsts[index])
        return {index: pa.array(rows, pa.int64()) for index, rows in wanted.items()}

    def _scan[T](
        self, spans: Sequence[Span], columns: Collection[str], work: "Callable[[pa.Table, Span], T]"
    ) -> AsyncGenerator[T]:
        return scan(self.files, spans, columns, work)


async def open_columnar(table: str, files: SnapshotFiles) -> Columnar:
    """The snapshot of that table. Raises Gone, StorageUnavailable."""
    return Columnar(await read_manifest(table, files), files)


def _number(start: int | Mark) -> int:
    return 0 if isinstance(start, Mark) else start


def _picker(
    columns: Sequence[str],
    mask: "Mask | None",
    start: int,
    after: "Callable[[pa.Table], pa.ChunkedArray] | None" = None,
) -> "Callable[[pa.Table, Span], pa.Table]":
    """Of a row group: the rows from position `start` on that pass the mask, and `after`, with their positions."""

    def pick(table: "pa.Table", span: Span) -> "pa.Table":
        import pyarrow as pa

        rows = pa.arange(span.first, span.first + len(table))
        table = table.append_column(POSITION, rows).slice(max(0, start - span.first))
        if mask is not None:
            table = table.filter(mask(table))
        if after is not None:
            table = table.filter(after(table))
        return table.select([*columns, POSITION])

    return pick


async def _limited(tables: "AsyncIterator[pa.Table]", skip: int, top: int | None) -> "AsyncGenerator[pa.Table]":
    left = top
    if left == 0:
        return
    async for found in tables:
        table = found.slice(skip)
        skip -= min(skip, len(found))
        if left is not None:
            table = table.slice(0, left)
            left -= len(table)
        if len(table):
            yield table
        if left == 0:
            return


def _in_order(table: "pa.Table", positions: "pa.Array") -> "pa.Table":
    """`table` has the rows of these positions in ascending order; gives them in the order of `positions`."""
    import pyarrow.compute as pc

    places: Any = pc.sort_indices(pc.sort_indices(positions))
    return table.take(places)
