from collections.abc import AsyncIterator, Iterator
from uuid import uuid4

import pytest
from azure.data.tables.aio import TableServiceClient

from shared.storage.tables import Table, connect
from tests.support.azurite import running_azurite
from tests.support.identity import no_identity


@pytest.fixture(scope="session")
def azurite() -> Iterator[str]:
    """One of this folder's own: its tests empty the tables that an app on a shared one would be using."""
    with running_azurite() as connection:
        yield connection


@pytest.fixture
async def service(azurite: str) -> AsyncIterator[TableServiceClient]:
    """A client of an Azurite; its tables `bridge…` are gone when a test begins."""
    async with connect(azurite, "", no_identity) as service:
        async for table in service.list_tables():
            await service.delete_table(table.name)
        yield service


@pytest.fixture
def table(service: TableServiceClient) -> Table:
    """One that does not exist yet."""
    return Table(service, f"bridgetest{uuid4().hex[:8]}")
