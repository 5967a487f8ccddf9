"""A blob written in blocks, seen only when all are there, and only where nobody else wrote it meanwhile."""

from collections.abc import Awaitable, Callable
from typing import Any, Self
from uuid import uuid4

from azure.core import MatchConditions
from azure.core.exceptions import (
    AzureError,
    HttpResponseError,
    ResourceExistsError,
    ResourceModifiedError,
    ResourceNotFoundError,
)
from azure.storage.blob import BlobBlock
from azure.storage.blob.aio import BlobClient

from shared.errors import StorageUnavailable

_BLOCK = 1024 * 1024
"""Bytes sent at once: aiohttp sends a larger body in one go, which holds up the loop."""


class BlobUpload:
    """Holds one block."""

    def __init__(
        self,
        blob: BlobClient,
        etag: str | None,
        create: Callable[[], Awaitable[None]],
        unavailable: Callable[[AzureError], StorageUnavailable],
    ) -> None:
        self._blob = blob
        self._etag = etag
        """Of the file that is replaced; None where there is none."""
        self._create = create
        self._unavailable = unavailable
        # Of this upload alone: blocks of two uploads to one path are never mixed.
        self._prefix = uuid4().hex
        self._blocks: list[BlobBlock] = []
        self._data = bytearray()

    def again(self) -> Self:
        return type(self)(self._blob, self._etag, self._create, self._unavailable)

    async def add(self, data: bytes) -> None:
        self._data += data
        while len(self._data) >= _BLOCK:
            await self._stage(bytes(self._data[:_BLOCK]))
            del self._data[:_BLOCK]

    async def commit(self) -> bool:
        if self._data:
            await self._stage(bytes(self._data))
            self._data.clear()
        condition: dict[str, Any] = (
            {"match_condition": MatchConditions.IfMissing}
            if self._etag is None
            else {"match_condition": MatchConditions.IfNotModified, "etag": self._etag}
        )
        try:
            await self._blob.commit_block_list(self._blocks, **condition)
        except (ResourceModifiedError, ResourceExistsError, ResourceNotFoundError):
            return False
        except AzureError as error:
            # Another's commit also throws away the blocks of this upload.
            if isinstance(error, HttpResponseError) and getattr(error, "error_code", "") == "InvalidBlockList":
                return False
            raise self._unavailable(error) from error
        return True

    async def _stage(self, data: bytes) -> None:
        block = f"{self._prefix}-{len(self._blocks):05d}"
        try:
            try:
                await self._blob.stage_block(block, data)
            except ResourceNotFoundError:
                await self._create()
                await self._blob.stage_block(block, data)
        except AzureError as error:
            raise self._unavailable(error) from error
        self._blocks.append(BlobBlock(block))
