"""What the routes of entities, customers, reader keys and the data plane answer."""

from typing import Any

from pydantic import Field

from shared.openapi.shapes import Shape


class Column(Shape):
    name: str
    source: str
    """Its name in the files."""
    type: str
    """`Edm.String`, …"""


class Snapshot(Shape):
    """One full generation of an entity, written by one run."""

    table: str
    """In the data account's Table storage."""
    parquet: str
    """Container and folder of the same rows as Parquet."""
    run: str
    rows: int
    rejected: int
    created_at: str
    published_at: str | None
    buckets: int
    """Partitions of the table."""
    columns: list[Column]
    primary_key: str
    customer_id: str


class Entity(Shape):
    name: str
    workflow: str
    pinned: bool
    """Rolled back: later runs are held until it is unpinned."""
    stale: bool
    """Published longer ago than the workflow's `maxAge`."""
    current: Snapshot | None
    snapshots: list[Snapshot]


class Entities(Shape):
    value: list[Entity]


class Rebuilt(Shape):
    entity: str
    snapshot: str
    rows: int
    """Gone through by this request."""
    next_link: str | None = None
    """Where to go on; absent when all is done."""


class Reject(Shape):
    file: str
    line: int | None
    reason: str
    """Without the row's values."""


class Rejects(Shape):
    snapshot: str
    run: str
    value: list[Reject]
    next_link: str | None = None


class CustomerRows(Shape):
    customer_id: str
    entities: dict[str, list[dict[str, Any]]]
    """The customer's rows by entity, without those that have none."""


class CustomersRows(Shape):
    value: list[CustomerRows]
    """In the order of the ids."""


class ReaderKey(Shape):
    """Opens the data plane, and nothing else."""

    name: str
    created_at: str
    created_by: str
    expires_at: str | None
    last_used_at: str | None
    """To the hour."""


class NewReaderKey(ReaderKey):
    key: str
    """Shown this once: only its digest is kept."""


class ReaderKeys(Shape):
    value: list[ReaderKey]


class Rows(Shape):
    """OData 4.0, JSON."""

    context: str | None = Field(None, alias="@odata.context")
    count: int | None = Field(None, alias="@odata.count")
    value: list[dict[str, Any]]
    next_link: str | None = Field(None, alias="@odata.nextLink")
