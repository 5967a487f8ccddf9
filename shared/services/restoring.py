"""What a restore reads and writes: a source, which is an account or a folder, and this environment's own account."""

import re
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from shared.aml.auth import azure_credential
from shared.errors import ConfigurationError
from shared.operations.nightly import CONTAINER
from shared.operations.restoring import Source
from shared.services.operations import OperationServices
from shared.storage.blobs import BlobLargeValues
from shared.storage.blobs import connect as connect_blobs
from shared.storage.folders import FolderFiles
from shared.storage.reader_keys import TableReaderKeys
from shared.storage.tables import connect as connect_tables
from shared.storage.tombstones import TableTombstones

_ACCOUNT = re.compile(r"[a-z0-9]{3,24}")


class RestoreServices(OperationServices):
    """Writes to the account that the environment's settings name."""

    @property
    def tombstone_store(self) -> TableTombstones:
        return TableTombstones(self._tables)

    @property
    def reader_key_store(self) -> TableReaderKeys:
        return self._reader_key_store

    @asynccontextmanager
    async def source(self, place: str) -> AsyncIterator[Source]:
        """`place`: a folder with the containers as folders in it, an account's name, or its connection string.

        Raises ConfigurationError.
        """
        folder = _folder(place)
        if folder is not None:
            yield Source(FolderFiles(folder / "bridge"), FolderFiles(folder / CONTAINER))
            return
        connection = place if "=" in place else ""
        if not connection and not _ACCOUNT.fullmatch(place):
            raise ConfigurationError(
                "the source is no folder that is there, no storage account's name and no connection string"
            )
        async with (
            connect_tables(connection, self._address(place, "table"), self._credential_of) as tables,
            connect_blobs(connection, self._address(place, "blob"), self._credential_of) as blobs,
        ):
            yield Source(
                BlobLargeValues(blobs),
                BlobLargeValues(blobs, CONTAINER),
                TableTombstones(tables),
                TableReaderKeys(tables),
            )

    def _address(self, account: str, service: str) -> str:
        return f"https://{account}.{service}.{self.settings.STORAGE_SUFFIX}"

    @property
    def _credential_of(self) -> Callable[[], Any]:
        return lambda: azure_credential(self.settings.AZURE_CLIENT_ID)

    async def close(self) -> None:
        """What was opened of the target."""
        await self._tables.close()
        await self._blobs.close()
        await self._row_plane.close()


def _folder(place: str) -> Path | None:
    return Path(place) if Path(place).is_dir() else None
