"""A folder that holds what a container of a storage account held: a copy of one that is gone."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from datetime import UTC, datetime
from pathlib import Path

from shared.entities.files import Kept
from shared.errors import Gone, StorageUnavailable


class FolderFiles:
    """Read only; paths are relative to the folder, with `/` between names."""

    def __init__(self, root: Path) -> None:
        self._root = root

    async def get(self, name: str) -> bytes | None:
        return await asyncio.to_thread(self._get, name)

    async def read(self, path: str, start: int = 0, end: int | None = None) -> bytes:
        return await asyncio.to_thread(self._read, path, start, end)

    def _get(self, name: str) -> bytes | None:
        try:
            return (self._root / name).read_bytes()
        except FileNotFoundError:
            return None
        except OSError as error:
            raise _unreadable(name, error) from error

    def _read(self, path: str, start: int, end: int | None) -> bytes:
        try:
            with (self._root / path).open("rb") as file:
                file.seek(start)
                return file.read(-1 if end is None else end - start)
        except FileNotFoundError:
            raise Gone(f"{path} is not in the folder {self._root}") from None
        except OSError as error:
            raise _unreadable(path, error) from error

    def _list(self, prefix: str) -> Sequence[Kept]:
        files = (file for file in self._root.rglob("*") if file.is_file())
        named = sorted((file.relative_to(self._root).as_posix(), file) for file in files)
        return [_kept(path, file) for path, file in named if path.startswith(prefix)]

    async def list(self, prefix: str) -> AsyncIterator[Kept]:
        for kept in await asyncio.to_thread(self._list, prefix):
            yield kept


def _kept(path: str, file: Path) -> Kept:
    found = file.stat()
    return Kept(path, found.st_size, datetime.fromtimestamp(found.st_mtime, UTC))


def _unreadable(path: str, error: OSError) -> StorageUnavailable:
    return StorageUnavailable(f"{path} cannot be read: {error.strerror}")
