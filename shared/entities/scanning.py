"""Goes through a snapshot's Parquet row group by row group: some are fetched ahead, and decoded beside the event loop."""

import asyncio
from collections import deque
from collections.abc import AsyncGenerator, Callable, Collection, Sequence
from dataclasses import dataclass
from itertools import accumulate
from typing import TYPE_CHECKING

from shared.entities.files import SnapshotFiles
from shared.entities.manifests import Manifest, ManifestFile
from shared.entities.part_reading import OpenPart, open_part

if TYPE_CHECKING:
    import pyarrow as pa

_AT_ONCE = 3
"""Row groups under way."""


@dataclass(frozen=True, slots=True)
class Span:
    """A row group."""

    file: ManifestFile
    group: int
    first: int
    """Position of its first row."""


def spans_of(manifest: Manifest) -> list[Span]:
    groups = [(file, group) for file in manifest.files for group in range(len(file.groups))]
    firsts = accumulate((file.groups[group] for file, group in groups), initial=0)
    return [Span(file, group, first) for (file, group), first in zip(groups, firsts, strict=False)]


async def scan[T](
    files: SnapshotFiles, spans: Sequence[Span], columns: Collection[str], work: "Callable[[pa.Table, Span], T]"
) -> AsyncGenerator[T]:
    """What `work` makes of each row group, in their order; few are read ahead at first. `work` runs in a thread.

    Raises Gone, StorageUnavailable.
    """
    opening = _Footers(files)
    waiting = iter(spans)
    tasks: deque[asyncio.Task[T]] = deque()
    ahead = 1
    try:
        while True:
            while len(tasks) < ahead and (span := next(waiting, None)) is not None:
                tasks.append(asyncio.create_task(_work(opening, span, columns, work)))
            if not tasks:
                return
            result = await tasks[0]
            tasks.popleft()
            ahead = min(_AT_ONCE, ahead + 1)
            yield result
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


class _Footers:
    """Each file's footer is read once while its row groups are."""

    def __init__(self, files: SnapshotFiles) -> None:
        self._files = files
        self._path = ""
        self._open: asyncio.Future[OpenPart] | None = None

    async def of(self, file: ManifestFile) -> OpenPart:
        if file.path != self._path or self._open is None:
            self._path = file.path
            self._open = asyncio.ensure_future(open_part(self._files, file.path, file.size))
        return await asyncio.shield(self._open)


async def _work[T](opening: _Footers, span: Span, columns: Collection[str], work: "Callable[[pa.Table, Span], T]") -> T:
    part = await opening.of(span.file)
    fetched = await part.fetch(span.group, columns)
    return await asyncio.to_thread(lambda: work(part.decode(span.group, columns, fetched), span))
