"""Table storage through azure-data-tables: by connection string or with this app's identity, tables made when first missed.

A module that uses it sees `Row`s and `StorageUnavailable`; the SDK's own errors end here.
"""

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from itertools import batched
from typing import Any

from azure.core import MatchConditions
from azure.core.exceptions import (
    AzureError,
    ClientAuthenticationError,
    HttpResponseError,
    ResourceExistsError,
    ResourceModifiedError,
    ResourceNotFoundError,
)
from azure.data.tables import TableEntity, UpdateMode
from azure.data.tables.aio import TableClient, TableServiceClient

from shared.errors import StorageUnavailable
from shared.storage.accounts import open_account
from shared.storage.kept import Row, RowVersion, foreign_columns
from shared.versions import check_version

__all__ = [
    "OTHERWISE",
    "Row",
    "RowVersion",
    "Table",
    "TableServiceClient",
    "Write",
    "connect",
    "error_code",
    "unavailable",
]

type Values = Mapping[str, str | int | float | bool | datetime]

_MOST_IN_TRANSACTION = 100

VERSION = 1
"""Of the rows that this release writes, in their column `V`, unless a table has its own."""


def connect(connection: str, endpoint: str, credential: Callable[[], Any]) -> TableServiceClient:
    """The account's client. Raises ConfigurationError, which names the settings."""
    return open_account(
        connection,
        endpoint,
        by_key=lambda text: TableServiceClient.from_connection_string(spelled_out(text), **_PATIENCE),
        by_identity=lambda address: TableServiceClient(address, credential=credential(), **_PATIENCE),
        setting="BRIDGE_STORAGE__tableServiceUri",
    )


_PATIENCE: dict[str, Any] = {
    "connection_timeout": 1.5,
    "read_timeout": 10,
    "retry_total": 2,
    "retry_connect": 1,
    "retry_backoff_factor": 0.3,
    "retry_backoff_max": 2,
}
"""A storage that is away is told within three seconds; the SDK's own is five minutes for an address that swallows."""

_EMULATOR_KEY = "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw=="


def spelled_out(connection: str) -> str:
    """The SDK for tables does not know `UseDevelopmentStorage=true`, which every Functions project starts with."""
    if connection.strip().rstrip(";").lower() != "usedevelopmentstorage=true":
        return connection
    return (
        "DefaultEndpointsProtocol=http;AccountName=devstoreaccount1;"
        f"AccountKey={_EMULATOR_KEY};TableEndpoint=http://127.0.0.1:10002/devstoreaccount1"
    )


@dataclass(frozen=True, slots=True)
class Write:
    """One write of a transaction; of none of these three: whatever is there is written over."""

    row: str
    values: Values | None
    """None deletes the row, which must be there."""
    is_new: bool = False
    """There must be no such row."""
    etag: str | None = None
    """The row must be as it was then."""


class Table:
    """One table. Every method raises StorageUnavailable where storage fails us; reading a row also raises NewerVersion and
    OlderVersion. A conditional write keeps the columns that this release does not know."""

    def __init__(
        self, service: TableServiceClient, name: str, *, optional: Sequence[str] = (), version: int = VERSION
    ) -> None:
        """`optional`: the columns that a row of this release may lack; all others it always has. `version`: of its rows."""
        self._client: TableClient = service.get_table_client(name)
        self.name = name
        self._optional = frozenset(optional)
        self._version = version

    async def get(self, partition: str, row: str) -> Row | None:
        try:
            entity = await self._client.get_entity(partition, row)
        except ResourceNotFoundError:
            return None
        except AzureError as error:
            raise unavailable(self.name, error) from error
        return self._row(entity)

    async def keys(self, partition: str, *, between: tuple[str, str] | None = None) -> AsyncIterator[str]:
        """The rows' keys alone, as in `query`, in whatever version the rows are."""
        async for entity in self._entities(partition, keys=between):
            yield entity["RowKey"]

    async def query(
        self,
        partition: str,
        *,
        keys: tuple[str, str] | None = None,
        after: str | None = None,
        where: Mapping[str, str | bool] | None = None,
        page: int | None = None,
    ) -> AsyncIterator[Row]:
        """The rows of one partition, in the order of their keys; `keys`: from the first up to the second, which is not
        included; `after`: behind this one; `where`: columns and their values; `page`: rows asked for at once."""
        async for entity in self._entities(partition, keys=keys, after=after, where=where, page=page):
            yield self._row(entity)

    async def _entities(
        self,
        partition: str,
        *,
        keys: tuple[str, str] | None = None,
        after: str | None = None,
        where: Mapping[str, str | bool] | None = None,
        page: int | None = None,
    ) -> AsyncIterator[TableEntity]:
        conditions = ["PartitionKey eq @partition"]
        parameters: dict[str, str | bool] = {"partition": partition}
        if keys is not None:
            conditions += ["RowKey ge @low", "RowKey lt @high"]
            parameters |= {"low": keys[0], "high": keys[1]}
        if after is not None:
            conditions.append("RowKey gt @after")
            parameters["after"] = after
        for name, value in (where or {}).items():
            conditions.append(f"{name} eq @{name}")
            parameters[name] = value
        found = self._client.query_entities(" and ".join(conditions), parameters=parameters, results_per_page=page)
        try:
            async for entity in found:
                yield entity
        except ResourceNotFoundError:
            return
        except AzureError as error:
            raise unavailable(self.name, error) from error

    async def insert(self, partition: str, row: str, values: Values) -> bool:
        """Write a new row; False if there is one."""
        return await self._inserted(self._entity(partition, row, values)) is not None

    async def upsert(self, partition: str, row: str, values: Values, former: str | None = None) -> None:
        """Write, whatever is there; `former`: the version of what was there a moment ago, of which foreign columns stay."""
        entity = self._entity(partition, row, values, former)
        await self._making_table(lambda: self._client.upsert_entity(entity, mode=UpdateMode.REPLACE))

    async def replace(self, partition: str, row: str, values: Values, etag: str) -> bool:
        """Write over a row; False if it has changed since `etag`, or is gone."""
        return await self._replaced(self._entity(partition, row, values, etag), etag) is not None

    async def swap(self, partition: str, row: str, values: Values, etag: str) -> str | None:
        """Write over a row as it was at `etag`, or a new one where that is empty; its new etag, None if it is not so."""
        entity = self._entity(partition, row, values, etag)
        written = await (self._replaced(entity, etag) if etag else self._inserted(entity))
        return None if written is None else RowVersion(written, entity)

    async def delete(self, partition: str, row: str, etag: str | None = None) -> bool:
        """Remove a row; False if it has changed since `etag`. What is not there is removed already."""
        condition = MatchConditions.IfNotModified if etag else None
        try:
            await self._client.delete_entity(partition, row, etag=etag, match_condition=condition)
        except ResourceModifiedError:
            return False
        except ResourceNotFoundError:
            return True
        except AzureError as error:
            raise unavailable(self.name, error) from error
        return True

    async def transact(self, partition: str, writes: Sequence[Write]) -> bool:
        """All of `writes` (at most 100) or none; False if one of them found other than it expects."""
        operations = [self._operation(partition, write) for write in writes]
        try:
            await self._making_table(partial(self._client.submit_transaction, operations))
        except ResourceExistsError:
            return False
        except StorageUnavailable as error:
            if error_code(error.__cause__) in OTHERWISE:
                return False
            raise
        return True

    async def upsert_all(self, partition: str, rows: Mapping[str, Values]) -> None:
        """Write rows of one partition, by their keys, a hundred in a transaction."""
        entities = [self._entity(partition, key, values) for key, values in rows.items()]
        for some in batched(entities, _MOST_IN_TRANSACTION, strict=False):
            operations = [("upsert", entity, {"mode": UpdateMode.REPLACE}) for entity in some]
            await self._making_table(partial(self._client.submit_transaction, operations))

    async def delete_all(self, partition: str, keys: Sequence[str]) -> None:
        """Remove rows of one partition, a hundred in a transaction. They must be there."""
        for some in batched(keys, _MOST_IN_TRANSACTION, strict=False):
            try:
                await self._client.submit_transaction(
                    [("delete", {"PartitionKey": partition, "RowKey": key}) for key in some]
                )
            except AzureError as error:
                raise unavailable(self.name, error) from error

    async def _inserted(self, entity: dict[str, Any]) -> str | None:
        try:
            written = await self._making_table(lambda: self._client.create_entity(entity))
        except ResourceExistsError:
            return None
        return str(written["etag"])

    async def _replaced(self, entity: dict[str, Any], etag: str) -> str | None:
        try:
            written = await self._client.update_entity(
                entity, mode=UpdateMode.REPLACE, etag=etag, match_condition=MatchConditions.IfNotModified
            )
        except (ResourceModifiedError, ResourceNotFoundError):
            return None
        except AzureError as error:
            raise unavailable(self.name, error) from error
        return str(written["etag"])

    async def _making_table[T](self, write: Callable[[], Awaitable[T]]) -> T:
        """The first write of a new account finds no table: make it, then write."""
        try:
            try:
                return await write()
            except HttpResponseError as error:
                if error.status_code != 404:  # a transaction's is no ResourceNotFoundError
                    raise
                await self._create()
                return await write()
        except ResourceExistsError:
            raise
        except AzureError as error:
            raise unavailable(self.name, error) from error

    async def _create(self) -> None:
        try:
            await self._client.create_table()
        except ResourceExistsError:
            return

    def _row(self, entity: TableEntity) -> Row:
        check_version(entity.get("V"), self._version, f"a row of the table {self.name}")
        return Row(entity, entity.metadata["etag"])

    def _entity(self, partition: str, row: str, values: Values, former: str | None = None) -> dict[str, Any]:
        """`former`: the version of the row that is written over."""
        own = {"PartitionKey": partition, "RowKey": row, "V": self._version, **values}
        return foreign_columns(former, self._optional) | own

    def _operation(self, partition: str, write: Write) -> tuple[Any, ...]:
        condition: dict[str, Any] = {}
        if write.etag is not None:
            condition = {"etag": write.etag, "match_condition": MatchConditions.IfNotModified}
        if write.values is None:
            return "delete", {"PartitionKey": partition, "RowKey": write.row}, condition
        entity = self._entity(partition, write.row, write.values, write.etag)
        if write.is_new:
            return "create", entity
        mode = {"mode": UpdateMode.REPLACE}
        return ("update", entity, mode | condition) if condition else ("upsert", entity, mode)


OTHERWISE = ("EntityAlreadyExists", "UpdateConditionNotSatisfied", "ResourceNotFound", "EntityNotFound")
"""What a write answers that found other than it expects."""


def error_code(error: BaseException | None) -> str:
    """Table storage's own word for what is wrong, which the SDK adds to most of its errors; empty without it."""
    code = getattr(error, "error_code", None)
    return str(getattr(code, "value", code) or "")


def unavailable(table: str, error: AzureError) -> StorageUnavailable:
    """What went wrong, without the SDK's text: that can hold an address with a signature."""
    status = error.status_code if isinstance(error, HttpResponseError) else None
    if isinstance(error, ClientAuthenticationError) or status in (401, 403):
        refused = f"refused this app at the table {table} ({status})" if status else "has no credential from this app"
        return StorageUnavailable(
            f"table storage {refused}: give the app's identity the role Storage Table Data Contributor on the account, "
            "or mend the connection string in BRIDGE_STORAGE (or AzureWebJobsStorage)"
        )
    answered = f"answered {status}" if status else "did not answer"
    return StorageUnavailable(
        f"table storage {answered} at the table {table}; try again, and check the account's network rules"
    )
