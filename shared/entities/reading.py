"""Answers data requests from the published snapshot: one row by key, rows that a query chooses, pages of all, counts.

A page's link carries the snapshot it began on, so that a reader who pages never sees a mix.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any
from urllib.parse import quote

from shared.entities.columnar_reader import Plan
from shared.entities.csv_exports import Link
from shared.entities.keys import partition_key, row_key
from shared.entities.odata.binding import bind_filter
from shared.entities.odata.filters import Filter
from shared.entities.odata.formats import MOST_IN_PAGE, Format, choose_format
from shared.entities.odata.metadata import metadata_document, service_document
from shared.entities.odata.names import bind_orderby, bind_select
from shared.entities.odata.rendering import Shape, as_csv, collection, plain, single
from shared.entities.odata.requests import DataRequest, Query, parse_query
from shared.entities.paging import Cursor, check_place, read_cursor
from shared.entities.schema import CUSTOMER_ID, Schema
from shared.entities.snapshots import Entity, EntityStore, Snapshot, find_entity
from shared.entities.sources import (
    PAGE,
    Batch,
    DataStores,
    Place,
    Selection,
    count_rows,
    read_batch,
    read_customer_rows,
    whole,
)
from shared.errors import BadRequest, Gone, NotFound, NotSupported

__all__ = ["PAGE", "Answer", "DataStores", "answer", "customer_rows"]


@dataclass(frozen=True, slots=True)
class Answer:
    body: dict[str, Any] | str | bytes
    """JSON, or text of another kind."""
    content_type: str
    headers: Mapping[str, str] = field(default_factory=dict)
    status: int = 200


@dataclass(frozen=True, slots=True)
class _Reading:
    """A query of a snapshot, from its first row or a later one on."""

    snapshot: Snapshot
    query: Query
    format: Format
    size: int
    now: datetime
    left: int | None
    """Rows that `$top` still allows."""
    place: Place = None
    count: int | None = None
    """What an earlier page's token says of it."""


async def answer(request: DataRequest, stores: DataStores, root: str, now: datetime) -> Answer:
    """`root`: the service's address, without a slash at its end.

    Raises NotFound, Gone, BadRequest, NotSupported, NotReady, StorageUnavailable, ConfigurationError.
    """
    if not request.entity:
        return await _about(request, stores.entities, root)
    try:
        return await _answered(request, stores, root, now)
    except Gone:
        if request.query.token is not None or stores.forget is None:
            raise
    # The pointer was a second old, and what it led to has been dropped since.
    stores.forget(request.entity)
    return await _answered(request, stores, root, now)


async def _answered(request: DataRequest, stores: DataStores, root: str, now: datetime) -> Answer:
    entity = await find_entity(stores.entities, request.entity)
    if entity.current is None:
        raise NotFound(f"{entity.name} has no rows yet: no run of its workflow has been published", target="entity")
    if request.key is not None:
        return await _one(request, entity, entity.current, stores, root)
    reading = await _begin(request, entity, entity.current, stores.entities, now)
    if request.is_count:
        found = await count_rows(Selection(reading.snapshot, (), _filter(reading)), stores)
        return Answer(str(found), "text/plain;charset=utf-8")
    is_whole = reading.format.is_csv and request.page_size is None and request.query.token is None
    if is_whole and (csv := await _whole_csv(reading, entity.name, stores, root)) is not None:
        return csv
    answered = await _collection(reading, entity.name, stores, root)
    if request.page_size is None:
        return answered
    applied = {"Preference-Applied": f"odata.maxpagesize={request.page_size}"}
    return replace(answered, headers={**answered.headers, **applied})


async def _about(request: DataRequest, entities: EntityStore, root: str) -> Answer:
    """Of the entities that have rows."""
    known = [(entity.name, entity.current.schema) for entity in await entities.list() if entity.current is not None]
    if request.is_metadata:
        return Answer(metadata_document(known), "application/xml;charset=utf-8")
    form = Format() if request.format.is_csv else request.format
    return Answer(service_document([name for name, _ in known], root), form.content_type)


async def _one(request: DataRequest, entity: Entity, snapshot: Snapshot, stores: DataStores, root: str) -> Answer:
    customer_id, primary_key = _key(request.key or {}, snapshot.schema)
    if request.query != Query(select=request.query.select):
        raise NotSupported("a row by its key takes no query options but $select and $format", target="key")
    try:
        key = row_key(customer_id, primary_key)
    except ValueError:
        key = ""
    partition = partition_key(customer_id, snapshot.buckets)
    shape = _shape(request.query, request.format, snapshot, entity.name, root)
    row = await stores.rows.get(snapshot.place, partition, key) if key else None
    if row is None:
        raise NotFound(f"{entity.name} has no row with this key", target="key")
    values = await whole(row, snapshot, shape.needed, stores.large)
    body = as_csv(shape, [values]) if request.format.is_csv else single(shape, values)
    return Answer(body, request.format.content_type)


def _key(given: Mapping[str, str], schema: Schema) -> tuple[str, str | None]:
    """Customer id and primary key, the latter None where both are one column."""
    names = {name.casefold(): text for name, text in given.items()}
    customer = _first(names, CUSTOMER_ID, schema.customer_id)
    if schema.is_one_column:
        if len(names) == 1 and (customer is not None or "" in names):
            return names.get("", customer or ""), None
        raise BadRequest(f"the key is ('…') or ({schema.primary_key}='…')", target="key")
    primary = names.get(schema.primary_key.casefold())
    if len(names) != 2 or customer is None or primary is None:
        raise BadRequest(f"the key is ({CUSTOMER_ID}='…',{schema.primary_key}='…')", target="key")
    return customer, primary


def _first(names: Mapping[str, str], *wanted: str) -> str | None:
    return next((names[name.casefold()] for name in wanted if name.casefold() in names), None)


async def _begin(
    request: DataRequest, entity: Entity, current: Snapshot, entities: EntityStore, now: datetime
) -> _Reading:
    query = request.query
    if query.token is None:
        return _Reading(current, query, request.format, request.page_size or PAGE, now, query.top)
    if query != Query(token=query.token):
        raise BadRequest("$skiptoken holds the other options: follow the link as it is", target="$skiptoken")
    cursor = read_cursor(query.token, MOST_IN_PAGE)
    snapshot = await _kept(cursor.table, entity, current, entities)
    own = "format" in query.options or "format" not in cursor.options
    form = request.format if own else choose_format(cursor.options["format"], None)
    return _Reading(
        snapshot,
        replace(parse_query(cursor.options), with_count=cursor.count is not None),
        form,
        request.page_size or cursor.size,
        cursor.now,
        cursor.left,
        cursor.place,
        cursor.count,
    )


async def _kept(table: str, entity: Entity, current: Snapshot, entities: EntityStore) -> Snapshot:
    """A token names a table, and anyone can write one: only published snapshots of this entity are read. The snapshot's
    own row says so, for the entity forgets the names of those long ago."""
    if table == current.table:
        return current
    snapshot = None if table in entity.dropped else await entities.get_snapshot(entity.name, table)
    if snapshot is None or snapshot.published_at is None:
        raise Gone(f"the snapshot of {entity.name} that this page belongs to has been dropped; start reading anew")
    return snapshot


def _shape(query: Query, form: Format, snapshot: Snapshot, entity: str, root: str) -> Shape:
    schema = snapshot.schema
    select = tuple(schema.properties) if query.select is None else bind_select(query.select, schema)
    return Shape(root, entity, schema, select, form)


def _selection(reading: _Reading, shape: Shape) -> Selection:
    query = reading.query
    orderby = bind_orderby(query.orderby, reading.snapshot.schema)
    check_place(reading.place, orderby, reading.snapshot.schema)
    return Selection(
        reading.snapshot,
        shape.needed,
        _filter(reading),
        orderby,
        size=reading.size if reading.left is None else min(reading.size, reading.left),
        skip=query.skip,
        start=reading.place,
        with_count=query.with_count and reading.count is None,
        is_paged_by_caller=not {"top", "skip"}.isdisjoint(query.options),
    )


def _filter(reading: _Reading) -> Filter | None:
    asked = reading.query.filter
    return None if asked is None else bind_filter(asked, reading.snapshot.schema, reading.now)


async def _collection(reading: _Reading, entity: str, stores: DataStores, root: str) -> Answer:
    shape = _shape(reading.query, reading.format, reading.snapshot, entity, root)
    batch = await read_batch(_selection(reading, shape), stores)
    count = reading.count if batch.count is None else batch.count
    link = _link(reading, batch, count, f"{root}/{quote(entity)}")
    if reading.format.is_csv:
        headers = {} if link is None else {"Link": f'<{link}>; rel="next"'}
        return Answer(as_csv(shape, batch.rows), reading.format.content_type, headers)
    return Answer(collection(shape, batch.rows, count, link), reading.format.content_type)


async def _whole_csv(reading: _Reading, entity: str, stores: DataStores, root: str) -> Answer | None:
    """In the answer, or behind a link. None where it comes in pages: of customers, who are read from the table, and of a
    snapshot without columnar files."""
    shape = _shape(reading.query, reading.format, reading.snapshot, entity, root)
    selection = _selection(reading, shape)
    if stores.csv is None or selection.customers is not None:
        return None
    size = reading.snapshot.rows if reading.left is None else min(reading.left, reading.snapshot.rows)
    plan = Plan(selection.filter, shape.select, selection.orderby, size, skip=selection.skip)
    try:
        found = await stores.csv.get(reading.snapshot, plan, entity, reading.now)
    except Gone:
        return None
    if isinstance(found, Link):
        headers = {"Location": found.address, "Cache-Control": "no-store"}
        return Answer("", "text/plain;charset=utf-8", headers, status=303)
    return Answer(found, reading.format.content_type)


def _link(reading: _Reading, batch: Batch, count: int | None, address: str) -> str | None:
    left = None if reading.left is None else reading.left - len(batch.rows)
    if batch.next is None or left == 0:
        return None
    options = reading.query.options
    cursor = Cursor(reading.snapshot.table, batch.next, left, reading.size, count, reading.now, options)
    return f"{address}?$skiptoken={cursor.text()}"


async def customer_rows(customer_id: str, snapshot: Snapshot, stores: DataStores) -> list[dict[str, Any]]:
    """All of a customer's rows in a snapshot, with all properties. Raises Gone, StorageUnavailable."""
    return [plain(snapshot.schema, row) for row in await read_customer_rows(customer_id, snapshot, stores)]
