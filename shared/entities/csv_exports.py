"""A whole result as CSV: in the answer where it is small, else as a file of the snapshot that a link leads to.

A snapshot never changes, so the file serves whoever asks the same again. Memory is bounded, whatever the result's size.
A file that takes longer than a request should goes on being written in this process: who asks again waits for the same
one, or finds it. If the process ends meanwhile, nothing is left of it, and the next request begins anew.
"""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import aclosing
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from hashlib import sha256
from logging import WARNING, getLogger
from typing import Protocol

from shared.entities.columnar_reader import Plan
from shared.entities.files import EXPORTS, SnapshotFiles, Upload, exports_prefix
from shared.entities.snapshots import Snapshot
from shared.entities.tombstones import Erased, ErasedNow, nobody
from shared.errors import BridgeError, NotReady
from shared.logs import log_event

INLINE = 8 * 1024 * 1024
"""Bytes of CSV in an answer, at most: 80,000 rows of 100 characters. The Functions host buffers every answer."""
KEPT = timedelta(days=1)
"""How long a file is kept."""
_PATIENCE = 60.0
"""Seconds that a request waits for its file."""
_AGAIN = 10.0
_FORM = "1"
"""Of the CSV; another one makes other files."""

logger = getLogger("bridge.csv")


@dataclass(frozen=True, slots=True)
class Link:
    address: str = field(repr=False)
    """Opens the file for whoever has it: never to be logged."""


class CsvSource(Protocol):
    def csv(self, snapshot: Snapshot, plan: Plan) -> AsyncGenerator[bytes]:
        """A header line and the rows of the plan, which starts at the first, a part at a time.

        Raises Gone where the snapshot's files are no more, NotSupported, StorageUnavailable.
        """


class Links(Protocol):
    async def link(self, path: str, name: str, now: datetime) -> str:
        """An address at which the file can be read for a while, without any other right; saved, it is called `name`.

        Raises StorageUnavailable, ConfigurationError.
        """


@dataclass(frozen=True, slots=True)
class Bounds:
    """What a request may cost."""

    inline: int = INLINE
    patience: float = _PATIENCE


class CsvExports:
    """The results under way are this process's; the files are everyone's."""

    def __init__(
        self,
        source: CsvSource,
        files: SnapshotFiles,
        links: Links,
        *,
        lifetime: timedelta,
        erased: ErasedNow = nobody,
        bounds: Bounds | None = None,
    ) -> None:
        """`lifetime`: of a link. A file made before a customer was erased is not linked to."""
        self._source = source
        self._files = files
        self._links = links
        self._lifetime = lifetime
        self._erased = erased
        self._bounds = bounds or Bounds()
        self._under_way: dict[str, asyncio.Task[bytes | None]] = {}

    async def get(self, snapshot: Snapshot, plan: Plan, entity: str, now: datetime) -> bytes | Link:
        """Raises NotReady, Gone, NotSupported, StorageUnavailable, ConfigurationError."""
        path = await self._path(snapshot, plan)
        if not await self._is_kept(path, now):
            made = await self._made(path, snapshot, plan)
            if made is not None:
                return made
        return Link(await self._links.link(path, f"{entity}.csv", now))

    async def _path(self, snapshot: Snapshot, plan: Plan) -> str:
        unseen = sorted((await self._erased()).missed_by(snapshot.created_at).tombstones)
        digest = sha256(repr((_FORM, unseen, plan)).encode("utf-8", "surrogatepass")).hexdigest()
        return f"{exports_prefix(snapshot.table)}{digest[:40]}.csv"

    async def _is_kept(self, path: str, now: datetime) -> bool:
        """For as long as a link made now would lead to it."""
        return any([now + self._lifetime <= file.at + KEPT async for file in self._files.list(path)])

    async def _made(self, path: str, snapshot: Snapshot, plan: Plan) -> bytes | None:
        """The result, or None once it is a file. Who stops waiting does not stop the work."""
        task = self._under_way.get(path) or self._begin(path, snapshot, plan)
        done, _ = await asyncio.wait([task], timeout=self._bounds.patience)
        if not done:
            raise NotReady(
                "the CSV is still being written: send the same request again after a while (Retry-After); "
                "fewer rows ($filter, $top) or properties ($select) take less time",
                retry_after=_AGAIN,
            )
        return task.result()

    def _begin(self, path: str, snapshot: Snapshot, plan: Plan) -> asyncio.Task[bytes | None]:
        task = asyncio.create_task(self._write(path, self._source.csv(snapshot, plan)))
        self._under_way[path] = task
        task.add_done_callback(lambda done: self._end(path, done))
        return task

    def _end(self, path: str, task: asyncio.Task[bytes | None]) -> None:
        del self._under_way[path]
        error = None if task.cancelled() else task.exception()
        if error is not None:
            code = error.code if isinstance(error, BridgeError) else type(error).__name__
            log_event(logger, "csv_failed", WARNING, path=path, code=code)

    async def _write(self, path: str, chunks: AsyncGenerator[bytes]) -> bytes | None:
        held = bytearray()
        upload: Upload | None = None
        async with aclosing(chunks):
            async for chunk in chunks:
                held += chunk
                if upload is None and len(held) > self._bounds.inline:
                    upload = await self._files.begin(path)
                if upload is not None:
                    await upload.add(bytes(held))
                    held.clear()
        if upload is None:
            return bytes(held)
        # Another process may have been faster: it wrote the same bytes.
        if not await upload.commit() and not [file async for file in self._files.list(path)]:
            raise NotReady("the CSV was removed while it was written: send the same request again", retry_after=1)
        return None


async def drop_stale(files: SnapshotFiles, now: datetime) -> int:
    """Remove the files that no link leads to any more; how many went. Raises StorageUnavailable."""
    stale = [file.path async for file in files.list(EXPORTS) if file.at + KEPT < now]
    for path in stale:
        await files.drop(path)
    return len(stale)


class CsvCopies:
    """ErasableCopies: the files of results, which may hold anybody, go whole."""

    def __init__(self, files: SnapshotFiles) -> None:
        self._files = files

    async def erase(self, entity: str, snapshot: Snapshot, customer_id: str) -> int:
        """Nobody knows how many rows of the customer they had."""
        await self._files.drop(exports_prefix(snapshot.table))
        return 0

    async def erase_again(self, entity: str, snapshot: Snapshot, erased: Erased) -> int:
        """Those that were under way then have another name since."""
        return 0
