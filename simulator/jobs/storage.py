"""Where are data read from and written to? Blob containers; a file system of Data Lake Gen2 is one as well."""

from pathlib import Path
from typing import Protocol


class DataMissing(Exception):
    """Nothing lies there; the message names the place."""


class NoStorage(Exception):
    """The simulator was started without a storage account."""


class Storage(Protocol):
    async def names(self, container: str, prefix: str) -> list[str]:
        """Of the blobs that start with `prefix`."""

    async def fetch(self, container: str, name: str, target: Path) -> None: ...

    async def store(self, container: str, name: str, source: Path) -> None: ...


class WithoutStorage:
    """Each operation raises NoStorage."""

    async def names(self, container: str, prefix: str) -> list[str]:
        raise NoStorage("the simulator has no storage account: start it with --storage")

    async def fetch(self, container: str, name: str, target: Path) -> None:
        await self.names(container, name)

    async def store(self, container: str, name: str, source: Path) -> None:
        await self.names(container, name)


async def fetch_file(storage: Storage, container: str, path: str, folder: Path) -> Path:
    """The one blob at `path`, under its own name. Raises DataMissing."""
    if path not in await storage.names(container, path):
        raise DataMissing(f"there is no file {path} in {container}")
    target = folder / path.rpartition("/")[2]
    await storage.fetch(container, path, target)
    return target


async def fetch_folder(storage: Storage, container: str, path: str, folder: Path) -> Path:
    """All blobs below `path`. Raises DataMissing if there is none."""
    prefix = path.rstrip("/") + "/"
    names = await storage.names(container, prefix)
    if not names:
        raise DataMissing(f"there is nothing in the folder {prefix} in {container}")
    for name in names:
        target = folder / name.removeprefix(prefix)
        target.parent.mkdir(parents=True, exist_ok=True)
        await storage.fetch(container, name, target)
    return folder


async def store_output(storage: Storage, container: str, path: str, source: Path) -> None:
    """A file goes to `path` itself, or below it where that ends in a slash; a folder's files go below it."""
    for name, file in files_of(source, path).items():
        await storage.store(container, name, file)


def files_of(source: Path, path: str) -> dict[str, Path]:
    """By the names they get. An output that no step made has none."""
    if source.is_dir():
        files = sorted(file for file in source.rglob("*") if file.is_file())
        return {f"{path.rstrip('/')}/{file.relative_to(source).as_posix()}": file for file in files}
    if not source.exists():
        return {}
    return {f"{path}{source.name}" if path.endswith("/") else path: source}
