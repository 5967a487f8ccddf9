"""The columnar reader of the data plane: an OData plan as a query over a snapshot's Parquet, for a page or for a CSV."""

from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from typing import TYPE_CHECKING

from shared.entities.columnar import Columnar, Query
from shared.entities.columnar_reader import Found, Plan
from shared.entities.describing import present_manifest
from shared.entities.erased_parquet import hidden_ids
from shared.entities.files import SnapshotFiles
from shared.entities.manifests import read_manifest
from shared.entities.odata.columns import arrow_filter
from shared.entities.odata.filters import Filter, properties
from shared.entities.schema import CUSTOMER_ID
from shared.entities.snapshots import Snapshot
from shared.entities.tombstones import Erased, ErasedNow, nobody
from shared.errors import Gone, StorageUnavailable

if TYPE_CHECKING:
    import pyarrow as pa
    import pyarrow.compute as pc

    from shared.entities.columnar import Mask

_MOST_TRIES = 5


class ParquetReader:
    """ColumnarReader, CsvSource. What is equal in an order goes as the run's output had it; nothing is of erased customers."""

    def __init__(self, files: SnapshotFiles, erased: ErasedNow = nobody) -> None:
        self._files = files
        self._erased = erased

    async def query(self, snapshot: Snapshot, plan: Plan) -> Found:
        manifest = await read_manifest(snapshot.table, self._files)
        for _ in range(_MOST_TRIES):
            try:
                return await self._answer(Columnar(manifest, self._files), snapshot, plan)
            except (Gone, StorageUnavailable):  # an erasure may have written files anew
                former, manifest = manifest, await present_manifest(snapshot.place, self._files)
                if manifest == former:
                    raise
        raise StorageUnavailable(f"the Parquet of {snapshot.table} is being written anew; try again")

    async def _answer(self, columnar: Columnar, snapshot: Snapshot, plan: Plan) -> Found:
        mask, needs = _mask(plan.filter, (await self._erased()).missed_by(snapshot.created_at))
        count = await columnar.count(mask, needs) if plan.with_count else None
        if not plan.size:
            return Found([], None, count)
        query = Query(_columns(plan), mask, needs, plan.orderby, plan.skip, plan.size, plan.start)
        found = await columnar.select(query)
        return Found(found.rows, found.next, count)

    async def csv(self, snapshot: Snapshot, plan: Plan) -> AsyncGenerator[bytes]:
        columnar = Columnar(await present_manifest(snapshot.place, self._files), self._files)
        mask, needs = _mask(plan.filter, (await self._erased()).missed_by(snapshot.created_at))
        query = Query(plan.select, mask, needs, plan.orderby, skip=plan.skip, top=plan.size)
        async with aclosing(columnar.csv(query)) as chunks:
            async for chunk in chunks:
                yield chunk


def _columns(plan: Plan) -> Sequence[str]:
    return tuple(dict.fromkeys((CUSTOMER_ID, *plan.select)))


def _mask(filter: Filter | None, erased: Erased) -> "tuple[Mask | None, Sequence[str]]":
    expression = None if filter is None else arrow_filter(filter)
    needs = sorted(properties(filter)) if filter else []
    if erased.tombstones:
        return _visible(expression, erased), list(dict.fromkeys((CUSTOMER_ID, *needs)))
    return None if expression is None else (lambda table: expression), needs


def _visible(expression: "pc.Expression | None", erased: Erased) -> "Mask":
    """What matches, without rows of erased customers. Only ids that match are hashed."""

    def mask(table: "pa.Table") -> "pc.Expression":
        import pyarrow as pa
        import pyarrow.compute as pc

        found = table if expression is None else table.filter(expression)
        hidden = pa.array(hidden_ids(found[CUSTOMER_ID], erased), pa.string())
        is_seen = ~pc.field(CUSTOMER_ID).isin(hidden)
        return is_seen if expression is None else expression & is_seen

    return mask
