"""Where do an answer's rows come from? Pages of the table, customers' rows filtered and sorted here, or a columnar query.

A customer's rows are few and lie together, so whatever is asked of them is answered from the table. All else about rows
is a columnar reader's, but for plain pages of everything.
"""

import asyncio
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from shared.entities.columnar_reader import ColumnarReader, Found, Plan
from shared.entities.csv_exports import CsvExports
from shared.entities.keys import customer_range, partition_key
from shared.entities.odata.customers import Customers, customer_ids
from shared.entities.odata.evaluation import in_order, matches
from shared.entities.odata.filters import Filter, properties
from shared.entities.ordering import Mark
from shared.entities.rows import LargeValues, Page, Row, RowStore, SnapshotTable, large_name
from shared.entities.snapshots import EntityStore, Snapshot
from shared.entities.values import Value
from shared.errors import BadRequest, Gone, NotSupported

PAGE = 1000
"""Rows of a page, and the most that Table storage gives at once."""
_MOST_CUSTOMERS = 1_000
_AT_ONCE = 16
"""Customers read at the same time."""

type Values = Mapping[str, Value | None]
type Place = str | int | Mark | None
"""Where a page starts: a token of the table, a number of rows, or behind a row of an order; None for the first."""


@dataclass(frozen=True, slots=True)
class DataStores:
    """Where answers come from."""

    entities: EntityStore
    rows: RowStore
    large: LargeValues
    columnar: ColumnarReader | None = None
    csv: CsvExports | None = None
    """Whole results as CSV; without it they come in pages."""
    forget: Callable[[str], None] | None = None
    """Asks for an entity anew, where `entities` remembers it for a while."""
    in_memory: int = 20_000
    """Rows of customers that are filtered or sorted here, at most."""


@dataclass(frozen=True, slots=True)
class Selection:
    """Which rows of a snapshot, which of their properties, in which order, from where on."""

    snapshot: Snapshot
    needed: tuple[str, ...]
    filter: Filter | None = None
    orderby: tuple[tuple[str, bool], ...] = ()
    size: int = PAGE
    skip: int = 0
    start: Place = None
    with_count: bool = False
    is_paged_by_caller: bool = False
    """With `$top` and `$skip`: those before and after are asked for apart from these, and have to be in one order."""

    @property
    def customers(self) -> Customers | None:
        return None if self.filter is None else customer_ids(self.filter, self.snapshot.schema)


@dataclass(frozen=True, slots=True)
class Batch:
    rows: Sequence[Values]
    next: Place = None
    count: int | None = None


async def read_batch(selection: Selection, stores: DataStores) -> Batch:
    """Raises Gone, BadRequest, NotSupported, StorageUnavailable."""
    customers = selection.customers
    if not selection.orderby and not selection.skip and not isinstance(selection.start, int | Mark):
        if selection.filter is None:
            return await _plain_batch(selection, stores)
        if customers and len(customers.ids) == 1 and customers.rest is None and not selection.with_count:
            return await _table_batch(selection, customers.ids[0], stores)
    if isinstance(selection.start, str):
        raise BadRequest("$skiptoken is not one that this service gave out", target="$skiptoken")
    if isinstance(selection.start, Mark):  # too many for memory, as the page before has found
        return await _columnar_batch(selection, stores)
    found = None if customers is None else await _matching(selection, customers, stores)
    if found is None:
        if customers and len(customers.ids) == 1 and customers.rest is None and not selection.orderby:
            return await _distant_batch(selection, customers.ids[0], stores)
        return await _columnar_batch(selection, stores)
    start = (selection.start or 0) + selection.skip
    ordered = await asyncio.to_thread(in_order, found, selection.orderby, lambda pair: pair[1])
    page = ordered[start : start + selection.size]
    end = start + len(page)
    rows = await _whole([row for row, _ in page], selection, selection.needed, stores.large)
    count = len(found) if selection.with_count else None
    return Batch(rows, end if page and end < len(found) else None, count)


async def count_rows(selection: Selection, stores: DataStores) -> int:
    """Raises Gone, NotSupported, StorageUnavailable."""
    if selection.filter is None:
        return selection.snapshot.rows
    customers = selection.customers
    if customers and customers.rest is None and len(customers.ids) <= _MOST_CUSTOMERS:
        return await _count_of(customers.ids, selection.snapshot.place, stores.rows)
    found = None if customers is None else await _matching(selection, customers, stores)
    if found is not None:
        return len(found)
    plan = Plan(selection.filter, (), (), size=0, with_count=True)
    return (await _query(selection.snapshot, plan, stores, "$filter")).count or 0


async def read_customer_rows(customer_id: str, snapshot: Snapshot, stores: DataStores) -> Sequence[Values]:
    """All of them, whole. Raises Gone, StorageUnavailable."""
    rows: list[Row] = []
    token, more = None, True
    while more:
        page = await _read_page(customer_id, snapshot.place, PAGE, token, stores.rows)
        rows += page.rows
        token, more = page.token, page.token is not None
    selection = Selection(snapshot, tuple(snapshot.schema.properties))
    return await _whole(rows, selection, selection.needed, stores.large)


async def _plain_batch(selection: Selection, stores: DataStores) -> Batch:
    """Of all rows. The table's order is not that of the columnar files, from which `$skip` is answered: a caller who goes
    on with it would miss rows, and get others twice."""
    if selection.is_paged_by_caller and selection.start is None and stores.columnar is not None:
        try:
            found = await _columnar_batch(replace(selection, with_count=False), stores)
        except (Gone, NotSupported):  # no files: then nobody goes on with $skip
            return await _table_batch(selection, None, stores)
        return replace(found, count=selection.snapshot.rows if selection.with_count else None)
    return await _table_batch(selection, None, stores)


async def _columnar_batch(selection: Selection, stores: DataStores) -> Batch:
    plan = Plan(
        selection.filter,
        selection.needed,
        selection.orderby,
        selection.size,
        selection.start if isinstance(selection.start, int | Mark) else 0,
        selection.skip,
        selection.with_count,
    )
    option = "$filter" if selection.filter else "$orderby" if selection.orderby else "$skip"
    found = await _query(selection.snapshot, plan, stores, option)
    return Batch(found.rows, found.next, found.count)


async def _query(snapshot: Snapshot, plan: Plan, stores: DataStores, option: str) -> Found:
    if stores.columnar is None:
        raise NotSupported(
            f"{option}: only CustomerId eq '…' or CustomerId in ('…') is supported here, alone or and-ed with more: "
            f"at most {_MOST_CUSTOMERS} customers and {stores.in_memory} rows of theirs",
            target=option,
        )
    return await stores.columnar.query(snapshot, plan)


async def _table_batch(selection: Selection, customer_id: str | None, stores: DataStores) -> Batch:
    """A page that has rows, or the last; a large one is filled up."""
    snapshot = selection.snapshot
    token = selection.start if isinstance(selection.start, str) else None
    rows: list[Row] = []
    while selection.size:
        size = min(PAGE, selection.size - len(rows))
        page = await _read_page(customer_id, snapshot.place, size, token, stores.rows)
        rows, token = [*rows, *page.rows], page.token
        is_enough = len(rows) >= selection.size or (rows and selection.size <= PAGE)
        if token is None or is_enough:
            break
    count = snapshot.rows if selection.with_count else None
    return Batch(await _whole(rows, selection, selection.needed, stores.large), token, count)


async def _distant_batch(selection: Selection, customer_id: str, stores: DataStores) -> Batch:
    """Of a customer with too many rows for memory, in the order of their plain pages: what comes before is read and let
    go. A page that follows begins where this one ended."""
    place = selection.snapshot.place
    count = await _count_of([customer_id], place, stores.rows) if selection.with_count else None
    left = selection.skip + (selection.start if isinstance(selection.start, int) else 0)
    token = None
    while left:
        page = await _read_page(customer_id, place, min(PAGE, left), token, stores.rows)
        left, token = left - len(page.rows), page.token
        if token is None:
            return Batch([], None, count)
    found = await _table_batch(replace(selection, start=token, with_count=False), customer_id, stores)
    return replace(found, count=count)


async def _read_page(
    customer_id: str | None, table: SnapshotTable, size: int, token: str | None, rows: RowStore
) -> Page:
    if customer_id is None:
        return await rows.page(table, size=size, token=token)
    keys = customer_range(customer_id, is_one_column=table.schema.is_one_column)
    return await rows.page(
        table, size=size, token=token, partition=partition_key(customer_id, table.buckets), keys=keys
    )


async def _matching(
    selection: Selection, customers: Customers, stores: DataStores
) -> Sequence[tuple[Row, Values]] | None:
    """The customers' rows that match, by RowKey; None where they are too many for memory."""
    rows = await _rows_of(customers.ids, selection.snapshot.place, stores)
    if rows is None:
        return None
    rest, ordered = customers.rest, [name for name, _ in selection.orderby]
    if rest is None and not ordered:
        return [(row, row.values) for row in rows]
    names = {*ordered, *(properties(rest) if rest else ())}
    values = await _whole(rows, selection, names, stores.large)
    pairs = list(zip(rows, values, strict=True))
    return pairs if rest is None else await asyncio.to_thread(_chosen, pairs, rest)


def _chosen(pairs: Sequence[tuple[Row, Values]], rest: Filter) -> Sequence[tuple[Row, Values]]:
    """In a thread, as the reading of other requests goes on meanwhile."""
    return [pair for pair in pairs if matches(rest, pair[1])]


async def _rows_of(ids: Sequence[str], table: SnapshotTable, stores: DataStores) -> list[Row] | None:
    if len(ids) > _MOST_CUSTOMERS:
        return None
    found: list[Row] = []

    def take(page: Page) -> bool:
        found.extend(page.rows)
        return len(found) <= stores.in_memory

    await _each_page(ids, table, stores.rows, take)
    return None if len(found) > stores.in_memory else sorted(found, key=_as_storage_sorts)


def _as_storage_sorts(row: Row) -> bytes:
    """By UTF-16 units."""
    return row.key.encode("utf-16-be", "surrogatepass")


async def _count_of(ids: Sequence[str], table: SnapshotTable, rows: RowStore) -> int:
    """However many they are: nothing is kept."""
    counts: list[int] = []

    def take(page: Page) -> bool:
        counts.append(len(page.rows))
        return True

    await _each_page(ids, table, rows, take)
    return sum(counts)


async def _each_page(ids: Sequence[str], table: SnapshotTable, rows: RowStore, take: Callable[[Page], bool]) -> None:
    """The customers' pages, in no order, until `take` has enough."""
    turn, is_wanted = asyncio.Semaphore(_AT_ONCE), True

    async def read(customer_id: str) -> None:
        nonlocal is_wanted
        token = None
        async with turn:
            while is_wanted:
                page = await _read_page(customer_id, table, PAGE, token, rows)
                is_wanted = take(page) and is_wanted
                if (token := page.token) is None:
                    return

    await asyncio.gather(*(read(each) for each in ids))


async def _whole(
    rows: Sequence[Row], selection: Selection, names: Iterable[str], large: LargeValues
) -> Sequence[Values]:
    """Their values, with those of `names` that lie in blobs."""
    if not any(row.large for row in rows):
        return [row.values for row in rows]
    wanted = set(names)
    return await asyncio.gather(*(whole(row, selection.snapshot, wanted, large) for row in rows))


async def whole(row: Row, snapshot: Snapshot, names: Iterable[str], large: LargeValues) -> Values:
    """A row's values, with those of `names` that lie in blobs. Raises Gone, StorageUnavailable."""
    if not row.large:
        return row.values
    values: dict[str, Value | None] = dict(row.values)
    for index in row.large:
        if (name := snapshot.schema.columns[index].name) in names:
            value = await large.get(large_name(snapshot.table, row.origin, index))
            if value is None:  # the row was read just before
                raise Gone("the snapshot has been dropped while it was read; start reading anew")
            values[name] = value.decode("utf-8", "surrogatepass")
    return values
