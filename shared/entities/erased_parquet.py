"""Customers go from the Parquet beside a snapshot's table: only files that have rows of theirs are written anew.

Then the manifest, and that of what readers see. Who dies in between is repeated: a manifest that tells of former files
is found by their sizes.
"""

from contextlib import suppress
from typing import TYPE_CHECKING, Any

from shared.entities.describing import is_true, sizes_of, write_manifest
from shared.entities.files import SnapshotFiles
from shared.entities.manifests import read_manifest, tell_current
from shared.entities.rewriting import Going, leave_out
from shared.entities.schema import CUSTOMER_ID
from shared.entities.snapshots import EntityStore, Snapshot
from shared.entities.tombstones import Erased
from shared.errors import Gone, NotFound

if TYPE_CHECKING:
    import pyarrow as pa


class ParquetCopies:
    """ErasableCopies."""

    def __init__(self, entities: EntityStore, files: SnapshotFiles) -> None:
        self._entities = entities
        self._files = files

    async def erase(self, entity: str, snapshot: Snapshot, customer_id: str) -> int:
        return await self._leave_out(entity, snapshot, _of_customer(customer_id))

    async def erase_again(self, entity: str, snapshot: Snapshot, erased: Erased) -> int:
        def values(column: "pa.ChunkedArray") -> list[str]:
            return hidden_ids(column, erased)

        return await self._leave_out(entity, snapshot, Going(CUSTOMER_ID, values))

    async def _leave_out(self, entity: str, snapshot: Snapshot, going: Going) -> int:
        gone = 0
        for path in await sizes_of(snapshot.table, self._files):
            gone += await self._from_file(path, snapshot, going)
        with suppress(Gone):  # dropped meanwhile, or not settled yet: its manifest is written from these files then
            await self._tell(entity, snapshot)
        return gone

    async def _from_file(self, path: str, snapshot: Snapshot, going: Going) -> int:
        try:
            return await leave_out(path, snapshot.schema, going, self._files)
        except Gone:
            if path in await sizes_of(snapshot.table, self._files):
                raise  # broken: who knows whose rows it has
            return 0

    async def _tell(self, entity: str, snapshot: Snapshot) -> None:
        manifest = await read_manifest(snapshot.table, self._files)
        if not await is_true(manifest, self._files):
            paths = [file.path for file in manifest.files]
            await write_manifest(snapshot.place, paths, self._files, is_new=False)
        known = await self._entities.get(entity)
        if known is not None and known.current is not None and known.current.table == snapshot.table:
            with suppress(NotFound):
                await tell_current(entity, self._entities, self._files)


def hidden_ids(column: "pa.ChunkedArray", erased: Erased) -> list[str]:
    """The customer ids in a column whose rows nobody sees."""
    return [customer_id for customer_id in column.unique().to_pylist() if erased.has(customer_id)]


def _of_customer(customer_id: str) -> Going:
    try:
        lookup = customer_id.encode()
    except UnicodeEncodeError:  # half of a surrogate pair: no file has such a text
        return Going(CUSTOMER_ID, lambda column: [], lambda statistics: False)

    def is_within(statistics: Any) -> bool:
        return bool(statistics.min.encode() <= lookup <= statistics.max.encode())

    return Going(CUSTOMER_ID, lambda column: [customer_id], is_within)
