"""What a run left behind: its files, which of them hold data, and how they are read."""

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Protocol

from shared.errors import UnusableOutput


@dataclass(frozen=True, slots=True)
class Listed:
    """A file of the output as storage lists it."""

    path: str
    size: int
    """Bytes."""
    etag: str


class OutputFiles(Protocol):
    """The datastore that a run wrote to. Every method raises StorageUnavailable."""

    def list(self, path: str) -> AsyncIterator[Listed]:
        """The files whose path begins with `path`."""

    def read(self, file: Listed, start: int = 0, end: int | None = None) -> AsyncIterator[bytes]:
        """Bytes `start` up to `end` (not included; None: to the last), in chunks of some MB at most.

        Raises UnusableOutput where the file is gone or has changed since it was listed.
        """


class FileKind(StrEnum):
    """How a file holds its rows."""

    CSV = "csv"
    JSON_LINES = "jsonLines"
    JSON_ARRAY = "jsonArray"
    PARQUET = "parquet"

    @property
    def numbers(self) -> str:
        """What its rows are counted by, for people."""
        return "line" if self in (FileKind.CSV, FileKind.JSON_LINES) else "row"


@dataclass(frozen=True, slots=True)
class OutputFile:
    """A file with rows."""

    index: int
    """Its place among the run's files, by path: of two rows with one key, the lower wins."""
    listed: Listed
    kind: FileKind
    is_gzip: bool
    delimiter: str = ","
    header: tuple[str, ...] = ()
    """Its columns, as it names them."""

    @property
    def path(self) -> str:
        return self.listed.path

    def document(self) -> dict[str, Any]:
        listed = [self.listed.path, self.listed.size, self.listed.etag]
        return {
            "index": self.index,
            "listed": listed,
            "kind": self.kind.value,
            "gzip": self.is_gzip,
            "delimiter": self.delimiter,
            "header": list(self.header),
        }


def parse_file(document: dict[str, Any]) -> OutputFile:
    return OutputFile(
        index=document["index"],
        listed=Listed(*document["listed"]),
        kind=FileKind(document["kind"]),
        is_gzip=document["gzip"],
        delimiter=document["delimiter"],
        header=tuple(document["header"]),
    )


_ENDINGS = {
    ".csv": FileKind.CSV,
    ".json": FileKind.JSON_LINES,
    ".jsonl": FileKind.JSON_LINES,
    ".ndjson": FileKind.JSON_LINES,
    ".parquet": FileKind.PARQUET,
}
_GZIP = ".gz"
_FORMATS = "CSV, JSON or JSON lines (.csv, .json, .jsonl, also with .gz) or Parquet (.parquet)"


async def find_files(output: OutputFiles, path: str) -> list[OutputFile]:
    """The files with rows under `path`, which is a file or a folder; by path. Raises UnusableOutput.

    `.json` counts as lines here; whether it holds an array, its first byte tells.
    """
    place = path.rstrip("/")
    listed = [file async for file in output.list(place) if file.path == place or file.path.startswith(f"{place}/")]
    exact = [file for file in listed if file.path == place and file.size]
    files = exact or sorted((file for file in listed if _holds_data(file, place)), key=lambda file: file.path)
    known = [file for file in files if _kind(file.path)]
    if not known:
        raise UnusableOutput(_nothing_there(path, files, listed))
    kinds = {_kind(file.path) for file in known}
    if len(kinds) > 1:
        raise UnusableOutput(
            f"{path} holds files of {len(kinds)} formats ({_examples(known)}); let the pipeline write one format there"
        )
    return [
        OutputFile(index, file, _kind(file.path) or FileKind.CSV, file.path.lower().endswith(_GZIP))
        for index, file in enumerate(known)
    ]


def _holds_data(file: Listed, place: str) -> bool:
    """Neither empty, nor hidden, nor a marker such as Spark's `_SUCCESS`."""
    within = file.path[len(place) :].split("/")
    return file.size > 0 and not any(name.startswith(("_", ".")) for name in within)


def _kind(path: str) -> FileKind | None:
    name = path.lower()
    plain = name.removesuffix(_GZIP)
    kind = next((kind for ending, kind in _ENDINGS.items() if plain.endswith(ending)), None)
    return None if kind is FileKind.PARQUET and plain != name else kind


def _nothing_there(path: str, files: Sequence[Listed], listed: Sequence[Listed]) -> str:
    if files:
        return f"{path} holds no file we can read, only {_examples(files)}; let the pipeline write {_FORMATS}"
    if listed:
        return f"{path} holds only empty or hidden files ({_examples(listed)}); the pipeline wrote no rows there"
    return f"there is no file at {path}; check that the pipeline writes its output to that path of the datastore"


def _examples(files: Sequence[Listed]) -> str:
    shown = ", ".join(file.path.rpartition("/")[2][:100] for file in files[:5])
    return shown if len(files) <= 5 else f"{shown} and {len(files) - 5} more"
