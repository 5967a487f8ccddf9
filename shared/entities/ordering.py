"""The first rows in an order, kept while Parquet goes by: never more than some times as many as are asked for.

Ascending come no value, NaN, then the others from the lowest; descending the reverse. What is equal comes in the order
of the run's output, file and line, in both directions.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from shared.entities.values import Value

if TYPE_CHECKING:
    import pyarrow as pa

type Order = Sequence[tuple[str, bool]]
"""Properties, the first one first, each with whether it is descending."""

POSITION = " position"
"""A column that says where in the snapshot a row lies; no property has such a name."""


@dataclass(frozen=True, slots=True)
class Mark:
    """A row's place in an order, behind which a next page begins."""

    values: tuple[Value | None, ...]
    """Of the order's properties."""
    position: int
    """Of the row in the snapshot: what is equal comes by it."""
    passed: int
    """Rows up to this one, itself included."""


def mark_of(table: "pa.Table", order: Order, passed: int) -> Mark:
    """Of the last row of a table."""
    values = tuple(table[name][-1].as_py() for name, _ in order)
    return Mark(values, table[POSITION][-1].as_py(), passed)


def behind(order: Order, mark: Mark) -> "Callable[[pa.Table], pa.ChunkedArray]":
    """For each row of a table with the order's properties and positions, whether it comes after `mark`."""

    def comes_after(table: "pa.Table") -> "pa.ChunkedArray":
        import pyarrow.compute as pc

        found = pc.greater(table[POSITION], mark.position)
        for (name, is_descending), value in reversed(list(zip(order, mark.values, strict=True))):
            later, equal = _compared(table[name], value, is_descending)
            found = pc.or_(later, pc.and_(equal, found))
        return found

    return comes_after


def _compared(column: "pa.ChunkedArray", value: Value | None, is_descending: bool) -> tuple[Any, Any]:
    """Which values come after that one, and which are equal to it."""
    import pyarrow as pa
    import pyarrow.compute as pc

    after: Any = pc.less if is_descending else pc.greater
    ranks, rank = _rank(column), 0 if value is None else 1 if value != value else 2
    later, equal = after(ranks, rank), pc.equal(ranks, rank)
    if rank == 2:
        known = pa.scalar(value, column.type)
        later = pc.or_(later, pc.fill_null(pc.and_(equal, after(column, known)), False))
        equal = pc.fill_null(pc.and_(equal, pc.equal(column, known)), False)
    return later, equal


class Best:
    """The first `most` rows in an order (None: all)."""

    def __init__(self, order: Order, most: int | None) -> None:
        self._order = order
        self._most = most
        self._kept: pa.Table | None = None
        self._waiting: list[pa.Table] = []

    def reduced(self, table: "pa.Table") -> "pa.Table":
        """The rows of `table` that may still be among the first. Takes its time; may be called beside others."""
        return self._sorted(self._near(table))

    def add(self, table: "pa.Table") -> None:
        """Takes in what `reduced` gave."""
        if not len(table):
            return
        self._waiting.append(table)
        if self._most is not None:
            self._merge()

    def rows(self) -> "pa.Table | None":
        """In order, with the columns that they came with; None where there was none."""
        self._merge()
        return self._kept

    def _merge(self) -> None:
        import pyarrow as pa

        tables = [*([] if self._kept is None else [self._kept]), *self._waiting]
        if self._waiting:
            self._kept = self._sorted(pa.concat_tables(tables))
            self._waiting = []

    def _near(self, table: "pa.Table") -> "pa.Table":
        """Without what surely comes behind the last one kept, by the first property alone."""
        import pyarrow.compute as pc

        kept = self._kept
        if kept is None or self._most is None or len(kept) < self._most or not len(kept):
            return table
        name, is_descending = self._order[0]
        last = kept[name][-1]
        if not last.is_valid or last.as_py() != last.as_py():
            return table
        column = table[name]
        if is_descending:
            return table.filter(pc.greater_equal(column, last))
        unlike = pc.is_null(column, nan_is_null=True)
        return table.filter(pc.or_(pc.fill_null(pc.less_equal(column, last), False), unlike))

    def _sorted(self, table: "pa.Table") -> "pa.Table":
        import pyarrow.compute as pc

        keys: dict[str, Any] = {}
        sort_keys = []
        for index, (name, is_descending) in enumerate(self._order):
            direction = "descending" if is_descending else "ascending"
            keys[f"rank{index}"], keys[f"key{index}"] = _rank(table[name]), table[name]
            sort_keys += [(f"rank{index}", direction), (f"key{index}", direction)]
        sort_keys.append((POSITION, "ascending"))
        indices = pc.sort_indices(_table({**keys, POSITION: table[POSITION]}), sort_keys=sort_keys)
        return table.take(indices if self._most is None else indices.slice(0, self._most)).combine_chunks()


def _rank(column: "pa.ChunkedArray") -> "pa.ChunkedArray":
    """0 for no value, 1 for NaN, 2 for the others: where a sort puts nulls and NaN is then no matter."""
    import pyarrow as pa
    import pyarrow.compute as pc

    plain = pc.cast(pc.is_null(column, nan_is_null=True), pa.int8())
    return pc.subtract(pc.subtract(pa.scalar(2, pa.int8()), plain), pc.cast(pc.is_null(column), pa.int8()))


def _table(columns: dict[str, Any]) -> "pa.Table":
    import pyarrow as pa

    return pa.table(columns)
