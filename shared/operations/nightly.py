"""The configuration as it was each day, in blobs: what an empty account is rebuilt from.

| blob of container `bridge-config` | holds |
|---|---|
| `latest.json` | the document of the last export that differed |
| `{yyyy}/{mm}/{dd}.json` | the document of each day on which it did |
| `erasure.json` | who was erased: the marks, and the secret of their hashes |
| `reader-keys.json` | reader keys, as hashes |

Each is written only where it differs. The last two are no part of the document, which goes into version control.
"""

import json
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, Protocol

from shared.entities.files import Kept
from shared.entities.reader_keys import ReaderKey, ReaderKeyStore
from shared.entities.tombstones import Tombstone, TombstoneStore
from shared.operations.configuration import Stored, export_document, is_same_configuration
from shared.wire import readable_bytes

CONTAINER = "bridge-config"
LATEST = "latest.json"
ERASURE = "erasure.json"
READER_KEYS = "reader-keys.json"
VERSION = 1


class ExportFiles(Protocol):
    """Every method raises StorageUnavailable."""

    async def get(self, name: str) -> bytes | None: ...

    async def put(self, name: str, value: bytes) -> None: ...

    def list(self, prefix: str) -> AsyncIterator[Kept]:
        """The files whose path begins with `prefix`."""

    async def drop(self, prefix: str) -> None: ...


class NightlyExport:
    """May be repeated, and die anywhere: `latest.json` goes last."""

    def __init__(
        self,
        files: ExportFiles,
        configuration: Callable[[], Awaitable[Stored]],
        tombstones: TombstoneStore,
        reader_keys: ReaderKeyStore,
        retention: timedelta,
        now: Callable[[], datetime],
    ) -> None:
        self._files = files
        self._configuration = configuration
        self._tombstones = tombstones
        self._reader_keys = reader_keys
        self._retention = retention
        self._now = now

    async def write(self) -> Mapping[str, int]:
        """How many blobs were written and dropped. Raises StorageUnavailable."""
        written = await self._document() + await self._erasure() + await self._keys()
        return {"written": written, "dropped": await self._drop_old()}

    async def _document(self) -> int:
        now = self._now()
        document = export_document(await self._configuration(), now)
        latest = await self._files.get(LATEST)
        data = readable_bytes(document)
        if latest is not None and _is_same(latest, data):
            return 0
        await self._files.put(f"{now:%Y/%m/%d}.json", data)
        await self._files.put(LATEST, data)
        return 2

    async def _erasure(self) -> int:
        tombstones = await self._tombstones.list()
        if not tombstones and await self._files.get(ERASURE) is None:
            return 0
        return await self._put(ERASURE, erasure_document(await self._tombstones.secret(), tombstones))

    async def _keys(self) -> int:
        return await self._put(READER_KEYS, keys_document(await self._reader_keys.list()))

    async def _put(self, name: str, document: Mapping[str, Any]) -> int:
        data = readable_bytes(document)
        if await self._files.get(name) == data:
            return 0
        await self._files.put(name, data)
        return 1

    async def _drop_old(self) -> int:
        oldest = (self._now() - self._retention).strftime("%Y/%m/%d.json")
        old = [file.path async for file in self._files.list("") if file.path[:1].isdigit() and file.path < oldest]
        for path in old:
            await self._files.drop(path)
        return len(old)


def _is_same(latest: bytes, data: bytes) -> bool:
    """A copy that is damaged is not: it is written anew."""
    try:
        return is_same_configuration(json.loads(latest), json.loads(data))
    except ValueError:
        return False


def erasure_document(secret: bytes, tombstones: Sequence[Tombstone]) -> dict[str, Any]:
    marks = sorted((known.mark, known.at.astimezone(UTC).isoformat()) for known in tombstones)
    return {"v": VERSION, "secret": secret.hex(), "tombstones": [{"mark": mark, "at": at} for mark, at in marks]}


def parse_erasure(document: Mapping[str, Any]) -> tuple[bytes, Sequence[Tombstone]]:
    tombstones = [Tombstone(known["mark"], datetime.fromisoformat(known["at"])) for known in document["tombstones"]]
    return bytes.fromhex(document["secret"]), tombstones


def keys_document(keys: Sequence[ReaderKey]) -> dict[str, Any]:
    return {
        "v": VERSION,
        "keys": [
            {
                "name": key.name,
                "hash": key.digest,
                "createdAt": key.created_at.isoformat(),
                "createdBy": key.created_by,
                "expiresAt": key.expires_at.isoformat() if key.expires_at else None,
            }
            for key in keys
        ],
    }


def parse_keys(document: Mapping[str, Any]) -> Sequence[ReaderKey]:
    return [
        ReaderKey(
            key["name"],
            key["hash"],
            datetime.fromisoformat(key["createdAt"]),
            key["createdBy"],
            datetime.fromisoformat(key["expiresAt"]) if key["expiresAt"] else None,
        )
        for key in document["keys"]
    ]
