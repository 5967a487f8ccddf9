"""Rows of snapshots in Table storage: transactions of one partition, customers' ranges, pages. The row plane carries them;
tables are made and dropped by azure-data-tables."""

import asyncio
import json
from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache
from typing import Any
from urllib.parse import quote

import orjson
from azure.core.exceptions import AzureError, ClientAuthenticationError, ResourceExistsError, ResourceNotFoundError
from azure.data.tables.aio import TableServiceClient

from shared.entities.keys import KeyRange
from shared.entities.row_columns import RowColumns
from shared.entities.rows import (
    MOST_IN_TRANSACTION,
    Existing,
    Origin,
    Page,
    Row,
    SnapshotTable,
    Write,
    parse_origin,
)
from shared.entities.schema import ORIGIN, Schema
from shared.errors import BadRequest, Gone, StorageUnavailable
from shared.storage.column_bodies import encode_columns
from shared.storage.plane import RowPlane
from shared.storage.row_bodies import (
    CONTENT_TYPE,
    Refused,
    RowCodec,
    deletion,
    insertion,
    read_answer,
    row_path,
    transaction,
)
from shared.storage.tables import OTHERWISE, unavailable
from shared.storage.transport import Reply

_READERS = 16
"""Rows looked up at once."""
_JSON = {"Accept": "application/json;odata=nometadata"}
_WITH_ETAG = {"Accept": "application/json;odata=minimalmetadata"}
_BATCH = {"Content-Type": CONTENT_TYPE, "Accept": "application/json"}

type _OriginOf = Callable[[int], Origin]
"""Of a transaction's rows, by index."""


class TableRows:
    """A snapshot is one table; `RowKey` and `PartitionKey` are as in `shared.entities.keys`."""

    def __init__(self, service: TableServiceClient, plane: RowPlane) -> None:
        self._service = service
        self._plane = plane

    async def create(self, table: SnapshotTable) -> None:
        try:
            await self._service.get_table_client(table.name).create_table()
        except ResourceExistsError:
            return
        except AzureError as error:
            raise unavailable(table.name, error) from error

    async def drop(self, table: str) -> None:
        try:
            await self._service.get_table_client(table).delete_table()
        except ResourceNotFoundError:
            return
        except AzureError as error:
            raise unavailable(table, error) from error

    def encode(self, table: SnapshotTable, rows: Sequence[Row] | RowColumns) -> Sequence[bytes]:
        if isinstance(rows, RowColumns):
            return encode_columns(rows, table.schema)
        return list(map(_codec(table.schema).encode, rows))

    def decode(self, table: SnapshotTable, body: bytes) -> Row:
        return _codec(table.schema).decode(orjson.loads(body))

    async def insert(self, table: SnapshotTable, bodies: Sequence[bytes]) -> bool:
        if not 1 <= len(bodies) <= MOST_IN_TRANSACTION:
            raise ValueError("a transaction has 1 to 100 rows of one partition")
        body = insertion(bodies, f"{self._plane.endpoint}/{table.name}")
        return await self._transact(
            table.name, body, len(bodies), lambda index: self.decode(table, bodies[index]).origin
        )

    async def write(self, table: SnapshotTable, writes: Sequence[Write]) -> bool:
        _check_transaction(writes)
        body = transaction(writes, _codec(table.schema), f"{self._plane.endpoint}/{table.name}")
        return await self._transact(table.name, body, len(writes), lambda index: writes[index].row.origin)

    async def delete(self, table: SnapshotTable, partition: str, keys: Sequence[str]) -> bool:
        if not 1 <= len(keys) <= MOST_IN_TRANSACTION:
            raise ValueError("a transaction has 1 to 100 rows of one partition")
        body = deletion(partition, keys, f"{self._plane.endpoint}/{table.name}")
        return await self._transact(table.name, body, len(keys), None)

    async def _transact(self, table: str, body: bytes, count: int, origin: _OriginOf | None) -> bool:
        answer = await self._send(table, "POST", "$batch", _BATCH, content=body, rows=count)
        if answer.status_code != 202:
            raise _answered(table, answer)
        try:
            refused = read_answer(answer.content, count)
        except ValueError as error:
            raise StorageUnavailable(f"table storage gave {error} in a transaction on {table}") from error
        if refused is None:
            return True
        if refused.code in OTHERWISE:
            return False
        raise _refused(table, count, origin, refused)

    async def find(self, table: SnapshotTable, partition: str, keys: Sequence[str]) -> Mapping[str, Existing]:
        turns = asyncio.Semaphore(_READERS)

        async def look_up(key: str) -> tuple[str, Existing] | None:
            async with turns:
                entity = await self._get(table.name, partition, key, _WITH_ETAG, f"$select={ORIGIN}")
            return None if entity is None else (key, Existing(parse_origin(entity[ORIGIN]), entity["odata.etag"]))

        found = await asyncio.gather(*(look_up(key) for key in keys))
        return dict(entry for entry in found if entry)

    async def get(self, table: SnapshotTable, partition: str, key: str) -> Row | None:
        entity = await self._get(table.name, partition, key, _JSON)
        return None if entity is None else _codec(table.schema).decode(entity)

    async def page(
        self,
        table: SnapshotTable,
        *,
        size: int,
        token: str | None = None,
        partition: str | None = None,
        keys: KeyRange | None = None,
    ) -> Page:
        query = [f"$top={size}", *_continuation(token)]
        if condition := _condition(partition, keys):
            query.append(f"$filter={quote(condition, safe='')}")
        answer = await self._send(table.name, "GET", f"{table.name}()", _JSON, query="&".join(query))
        if answer.status_code != 200:
            raise _answered(table.name, answer)
        codec = _codec(table.schema)
        return Page([codec.decode(entity) for entity in orjson.loads(answer.content)["value"]], _token(answer))

    async def _get(
        self, table: str, partition: str, key: str, headers: Mapping[str, str], query: str = ""
    ) -> dict[str, Any] | None:
        answer = await self._send(table, "GET", f"{table}{row_path(partition, key)}", headers, query=query)
        if answer.status_code == 404 and _code(answer) != "TableNotFound":
            return None
        if answer.status_code != 200:
            raise _answered(table, answer)
        entity: dict[str, Any] = orjson.loads(answer.content)
        return entity

    async def _send(
        self,
        table: str,
        method: str,
        path: str,
        headers: Mapping[str, str],
        *,
        content: bytes | None = None,
        query: str = "",
        rows: int = 1,
    ) -> Reply:
        try:
            return await self._plane.send(method, path, content=content, headers=headers, query=query, rows=rows)
        except AzureError as error:
            raise unavailable(table, error) from error


@lru_cache(maxsize=64)
def _codec(schema: Schema) -> RowCodec:
    return RowCodec(schema)


def _condition(partition: str | None, keys: KeyRange | None) -> str:
    parts = [] if partition is None else [f"PartitionKey eq {_text(partition)}"]
    if keys is not None:
        parts += [f"RowKey ge {_text(keys.low)}", f"RowKey lt {_text(keys.high)}"]
    return " and ".join(parts)


def _text(value: str) -> str:
    return "'" + value.replace("'", "''") + "'"


def _continuation(token: str | None) -> list[str]:
    """Raises BadRequest: a reader may send any token."""
    if token is None:
        return []
    try:
        partition, row = json.loads(token)
        return [f"NextPartitionKey={quote(str(partition), safe='')}", f"NextRowKey={quote(str(row), safe='')}"]
    except (ValueError, TypeError, RecursionError):
        raise BadRequest("$skiptoken is not one that this service gave out", target="$skiptoken") from None


def _token(answer: Reply) -> str | None:
    """Where storage would go on; a page may be empty and still have it."""
    partition = answer.headers.get("x-ms-continuation-NextPartitionKey")
    if partition is None:
        return None
    return json.dumps([partition, answer.headers.get("x-ms-continuation-NextRowKey", "")])


def _check_transaction(writes: Sequence[Write]) -> None:
    """Azurite takes a transaction over several partitions, the service does not."""
    if not 1 <= len(writes) <= MOST_IN_TRANSACTION or len({write.row.partition for write in writes}) != 1:
        raise ValueError("a transaction has 1 to 100 rows of one partition")


def _code(answer: Reply) -> str:
    header: str = answer.headers.get("x-ms-error-code", "")
    if header:
        return header
    try:
        return str(orjson.loads(answer.content)["odata.error"]["code"])
    except (ValueError, KeyError, TypeError):
        return ""


def _answered(table: str, answer: Reply) -> Gone | StorageUnavailable:
    """What storage said instead, without its text."""
    code = _code(answer)
    if code == "TableNotFound" or (answer.status_code == 404 and not code):
        return Gone(
            f"the snapshot {table} has been dropped; start reading anew. If GET /api/entities still tells it, its table is "
            "lost: POST /api/entities/{entity}/rebuild writes it again"
        )
    if answer.status_code in (401, 403):
        refused = ClientAuthenticationError()
        refused.status_code = answer.status_code
        return unavailable(table, refused)
    return StorageUnavailable(
        f"table storage answered {code or answer.status_code} at the table {table}; try again, and check the account"
    )


def _refused(table: str, count: int, origin: _OriginOf | None, refused: Refused) -> Gone | StorageUnavailable:
    """Names the row by its origin: its key would name a customer."""
    if refused.code == "TableNotFound":
        return Gone(f"the snapshot {table} has been dropped; start reading anew")
    where = ""
    if origin is not None and refused.index is not None and refused.index < count:
        found = origin(refused.index)
        where = f" for the row of file {found.file}, line {found.line}"
    code = refused.code or refused.status
    return StorageUnavailable(f"table storage answered {code} to a transaction of {count} rows of {table}{where}")
