"""Azure Storage, for real: datastores' containers, and the queue for events. The SDKs are imported here alone."""

import asyncio
import contextlib
from pathlib import Path

from azure.core.exceptions import ResourceExistsError
from azure.storage.blob import BlobServiceClient
from azure.storage.queue import QueueServiceClient


class BlobStorage:
    """Containers are made when first written to. Blocking calls go through threads."""

    def __init__(self, connection: str) -> None:
        self._service = BlobServiceClient.from_connection_string(connection)
        self._made: set[str] = set()

    async def names(self, container: str, prefix: str) -> list[str]:
        await asyncio.to_thread(self._make, container)
        client = self._service.get_container_client(container)
        return await asyncio.to_thread(lambda: list(client.list_blob_names(name_starts_with=prefix)))

    async def fetch(self, container: str, name: str, target: Path) -> None:
        await asyncio.to_thread(self._fetch, container, name, target)

    async def store(self, container: str, name: str, source: Path) -> None:
        await asyncio.to_thread(self._store, container, name, source)

    def _fetch(self, container: str, name: str, target: Path) -> None:
        with target.open("wb") as file:
            self._service.get_blob_client(container, name).download_blob().readinto(file)

    def _store(self, container: str, name: str, source: Path) -> None:
        self._make(container)
        with source.open("rb") as file:
            self._service.get_blob_client(container, name).upload_blob(file, overwrite=True)

    def _make(self, container: str) -> None:
        if container not in self._made:
            with contextlib.suppress(ResourceExistsError):
                self._service.create_container(container)
            self._made.add(container)


class StorageQueue:
    """A queue that takes text as it is; it is made if it is not there."""

    def __init__(self, connection: str, name: str) -> None:
        self._queue = QueueServiceClient.from_connection_string(connection).get_queue_client(name)
        self._made = False

    async def put(self, text: str) -> None:
        await asyncio.to_thread(self._put, text)

    def _put(self, text: str) -> None:
        if not self._made:
            with contextlib.suppress(ResourceExistsError):
                self._queue.create_queue()
            self._made = True
        self._queue.send_message(text)
