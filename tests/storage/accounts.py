"""An account on Azurite, as the app uses it."""

from collections.abc import AsyncIterator
from dataclasses import dataclass

import pytest
from azure.data.tables.aio import TableServiceClient
from azure.storage.blob.aio import ContainerClient

from shared.entities.importing import ImportStores
from shared.entities.reading import DataStores
from shared.storage.blobs import BlobLargeValues, BlobOutput
from shared.storage.blobs import connect as connect_blobs
from shared.storage.entities import TableEntities, TableRejects
from shared.storage.plane import connect as connect_plane
from shared.storage.rows import TableRows
from shared.storage.tables import connect as connect_tables

CONTAINER = "output"


@dataclass
class Storage:
    """Its clients."""

    imports: ImportStores
    data: DataStores
    tables: TableServiceClient
    container: ContainerClient

    async def upload(self, path: str, data: bytes) -> None:
        await self.container.upload_blob(path, data, overwrite=True)


@pytest.fixture
async def storage(azurite: str) -> AsyncIterator[Storage]:
    async with (
        connect_tables(azurite, "", lambda: None) as tables,
        connect_blobs(azurite, "", lambda: None) as blobs,
        connect_plane(azurite, "", lambda: None) as plane,
    ):
        container = blobs.get_container_client(CONTAINER)
        if not await container.exists():
            await container.create_container()
        rows, large = TableRows(tables, plane), BlobLargeValues(blobs)
        imports = ImportStores(BlobOutput(blobs, CONTAINER), rows, TableRejects(tables), large)
        yield Storage(imports, DataStores(TableEntities(tables), rows, large), tables, container)
