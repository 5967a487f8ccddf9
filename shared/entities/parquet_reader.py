"""The columnar reader of the data plane: an OData plan as a query over a snapshot's Parquet."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from shared.entities.columnar import Columnar, Query, open_columnar
from shared.entities.columnar_reader import Found, Plan
from shared.entities.files import SnapshotFiles
from shared.entities.odata.columns import arrow_filter
from shared.entities.odata.filters import Filter, properties
from shared.entities.schema import CUSTOMER_ID
from shared.entities.snapshots import Snapshot
from shared.entities.values import Value
from shared.errors import NotSupported

if TYPE_CHECKING:
    from shared.entities.columnar import Mask

_DEEPEST_ORDERED = 100_000
"""Rows of an order that are held to give a page of it."""


class ParquetReader:
    """ColumnarReader. What is equal in an order goes as the run's output had it."""

    def __init__(self, files: SnapshotFiles) -> None:
        self._files = files

    async def query(self, snapshot: Snapshot, plan: Plan) -> Found:
        columnar = await open_columnar(snapshot.table, self._files)
        mask, needs = _mask(plan.filter)
        count = await columnar.count(mask, needs) if plan.with_count else None
        if not plan.size:
            return Found([], None, count)
        rows, following = await (_ordered if plan.orderby else _as_they_lie)(columnar, plan, mask, needs)
        return Found(rows, following, count)


type _Rows = tuple[Sequence[Mapping[str, Value | None]], int | None]


async def _as_they_lie(columnar: Columnar, plan: Plan, mask: "Mask | None", needs: Sequence[str]) -> _Rows:
    query = Query(_columns(plan), mask, needs, skip=plan.skip, top=plan.size, start=plan.start)
    found = await columnar.select(query)
    return found.rows, found.next


async def _ordered(columnar: Columnar, plan: Plan, mask: "Mask | None", needs: Sequence[str]) -> _Rows:
    """One row more than asked for tells whether there is another page."""
    first = plan.start + plan.skip
    if first + plan.size > _DEEPEST_ORDERED:
        raise NotSupported(
            f"$orderby: the first {_DEEPEST_ORDERED} rows of an order are given, and this asks for row {first + plan.size}: "
            "filter more, or read all rows without an order",
            target="$orderby",
        )
    query = Query(_columns(plan), mask, needs, order=plan.orderby, skip=first, top=plan.size + 1)
    rows = (await columnar.select(query)).rows
    return rows[: plan.size], first + plan.size if len(rows) > plan.size else None


def _columns(plan: Plan) -> Sequence[str]:
    return tuple(dict.fromkeys((CUSTOMER_ID, *plan.select)))


def _mask(filter: Filter | None) -> "tuple[Mask | None, Sequence[str]]":
    if filter is None:
        return None, ()
    expression = arrow_filter(filter)
    return lambda table: expression, sorted(properties(filter))
