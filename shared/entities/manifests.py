"""Where does a snapshot's Parquet lie, and what does it hold? Two JSON files say it: one beside each snapshot, and one
an entity at a path that stays, of the snapshot that readers see."""

import json
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from shared.entities.files import SnapshotFiles, current_path, manifest_path
from shared.entities.schema import CUSTOMER_ID, Column, Schema
from shared.entities.snapshots import (
    FEWEST_BUCKETS,
    Entity,
    EntityStore,
    Snapshot,
    created_at_of,
    enough_buckets,
    find_entity,
)
from shared.entities.values import EdmType
from shared.errors import Gone
from shared.times import rfc3339
from shared.versions import check_version
from shared.wire import json_bytes

VERSION = 1


@dataclass(frozen=True, slots=True)
class ManifestFile:
    """A Parquet file of a snapshot."""

    path: str
    rows: int
    size: int
    """Bytes."""
    groups: tuple[int, ...]
    """Rows of each row group."""


@dataclass(frozen=True, slots=True)
class ColumnProfile:
    """What a property holds, over all rows."""

    name: str
    type: str
    nulls: int
    lowest: str | int | float | bool | None
    """None where there is no value, or none short enough to be told; times as RFC 3339."""
    highest: str | int | float | bool | None


@dataclass(frozen=True, slots=True)
class Manifest:
    """A snapshot's files in the order of its parts, and so of its rows' origins."""

    table: str
    files: tuple[ManifestFile, ...]
    columns: tuple[ColumnProfile, ...]

    @property
    def rows(self) -> int:
        return sum(file.rows for file in self.files)

    def document(self) -> dict[str, Any]:
        return {
            "v": VERSION,
            "table": self.table,
            "rows": self.rows,
            "files": [{**_listed(file), "groups": list(file.groups)} for file in self.files],
            "columns": [
                {
                    "name": column.name,
                    "type": column.type,
                    "nulls": column.nulls,
                    "min": column.lowest,
                    "max": column.highest,
                }
                for column in self.columns
            ],
        }


def parse_manifest(document: Mapping[str, Any]) -> Manifest:
    """Raises NewerVersion, OlderVersion."""
    check_version(document.get("v"), VERSION, "the manifest of a snapshot")
    files = tuple(
        ManifestFile(file["path"], file["rows"], file["bytes"], tuple(file["groups"])) for file in document["files"]
    )
    columns = tuple(
        ColumnProfile(column["name"], column["type"], column["nulls"], column["min"], column["max"])
        for column in document["columns"]
    )
    return Manifest(document["table"], files, columns)


async def read_manifest(table: str, files: SnapshotFiles) -> Manifest:
    """Raises Gone, StorageUnavailable."""
    data = await files.get(manifest_path(table))
    if data is None:
        raise Gone(f"the snapshot {table} has no Parquet files: it was dropped, or imported before there were any")
    return parse_manifest(json.loads(data))


async def tell_current(name: str, entities: EntityStore, files: SnapshotFiles) -> None:
    """Write the manifest of what readers see. To be called after each move of the pointer; may be repeated, and run
    beside others: the last to write has seen the last move. Raises NotFound, StorageUnavailable."""
    path = current_path(name)
    while True:
        upload = await files.begin(path)
        entity = await find_entity(entities, name)
        if entity.current is None:
            return
        found = await files.get(manifest_path(entity.current.table))
        if found is None:
            await files.drop(path)
            return
        data = json_bytes(_current(entity, entity.current, parse_manifest(json.loads(found))))
        if await files.get(path) == data:
            return
        await upload.add(data)
        if await upload.commit():
            return


@dataclass(frozen=True, slots=True)
class Current:
    """What the manifest of what readers see tells."""

    entity: str
    workflow: str
    """Empty where a former release wrote it."""
    snapshot: Snapshot
    """As far as readers see it: nothing of it counts as erased."""
    files: tuple[str, ...]
    """Paths, in the order of the rows."""


def parse_current(document: Mapping[str, Any]) -> Current:
    """The manifest at `current_path`. Raises KeyError, ValueError for what is none."""
    table, rows = str(document["snapshot"]), int(document["rows"])
    published_at = document["publishedAt"] and datetime.fromisoformat(document["publishedAt"])
    created_at = document.get("createdAt")
    snapshot = Snapshot(
        table=table,
        run=document["run"],
        schema=_schema(document),
        buckets=document.get("buckets") or enough_buckets(FEWEST_BUCKETS, rows),
        rows=rows,
        rejected=document.get("rejected", 0),
        created_at=datetime.fromisoformat(created_at) if created_at else created_at_of(table),
        published_at=published_at,
    )
    files = tuple(file["path"] for file in document["files"])
    return Current(document["entity"], document.get("workflow", ""), snapshot, files)


def _schema(document: Mapping[str, Any]) -> Schema:
    """CustomerId stands first, and is a column of the files only where that is the customer id's own name."""
    times: Counter[str] = Counter()
    columns = []
    for column in document["columns"]:
        if column["name"] == CUSTOMER_ID and document["customerId"] != CUSTOMER_ID:
            continue
        times[column["source"]] += 1
        columns.append(Column(column["name"], column["source"], times[column["source"]], EdmType(column["type"])))
    return Schema(tuple(columns), document["primaryKey"], document["customerId"])


def _current(entity: Entity, snapshot: Snapshot, manifest: Manifest) -> dict[str, Any]:
    at = snapshot.published_at
    return {
        "v": VERSION,
        "entity": entity.name,
        "workflow": entity.workflow,
        "snapshot": snapshot.table,
        "run": snapshot.run,
        "createdAt": rfc3339(snapshot.created_at),
        "publishedAt": None if at is None else rfc3339(at),
        "rejected": snapshot.rejected,
        "rows": manifest.rows,
        "buckets": snapshot.buckets,
        "columns": _columns(snapshot.schema),
        "primaryKey": snapshot.schema.primary_key,
        "customerId": snapshot.schema.customer_id,
        "files": [_listed(file) for file in manifest.files],
    }


def _columns(schema: Schema) -> list[dict[str, str]]:
    sources = {column.name: column.source for column in schema.columns}
    sources.setdefault(CUSTOMER_ID, sources[schema.customer_id])
    return [{"name": name, "type": kind.value, "source": sources[name]} for name, kind in schema.properties.items()]


def _listed(file: ManifestFile) -> dict[str, Any]:
    return {"path": file.path, "rows": file.rows, "bytes": file.size}
