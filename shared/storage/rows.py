"""Rows of snapshots in Table storage, in transactions of one partition, through azure-data-tables."""

import asyncio
import json
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from azure.core import MatchConditions
from azure.core.async_paging import AsyncItemPaged
from azure.core.exceptions import AzureError, ResourceExistsError, ResourceNotFoundError
from azure.data.tables import EdmType as StoredType
from azure.data.tables import EntityProperty, TableEntity, TableTransactionError, UpdateMode
from azure.data.tables.aio import TableClient, TableServiceClient

from shared.entities.keys import KeyRange
from shared.entities.rows import (
    MOST_IN_TRANSACTION,
    Existing,
    Page,
    Row,
    SnapshotTable,
    Write,
    parse_origin,
)
from shared.entities.schema import LARGE, ORIGIN
from shared.entities.values import EdmType, Value
from shared.errors import BadRequest, Gone, StorageUnavailable
from shared.storage.tables import error_code, unavailable

_OTHERWISE = ("EntityAlreadyExists", "UpdateConditionNotSatisfied", "ResourceNotFound", "EntityNotFound")
"""What a write answers that found other than it expects."""
_READERS = 16
"""Rows looked up at once."""


class TableRows:
    """A snapshot is one table; `RowKey` and `PartitionKey` are as in `shared.entities.keys`."""

    def __init__(self, service: TableServiceClient) -> None:
        self._service = service

    async def create(self, table: SnapshotTable) -> None:
        try:
            await self._client(table.name).create_table()
        except ResourceExistsError:
            return
        except AzureError as error:
            raise unavailable(table.name, error) from error

    async def write(self, table: SnapshotTable, writes: Sequence[Write]) -> bool:
        _check_transaction(writes)
        operations = [_operation(write, table.schema.properties) for write in writes]
        try:
            answers = await self._client(table.name).submit_transaction(operations)
        except TableTransactionError as error:
            if error_code(error) in _OTHERWISE:
                return False
            raise _failed(table.name, writes, error) from error
        except AzureError as error:
            raise unavailable(table.name, error) from error
        if len(answers) != len(writes):
            raise StorageUnavailable(f"table storage answered {len(answers)} of {len(writes)} writes to {table.name}")
        return True

    async def find(self, table: SnapshotTable, partition: str, keys: Sequence[str]) -> Mapping[str, Existing]:
        client = self._client(table.name)
        turns = asyncio.Semaphore(_READERS)

        async def look_up(key: str) -> tuple[str, Existing] | None:
            async with turns:
                entity = await _get(client, partition, key, [ORIGIN])
            if entity is None:
                return None
            return key, Existing(parse_origin(entity[ORIGIN]), str(entity.metadata["etag"]))

        found = await asyncio.gather(*(look_up(key) for key in keys))
        return dict(entry for entry in found if entry)

    async def get(self, table: SnapshotTable, partition: str, key: str) -> Row | None:
        entity = await _get(self._client(table.name), partition, key)
        return None if entity is None else _row(entity, table.schema.properties)

    async def page(
        self,
        table: SnapshotTable,
        *,
        size: int,
        token: str | None = None,
        partition: str | None = None,
        keys: KeyRange | None = None,
    ) -> Page:
        start: Any = _continuation(token)
        pages = self._query(table.name, partition, keys, size).by_page(start)
        try:
            entities = [entity async for entity in await anext(pages)]
        except StopAsyncIteration:
            return Page([], None)
        except ResourceNotFoundError:
            raise _gone(table.name) from None
        except AzureError as error:
            raise unavailable(table.name, error) from error
        return Page([_row(entity, table.schema.properties) for entity in entities], _token(pages))

    async def drop(self, table: str) -> None:
        try:
            await self._client(table).delete_table()
        except ResourceNotFoundError:
            return
        except AzureError as error:
            raise unavailable(table, error) from error

    def _query(self, table: str, partition: str | None, keys: KeyRange | None, size: int) -> "AsyncItemPaged[Any]":
        client = self._client(table)
        if partition is None:
            return client.list_entities(results_per_page=size)
        condition, parameters = "PartitionKey eq @partition", {"partition": partition}
        if keys is not None:
            condition += " and RowKey ge @low and RowKey lt @high"
            parameters |= {"low": keys.low, "high": keys.high}
        return client.query_entities(condition, parameters=parameters, results_per_page=size)

    def _client(self, table: str) -> TableClient:
        return self._service.get_table_client(table)


def _continuation(token: str | None) -> dict[str, str] | None:
    """Raises BadRequest: a reader may send any token."""
    if token is None:
        return None
    try:
        partition, row = json.loads(token)
        return {"PartitionKey": str(partition), "RowKey": str(row)}
    except (ValueError, TypeError):
        raise BadRequest("$skiptoken is not one that this service gave out", target="$skiptoken") from None


def _token(pages: object) -> str | None:
    """Where the SDK would go on."""
    following = getattr(pages, "continuation_token", None)
    return json.dumps([following["PartitionKey"], following["RowKey"]]) if following else None


def _check_transaction(writes: Sequence[Write]) -> None:
    """Azurite takes a transaction over several partitions, the service does not."""
    if not 1 <= len(writes) <= MOST_IN_TRANSACTION or len({write.row.partition for write in writes}) != 1:
        raise ValueError("a transaction has 1 to 100 rows of one partition")


def _failed(table: str, writes: Sequence[Write], error: TableTransactionError) -> StorageUnavailable:
    """Names the row by its origin: its key would name a customer."""
    origin = writes[error.index].row.origin if 0 <= error.index < len(writes) else None
    where = f" for the row of file {origin.file}, line {origin.line}" if origin else ""
    code = error_code(error) or error.status_code
    return StorageUnavailable(f"table storage answered {code} to a transaction of {len(writes)} rows of {table}{where}")


def _operation(write: Write, types: Mapping[str, EdmType]) -> tuple[Any, ...]:
    entity = _entity(write.row, types)
    if write.replaces is None:
        return "create", entity
    condition = {"mode": UpdateMode.REPLACE, "etag": write.replaces, "match_condition": MatchConditions.IfNotModified}
    return "update", entity, condition


def _entity(row: Row, types: Mapping[str, EdmType]) -> dict[str, Any]:
    stored: dict[str, Any] = {"PartitionKey": row.partition, "RowKey": row.key, ORIGIN: row.origin.text}
    for name, value in row.values.items():
        # The SDK takes every int for an Int32.
        stored[name] = EntityProperty(value, StoredType.INT64) if types[name] is EdmType.INT64 else value
    if row.large:
        stored[LARGE] = ",".join(map(str, row.large))
    return stored


async def _get(
    client: TableClient, partition: str, key: str, select: Sequence[str] | None = None
) -> "TableEntity | None":
    arguments: dict[str, Any] = {"select": select} if select else {}
    try:
        return await client.get_entity(partition, key, **arguments)
    except ResourceNotFoundError as error:
        if error_code(error) == "TableNotFound":
            raise _gone(client.table_name) from None
        return None
    except AzureError as error:
        raise unavailable(client.table_name, error) from error


def _gone(table: str) -> Gone:
    return Gone(f"the snapshot {table} has been dropped; start reading anew")


def _row(entity: Mapping[str, Any], types: Mapping[str, EdmType]) -> Row:
    return Row(
        partition=entity["PartitionKey"],
        key=entity["RowKey"],
        origin=parse_origin(entity[ORIGIN]),
        values={name: _value(entity[name], kind) for name, kind in types.items() if name in entity},
        large=tuple(map(int, entity[LARGE].split(","))) if LARGE in entity else (),
    )


def _value(stored: Any, kind: EdmType) -> Value:
    match kind:
        case EdmType.INT64:
            return int(stored.value if isinstance(stored, EntityProperty) else stored)
        case EdmType.INT32:
            return int(stored)
        case EdmType.DOUBLE:
            return float(stored)
        case EdmType.BOOLEAN:
            return bool(stored)
        case EdmType.DATE_TIME_OFFSET:
            return datetime.combine(stored.date(), stored.time(), UTC)
        case EdmType.STRING:
            return str(stored)
