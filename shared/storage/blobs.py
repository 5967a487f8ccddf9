"""Blob storage through azure-storage-blob: a datastore's files, read by ranges and written in blocks, and values too
large for a table.

A module that uses it sees `UnusableOutput` and `StorageUnavailable`; the SDK's own errors end here.
"""

from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any
from uuid import uuid4

from azure.core import MatchConditions
from azure.core.exceptions import (
    AzureError,
    ClientAuthenticationError,
    HttpResponseError,
    ResourceExistsError,
    ResourceModifiedError,
    ResourceNotFoundError,
)
from azure.storage.blob import BlobBlock
from azure.storage.blob.aio import BlobServiceClient, ContainerClient

from shared.entities.files import CONTAINER, Kept
from shared.entities.outputs import Listed
from shared.errors import Gone, StorageUnavailable, UnusableOutput, WorkspaceRefused
from shared.storage.accounts import open_account
from shared.storage.uploads import BlobUpload

__all__ = ["BlobLargeValues", "BlobOutput", "BlobServiceClient", "connect"]

_CHUNK = 4 * 1024 * 1024
"""Bytes asked for at once; the SDK holds one such chunk."""
_BLOCK = 1024 * 1024
"""Bytes sent at once: aiohttp sends a larger body in one go, which holds up the loop."""
_PATIENCE: dict[str, Any] = {
    "connection_timeout": 3,
    "read_timeout": 30,
    "retry_total": 3,
    "max_chunk_get_size": _CHUNK,
    "max_single_get_size": _CHUNK,
    "max_single_put_size": _BLOCK,
    "max_block_size": _BLOCK,
}


def connect(connection: str, endpoint: str, credential: Callable[[], Any]) -> BlobServiceClient:
    """The account's client. Raises ConfigurationError, which names the settings."""
    return open_account(
        connection,
        endpoint,
        by_key=lambda text: BlobServiceClient.from_connection_string(text, **_PATIENCE),
        by_identity=lambda address: BlobServiceClient(address, credential=credential(), **_PATIENCE),
        setting="BRIDGE_STORAGE__blobServiceUri",
    )


class BlobOutput:
    """The files of one container: what a datastore of the workspace is. ADLS Gen2 is used the same way."""

    def __init__(self, service: BlobServiceClient, container: str) -> None:
        self._container = service.get_container_client(container)

    async def list(self, path: str) -> AsyncIterator[Listed]:
        try:
            async for blob in self._container.list_blobs(name_starts_with=path):
                yield Listed(blob.name, int(blob.size or 0), str(blob.etag))
        except ResourceNotFoundError:
            raise UnusableOutput(
                f"the datastore's container {self._container.container_name} does not exist; check the datastore"
            ) from None
        except AzureError as error:
            raise _unavailable(self._container, error) from error

    async def read(self, file: Listed, start: int = 0, end: int | None = None) -> AsyncIterator[bytes]:
        last = file.size if end is None else end
        if start >= last:
            return
        try:
            stream = await self._container.download_blob(
                file.path,
                offset=start,
                length=last - start,
                etag=file.etag,
                match_condition=MatchConditions.IfNotModified,
            )
            async for chunk in stream.chunks():
                yield chunk
        except (ResourceModifiedError, ResourceNotFoundError):
            raise UnusableOutput(
                f"{file.path} has changed or gone since the run's files were listed; import the run again"
            ) from None
        except AzureError as error:
            raise _unavailable(self._container, error) from error

    async def write(self, path: str, chunks: AsyncIterator[bytes]) -> None:
        """Make or replace the file, all of it at once after its last byte; one block of it is held, and one chunk.

        Raises WorkspaceRefused (no such container), StorageUnavailable, and what `chunks` raises: then nothing changes.
        """
        blob = self._container.get_blob_client(path)
        blocks: list[BlobBlock] = []
        # Of this writing alone: blocks of two writings of one path are never mixed.
        prefix = uuid4().hex
        async for data in _blocks(chunks):
            block = f"{prefix}-{len(blocks):05d}"
            await self._put(blob.stage_block(block, data))
            blocks.append(BlobBlock(block))
        await self._put(blob.commit_block_list(blocks))

    async def drop(self, prefix: str) -> None:
        """Remove all files whose path begins with `prefix`. Raises StorageUnavailable."""
        await _drop(self._container, prefix)

    async def _put(self, call: Awaitable[object]) -> None:
        try:
            await call
        except ResourceNotFoundError:
            raise WorkspaceRefused(
                f"the datastore's container {self._container.container_name} does not exist; check the datastore"
            ) from None
        except AzureError as error:
            raise _unavailable(self._container, error) from error


async def _blocks(chunks: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    """The same bytes in blocks of one size, the last one smaller."""
    data = bytearray()
    async for chunk in chunks:
        data += chunk
        while len(data) >= _BLOCK:
            yield bytes(data[:_BLOCK])
            del data[:_BLOCK]
    if data:
        yield bytes(data)


class BlobLargeValues:
    """Values and files in a container, `bridge` unless another is named, which is made when first missed."""

    def __init__(self, service: BlobServiceClient, container: str = CONTAINER) -> None:
        self._container = service.get_container_client(container)

    async def put(self, name: str, value: bytes) -> None:
        try:
            try:
                await self._container.upload_blob(name, value, overwrite=True)
            except ResourceNotFoundError:
                await self._create()
                await self._container.upload_blob(name, value, overwrite=True)
        except AzureError as error:
            raise _unavailable(self._container, error) from error

    async def get(self, name: str) -> bytes | None:
        try:
            return await (await self._container.download_blob(name)).readall()
        except ResourceNotFoundError:
            return None
        except AzureError as error:
            raise _unavailable(self._container, error) from error

    async def begin(self, path: str) -> BlobUpload:
        blob = self._container.get_blob_client(path)
        try:
            etag = (await blob.get_blob_properties()).etag
        except ResourceNotFoundError:
            etag = None
        except AzureError as error:
            raise _unavailable(self._container, error) from error
        return BlobUpload(blob, etag, self._create, lambda error: _unavailable(self._container, error))

    async def read(self, path: str, start: int = 0, end: int | None = None) -> bytes:
        length = None if end is None else end - start
        try:
            return await (await self._container.download_blob(path, offset=start, length=length)).readall()
        except ResourceNotFoundError:
            raise Gone(f"{path.rpartition('/')[2]} of a snapshot has been dropped; start reading anew") from None
        except AzureError as error:
            raise _unavailable(self._container, error) from error

    async def list(self, prefix: str) -> AsyncIterator[Kept]:
        try:
            async for blob in self._container.list_blobs(name_starts_with=prefix):
                yield Kept(blob.name, int(blob.size or 0), blob.last_modified)
        except ResourceNotFoundError:
            return
        except AzureError as error:
            raise _unavailable(self._container, error) from error

    async def drop(self, prefix: str) -> None:
        await _drop(self._container, prefix)

    async def _create(self) -> None:
        try:
            await self._container.create_container()
        except ResourceExistsError:
            return


async def _drop(container: ContainerClient, prefix: str) -> None:
    try:
        async for blob in container.list_blobs(name_starts_with=prefix):
            await _delete(container, blob.name)
    except ResourceNotFoundError:
        return
    except AzureError as error:
        raise _unavailable(container, error) from error


async def _delete(container: ContainerClient, name: str) -> None:
    try:
        await container.delete_blob(name)
    except ResourceNotFoundError:
        return


def _unavailable(container: ContainerClient, error: AzureError) -> StorageUnavailable:
    """What went wrong, without the SDK's text: that can hold an address with a signature."""
    name = container.container_name
    status = error.status_code if isinstance(error, HttpResponseError) else None
    if isinstance(error, ClientAuthenticationError) or status in (401, 403):
        refused = (
            f"refused this app at the container {name} ({status})" if status else "has no credential from this app"
        )
        return StorageUnavailable(
            f"blob storage {refused}: give the app's identity the role Storage Blob Data Contributor on the account "
            "(for a datastore that is only read, Storage Blob Data Reader is enough)"
        )
    answered = f"answered {status}" if status else "did not answer"
    return StorageUnavailable(
        f"blob storage {answered} at the container {name}; try again, and check the account's network rules"
    )
