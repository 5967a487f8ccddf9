"""What the doctor does in storage accounts: it reads, writes a mark that it removes again, and looks at queues."""

from collections.abc import AsyncIterator
from contextlib import suppress
from datetime import datetime

from azure.core.exceptions import AzureError, ResourceExistsError, ResourceNotFoundError
from azure.data.tables.aio import TableServiceClient
from azure.storage.blob.aio import BlobServiceClient
from azure.storage.queue.aio import QueueServiceClient

from shared.errors import UnusableOutput, WorkspaceRefused
from shared.operations.doctor.accounts import MARK, NotYet
from shared.operations.doctor.messaging import QueueState
from shared.storage.blobs import BlobLargeValues, BlobOutput
from shared.storage.heartbeats import TABLE
from shared.storage.queues import unavailable
from shared.storage.tables import Table

_HOST_CONTAINER = "azure-webjobs-hosts"
"""Made by the Functions host, for its leases."""
_QUEUE = "bridge-doctor"
"""Of marks alone: no function takes a message from it. It stays, for a queue that was removed cannot be made again for
half a minute."""
_SECONDS = 60
"""How long a mark lies in a queue that was not removed."""


class TablePlace:
    def __init__(self, service: TableServiceClient, mark: str, now: datetime) -> None:
        self._table = Table(service, TABLE)
        self._mark = mark
        self._now = now

    async def read(self) -> None:
        await self._table.get(MARK, self._mark)

    async def write(self) -> None:
        await self._table.upsert(MARK, self._mark, {"At": self._now})
        await self._table.delete(MARK, self._mark)


class BlobPlace:
    """The data account's."""

    def __init__(self, service: BlobServiceClient, mark: str) -> None:
        self._blobs = BlobLargeValues(service)
        self._name = f"{MARK}/{mark}"

    async def read(self) -> None:
        await self._blobs.get(self._name)

    async def write(self) -> None:
        await self._blobs.put(self._name, b"")
        await self._blobs.drop(self._name)


class HostBlobPlace:
    """The host account's, where it is another."""

    def __init__(self, service: BlobServiceClient, mark: str) -> None:
        self._files = BlobOutput(service, _HOST_CONTAINER)
        self._name = f"bridge-{MARK}/{mark}"

    async def read(self) -> None:
        try:
            async for _ in self._files.list(self._name):
                return
        except UnusableOutput:
            return  # without the container it was answered all the same

    async def write(self) -> None:
        """Raises NotYet."""
        try:
            await self._files.write(self._name, _nothing())
        except WorkspaceRefused:
            raise NotYet(f"the Functions host has not made its container {_HOST_CONTAINER} yet") from None
        await self._files.drop(self._name)


async def _nothing() -> AsyncIterator[bytes]:
    yield b"doctor"


class QueuePlace:
    def __init__(self, service: QueueServiceClient) -> None:
        self._service = service

    async def read(self) -> None:
        try:
            await self._service.get_queue_client(_QUEUE).peek_messages(max_messages=1)
        except ResourceNotFoundError:
            return
        except AzureError as error:
            raise unavailable(_QUEUE, error) from error

    async def write(self) -> None:
        client = self._service.get_queue_client(_QUEUE)
        try:
            with suppress(ResourceExistsError):
                await self._service.create_queue(_QUEUE)
            await client.delete_message(await client.send_message(MARK, time_to_live=_SECONDS))
        except AzureError as error:
            raise unavailable(_QUEUE, error) from error


async def queue_state(service: QueueServiceClient, queue: str) -> QueueState | None:
    """None where there is no such queue. Raises StorageUnavailable."""
    client = service.get_queue_client(queue)
    try:
        properties = await client.get_queue_properties()
        waiting = await client.peek_messages(max_messages=1)
    except ResourceNotFoundError:
        return None
    except AzureError as error:
        raise unavailable(queue, error) from error
    oldest = waiting[0].inserted_on if waiting else None
    return QueueState(properties.approximate_message_count or 0, oldest)
