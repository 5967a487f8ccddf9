"""The files that the bridge keeps beside its tables, in one container: large values, Parquet, manifests."""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from shared.entities.rows import LargeValues


@dataclass(frozen=True, slots=True)
class Kept:
    """A file that is there."""

    path: str
    size: int
    """Bytes."""
    at: datetime
    """When it was written."""


class Upload(Protocol):
    """A file on its way, unseen until it is committed."""

    async def add(self, data: bytes) -> None:
        """Behind what was added before. Raises StorageUnavailable."""

    async def commit(self) -> bool:
        """The file is there, all of it at once; False (and nothing happens) if the path has come to hold another
        file since the upload began. Raises StorageUnavailable."""

    def again(self) -> "Upload":
        """One with other bytes in the place of this one, which is given up; it has begun when this one did."""


class SnapshotFiles(LargeValues, Protocol):
    """Every method raises StorageUnavailable."""

    async def begin(self, path: str) -> Upload:
        """Make or replace a file."""

    async def read(self, path: str, start: int = 0, end: int | None = None) -> bytes:
        """Bytes `start` up to `end` (not included; None: to the last). Raises Gone."""

    def list(self, prefix: str) -> AsyncIterator[Kept]:
        """The files whose path begins with `prefix`."""


CONTAINER = "bridge"
"""Where all of them lie."""


def snapshot_prefix(table: str) -> str:
    """What the paths of a snapshot's files begin with."""
    return f"snapshots/{table}/"


def rows_prefix(table: str) -> str:
    return f"{snapshot_prefix(table)}rows/"


def part_path(table: str, number: int) -> str:
    """The rows of one part."""
    return f"{rows_prefix(table)}part-{number:05d}.parquet"


def manifest_path(table: str) -> str:
    return f"{snapshot_prefix(table)}manifest.json"


EXPORTS = "exports/"
"""What the paths of all CSV exports begin with."""


def exports_prefix(table: str) -> str:
    """What the paths of a snapshot's CSV exports begin with."""
    return f"{EXPORTS}{table}/"


CURRENTS = "entities/"
"""What the paths of all manifests of what readers see begin with."""


def entity_prefix(entity: str) -> str:
    return f"{CURRENTS}{entity.lower()}/"


def current_path(entity: str) -> str:
    """The manifest of what readers see, at a path that stays."""
    return f"{entity_prefix(entity)}current.json"
