"""What is known of a customer? Their rows in every entity: one range of one partition each."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from pydantic import Field, StrictStr

from shared.documents import Document, read_document
from shared.entities.reading import DataStores, customer_rows
from shared.entities.snapshots import Snapshot, find_entity
from shared.errors import BadRequest, NotFound, PayloadTooLarge

MOST_CUSTOMERS = 1000
"""Of a lookup."""
_AT_ONCE = 32
"""Ranges that are read at once for one caller."""

type Rows = list[dict[str, Any]]


class Lookup(Document):
    """Whose rows are asked for; of all entities, and with all properties, where nothing else is said."""

    customer_ids: tuple[StrictStr, ...]
    entities: tuple[StrictStr, ...] | None = Field(None, min_length=1)
    select: tuple[StrictStr, ...] | None = Field(None, min_length=1)


def parse_lookup(body: object) -> Lookup:
    """Raises BadRequest, PayloadTooLarge."""
    lookup = read_document(Lookup, body, what="the body")
    if len(lookup.customer_ids) > MOST_CUSTOMERS:
        raise PayloadTooLarge(
            f"customerIds has {len(lookup.customer_ids)} ids, at most {MOST_CUSTOMERS} are taken: ask in several calls",
            target="customerIds",
        )
    return lookup


@dataclass(frozen=True, slots=True)
class CustomerRows:
    """A customer's rows by entity, without those that have none."""

    customer_id: str
    entities: dict[str, Rows]

    def render(self) -> dict[str, Any]:
        return {"customerId": self.customer_id, "entities": self.entities}


async def read_customer(customer_id: str, stores: DataStores) -> CustomerRows:
    """Raises NotFound where no entity has any; Gone, StorageUnavailable."""
    [found] = await look_up(parse_lookup({"customerIds": [customer_id]}), stores)
    if not found.entities:
        raise NotFound("no entity has rows of this customer", target="customerId")
    return found


async def look_up(lookup: Lookup, stores: DataStores) -> Sequence[CustomerRows]:
    """In the order asked. Raises NotFound (an entity), BadRequest (a property), Gone, StorageUnavailable."""
    snapshots = await _snapshots(lookup.entities, stores)
    chosen = {name: _chosen(snapshot, lookup.select) for name, snapshot in snapshots.items()}
    _check_select(lookup.select, chosen)
    turns = asyncio.Semaphore(_AT_ONCE)

    async def read(customer_id: str, name: str) -> Rows:
        async with turns:
            rows = await customer_rows(customer_id, snapshots[name], stores)
        properties = chosen[name]
        return rows if properties is None else [{name: row[name] for name in properties} for row in rows]

    async def of_customer(customer_id: str) -> CustomerRows:
        found = await asyncio.gather(*(read(customer_id, name) for name in snapshots))
        return CustomerRows(customer_id, {name: rows for name, rows in zip(snapshots, found, strict=True) if rows})

    distinct = dict.fromkeys(lookup.customer_ids)
    found = await asyncio.gather(*map(of_customer, distinct))
    by_id = {customer.customer_id: customer for customer in found}
    return [by_id[customer_id] for customer_id in lookup.customer_ids]


async def _snapshots(names: Sequence[str] | None, stores: DataStores) -> dict[str, Snapshot]:
    """What readers see of the entities, without those that nothing was published of."""
    if names is None:
        entities = await stores.entities.list()
    else:
        entities = [await find_entity(stores.entities, name) for name in names]
    return {entity.name: entity.current for entity in entities if entity.current is not None}


def _chosen(snapshot: Snapshot, select: Sequence[str] | None) -> list[str] | None:
    """The entity's properties among those asked for, None for all."""
    if select is None:
        return None
    wanted = {name.casefold() for name in select}
    return [name for name in snapshot.schema.properties if name.casefold() in wanted]


def _check_select(select: Sequence[str] | None, chosen: dict[str, list[str] | None]) -> None:
    """An entity need not have each property; one that none has is a mistake."""
    known = {name.casefold() for names in chosen.values() for name in names or ()}
    unknown = next((name for name in select or () if name.casefold() not in known), None)
    if unknown is not None and chosen:
        raise BadRequest(f"select: none of these entities has a property {unknown[:100]!r}", target="select")
