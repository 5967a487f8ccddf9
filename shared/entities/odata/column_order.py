"""In which order do the rows of a table of Arrow come? That of `evaluation.in_order`."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pyarrow as pa


def sorted_table(
    table: "pa.Table", orders: Sequence[tuple[str, bool]], ties: Sequence[str] = (), *, most: int | None = None
) -> "pa.Table":
    """In the order of `orders` (property, whether it descends), then of the columns `ties`, then as it came; at most
    the first `most` rows."""
    import pyarrow as pa
    import pyarrow.compute as pc

    keys: list[tuple[str, str]] = []
    columns: dict[str, Any] = {}
    for name, descending in [*orders, *((tie, False) for tie in ties)]:
        direction = "descending" if descending else "ascending"
        columns[f"rank{len(keys)}"] = _rank(table[name])
        keys.append((f"rank{len(keys)}", direction))
        columns[f"value{len(keys)}"] = table[name]
        keys.append((f"value{len(keys)}", direction))
    if not keys:
        return table if most is None else table.slice(0, most)
    indices = pc.sort_indices(pa.table(columns), sort_keys=keys)  # stable, as the faster select_k_unstable is not
    return table.take(indices if most is None else indices[:most])


def _rank(column: "pa.ChunkedArray") -> "pa.ChunkedArray":
    """Null before NaN before the rest, whichever way Arrow would place them."""
    import pyarrow as pa
    import pyarrow.compute as pc

    rank = pc.cast(pc.is_valid(column), pa.int8())
    if pa.types.is_floating(column.type):
        is_number = pc.fill_null(pc.invert(pc.is_nan(column)), False)
        rank = pc.add(rank, pc.cast(is_number, pa.int8()))
    return rank
