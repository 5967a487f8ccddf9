"""Answers data requests from the published snapshot: one row by key, a customer's rows, pages of all, counts.

A page's link carries the snapshot it began on, so that a reader who pages never sees a mix.
"""

import asyncio
import base64
import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from math import isfinite
from typing import Any
from urllib.parse import quote

from shared.entities.keys import customer_range, partition_key, row_key
from shared.entities.odata import DataRequest
from shared.entities.rows import LargeValues, Page, Row, RowStore, SnapshotTable, large_name
from shared.entities.schema import CUSTOMER_ID, Schema
from shared.entities.snapshots import Entity, EntityStore, Snapshot, find_entity
from shared.errors import BadRequest, Gone, NotFound, NotSupported

PAGE = 1000
"""Rows of a page, and the most that Table storage gives at once."""


@dataclass(frozen=True, slots=True)
class DataStores:
    """Where answers come from."""

    entities: EntityStore
    rows: RowStore
    large: LargeValues


@dataclass(frozen=True, slots=True)
class _Cursor:
    """Where a reader is: what a `$skiptoken` says."""

    snapshot: Snapshot
    customer_id: str | None
    left: int | None
    """Rows that `$top` still allows."""
    page: str | None

    def text(self) -> str:
        members = [self.snapshot.table, self.customer_id, self.left, self.page]
        return base64.urlsafe_b64encode(json.dumps(members).encode()).decode().rstrip("=")


async def answer(request: DataRequest, stores: DataStores, root: str) -> dict[str, Any] | int:
    """The JSON of a collection or row, or a count. `root`: the service's address, without a slash at its end.

    Raises NotFound, Gone, BadRequest, NotSupported, StorageUnavailable.
    """
    entity = await find_entity(stores.entities, request.entity)
    if entity.current is None:
        raise NotFound(f"{entity.name} has no rows yet: no run of its workflow has been published", target="entity")
    if request.key is not None:
        return await _one(request, entity, entity.current, stores, root)
    cursor = await _cursor(request, entity, entity.current, stores.entities)
    if request.is_count:
        return await _count(cursor, stores.rows)
    return await _collection(cursor, entity.name, stores, root)


async def service_document(entities: EntityStore, root: str) -> dict[str, Any]:
    """The entities that have rows. `root` as in `answer`. Raises StorageUnavailable."""
    names = [entity.name for entity in await entities.list() if entity.current is not None]
    sets = [{"name": name, "kind": "EntitySet", "url": name} for name in names]
    return {"@odata.context": f"{root}/$metadata", "value": sets}


async def _one(
    request: DataRequest, entity: Entity, snapshot: Snapshot, stores: DataStores, root: str
) -> dict[str, Any]:
    customer_id, primary_key = _key(request.key or {}, snapshot.schema)
    if request.is_count or request.filter or request.token or request.top is not None:
        raise NotSupported("a row by its key takes no query options", target="key")
    try:
        key = row_key(customer_id, primary_key)
    except ValueError:
        key = ""
    partition = partition_key(customer_id, snapshot.buckets)
    row = await stores.rows.get(snapshot.place, partition, key) if key else None
    if row is None:
        raise NotFound(f"{entity.name} has no row with this key", target="key")
    return {"@odata.context": f"{root}/$metadata#{entity.name}/$entity", **await _rendered(row, snapshot, stores.large)}


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


async def _cursor(request: DataRequest, entity: Entity, current: Snapshot, entities: EntityStore) -> _Cursor:
    if request.token is not None:
        return await _resumed(request.token, entity, current, entities)
    return _Cursor(current, _customer_id(request, current.schema), request.top, None)


def _customer_id(request: DataRequest, schema: Schema) -> str | None:
    if request.filter is None:
        return None
    name = request.filter.property.casefold()
    if name in (CUSTOMER_ID.casefold(), schema.customer_id.casefold()):
        return request.filter.text
    if name in (known.casefold() for known in schema.properties):
        raise NotSupported(f"$filter: only {CUSTOMER_ID} eq '…' is supported here", target="$filter")
    raise BadRequest(
        f"$filter: there is no property {request.filter.property[:100]!r}; there are: {', '.join(schema.properties)}",
        target="$filter",
    )


async def _resumed(token: str, entity: Entity, current: Snapshot, entities: EntityStore) -> _Cursor:
    """A token names a table, and anyone can write one: only published snapshots of this entity are read."""
    try:
        members = json.loads(base64.urlsafe_b64decode(token + "=" * (-len(token) % 4)))
        table, customer_id, left, page = members
        _check_token(table, customer_id, left, page)
    except (ValueError, TypeError):
        raise BadRequest("$skiptoken is not one that this service gave out", target="$skiptoken") from None
    is_known = any(table == known.table for known in entity.published)
    snapshot = (
        current if table == current.table else await entities.get_snapshot(entity.name, table) if is_known else None
    )
    if snapshot is None:
        raise Gone(f"the snapshot of {entity.name} that this page belongs to has been dropped; start reading anew")
    return _Cursor(snapshot, customer_id, left, page)


def _check_token(table: object, customer_id: object, left: object, page: object) -> None:
    is_sound = isinstance(table, str) and isinstance(customer_id, str | None) and isinstance(page, str | None)
    if not is_sound or not (left is None or (type(left) is int and left >= 0)):
        raise ValueError


async def _page(cursor: _Cursor, size: int, rows: RowStore) -> Page:
    """The next page that has rows, or the last."""
    table, token = cursor.snapshot.place, cursor.page
    while True:
        page = await _read_page(cursor.customer_id, table, size, token, rows)
        if page.rows or page.token is None:
            return page
        token = page.token


async def _read_page(
    customer_id: str | None, table: SnapshotTable, size: int, token: str | None, rows: RowStore
) -> Page:
    if customer_id is None:
        return await rows.page(table, size=size, token=token)
    keys = customer_range(customer_id, is_one_column=table.schema.is_one_column)
    return await rows.page(
        table, size=size, token=token, partition=partition_key(customer_id, table.buckets), keys=keys
    )


async def _collection(cursor: _Cursor, entity: str, stores: DataStores, root: str) -> dict[str, Any]:
    snapshot = cursor.snapshot
    size = PAGE if cursor.left is None else min(PAGE, cursor.left)
    page = await _page(cursor, size, stores.rows) if size else Page([], None)
    left = None if cursor.left is None else cursor.left - len(page.rows)
    value = await asyncio.gather(*(_rendered(row, snapshot, stores.large) for row in page.rows))
    body: dict[str, Any] = {"@odata.context": f"{root}/$metadata#{entity}", "value": list(value)}
    if page.token is not None and left != 0:
        following = _Cursor(snapshot, cursor.customer_id, left, page.token)
        body["@odata.nextLink"] = f"{root}/{quote(entity)}?$skiptoken={following.text()}"
    return body


async def _count(cursor: _Cursor, rows: RowStore) -> int:
    if cursor.customer_id is None:
        return cursor.snapshot.rows
    count, token = 0, None
    while True:
        page = await _read_page(cursor.customer_id, cursor.snapshot.place, PAGE, token, rows)
        count, token = count + len(page.rows), page.token
        if token is None:
            return count


async def _rendered(row: Row, snapshot: Snapshot, large: LargeValues) -> dict[str, Any]:
    """All properties, null where a row has no value."""
    rendered = {name: _json_value(row.values.get(name)) for name in snapshot.schema.properties}
    for index in row.large:
        value = await large.get(large_name(snapshot.table, row.origin, index))
        rendered[snapshot.schema.columns[index].name] = (
            None if value is None else value.decode("utf-8", "surrogatepass")
        )
    return rendered


def _json_value(value: object) -> object:
    match value:
        case float() if not isfinite(value):
            return "NaN" if value != value else "INF" if value > 0 else "-INF"
        case datetime():
            return value.isoformat().replace("+00:00", "Z")
    return value
