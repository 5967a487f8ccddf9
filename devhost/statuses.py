"""Where a timer's schedule status outlives the host: in a blob, as in Azure, or in a file."""

import json
import logging
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Protocol

from azure.core.exceptions import AzureError, ResourceNotFoundError
from azure.storage.blob.aio import ContainerClient

log = logging.getLogger("Host.Triggers.Timer")

NEVER = datetime(1, 1, 1, tzinfo=UTC)
CONTAINER = "azure-webjobs-hosts"


@dataclass(frozen=True)
class Status:
    last: datetime
    next: datetime
    updated: datetime

    def to_json(self) -> dict[str, str]:
        return {
            "Last": self.last.isoformat(),
            "Next": self.next.isoformat(),
            "LastUpdated": self.updated.isoformat(),
        }

    @classmethod
    def read(cls, text: str | bytes) -> "Status | None":
        """None for what cannot be read: a timer then starts anew, as in the real host."""
        try:
            content = json.loads(text)
            moments = [datetime.fromisoformat(content[name]) for name in ("Last", "Next", "LastUpdated")]
        except (ValueError, KeyError, TypeError):
            return None
        return cls(*(moment if moment.tzinfo else moment.replace(tzinfo=UTC) for moment in moments))


class Statuses(Protocol):
    async def read(self, function: str) -> Status | None: ...

    async def write(self, function: str, status: Status) -> None: ...


class FileStatuses:
    def __init__(self, folder: Path) -> None:
        self._folder = folder

    async def read(self, function: str) -> Status | None:
        path = self._path(function)
        return Status.read(path.read_text()) if path.is_file() else None

    async def write(self, function: str, status: Status) -> None:
        path = self._path(function)
        path.parent.mkdir(parents=True, exist_ok=True)
        fresh = path.with_suffix(".new")
        fresh.write_text(json.dumps(status.to_json()))
        fresh.replace(path)

    def _path(self, function: str) -> Path:
        return self._folder / "timers" / f"{function}.json"


class BlobStatuses:
    """`timers/{host id}/Host.Functions.{function}/status` in the container that the real host uses."""

    def __init__(self, container: ContainerClient, host_id: str) -> None:
        self._container = container
        self._host_id = host_id

    async def read(self, function: str) -> Status | None:
        try:
            blob = await self._container.download_blob(self._name(function))
            return Status.read(await blob.readall())
        except ResourceNotFoundError:
            return None

    async def write(self, function: str, status: Status) -> None:
        content = json.dumps(status.to_json()).encode()
        try:
            await self._container.upload_blob(self._name(function), content, overwrite=True)
        except ResourceNotFoundError:
            await self._container.create_container()
            await self._container.upload_blob(self._name(function), content, overwrite=True)

    async def reachable(self) -> bool:
        try:
            await self._container.exists()
        except AzureError as error:
            log.warning("Schedule statuses go to a file: storage does not answer (%s)", type(error).__name__)
            return False
        return True

    def _name(self, function: str) -> str:
        return f"timers/{self._host_id}/Host.Functions.{function}/status"
