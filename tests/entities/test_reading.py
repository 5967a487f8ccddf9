"""Reading: pages that stay on their snapshot, rows by key, a customer's rows, counts."""

import base64
import json
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest

from shared.entities.csvscan import CutSize
from shared.entities.importing import ImportStores, import_part
from shared.entities.odata import parse_request
from shared.entities.parts import plan_import
from shared.entities.reading import DataStores, answer
from shared.entities.rows import SnapshotTable
from shared.entities.schema import Wanted
from shared.entities.snapshots import Snapshot, claim_entity, publish_snapshot
from shared.errors import BadRequest, Gone, NotFound, NotSupported
from tests.entities.fakes import MemoryEntities, MemoryLarge, MemoryOutput, MemoryRejects, MemoryRows

ROOT = "https://bridge.example/api/data"
NOW = datetime(2026, 11, 21, tzinfo=UTC)


class World:
    """An entity `Value` with what was published into it."""

    def __init__(self, page_size: int = 1000) -> None:
        self.rows = MemoryRows(page_size=page_size)
        self.entities = MemoryEntities()
        self.large = MemoryLarge()
        self.stores = DataStores(self.entities, self.rows, self.large)

    async def publish(self, text: str, table: str = "T1", primary: str = "id") -> "World":
        stores = ImportStores(MemoryOutput({"out.csv": text.encode()}), self.rows, MemoryRejects(), self.large)
        plan = await plan_import(stores.output, "out.csv", Wanted(primary, "id", {}), CutSize(records=100))
        place = SnapshotTable(table, plan.schema, 4)
        await self.rows.create(place)
        for part in plan.parts:
            await import_part(part, plan, place, stores)
        await claim_entity(self.entities, "Value", "w")
        snapshot = Snapshot(table, "r", plan.schema, 4, plan.records, 0, NOW)
        await publish_snapshot(self.entities, "Value", snapshot, NOW)
        return self

    async def get(self, path: str, query: str = "") -> Any:
        return await answer(parse_request(path, query), self.stores, ROOT)

    async def follow(self, page: dict[str, Any]) -> Any:
        link = page["@odata.nextLink"]
        assert link.startswith(f"{ROOT}/Value?")
        return await self.get("Value", link.partition("?")[2])

    async def ids(self, query: str = "") -> list[str]:
        page = await self.get("Value", query)
        found = [row["id"] for row in page["value"]]
        while "@odata.nextLink" in page:
            page = await self.follow(page)
            found += [row["id"] for row in page["value"]]
        return found


def numbers(count: int, start: int = 0) -> str:
    return "id,n\n" + "".join(f"c{number:05d},{number}\n" for number in range(start, start + count))


@pytest.mark.parametrize("page_size", [1000, 7, 1])
async def test_pages_hold_every_row_once(page_size: int) -> None:
    world = await World(page_size).publish(numbers(50))

    found = await world.ids()

    assert sorted(found) == [f"c{number:05d}" for number in range(50)]


async def test_a_page_has_at_most_a_thousand_rows() -> None:
    world = await World().publish(numbers(2100))

    page = await world.get("Value")

    assert len(page["value"]) == 1000
    assert len(await world.ids()) == 2100


@pytest.mark.parametrize("top", [0, 1, 5, 6, 50, 99])
async def test_top_holds_over_pages(top: int) -> None:
    world = await World(page_size=5).publish(numbers(50))

    assert len(await world.ids(f"$top={top}")) == min(top, 50)


async def test_a_reader_who_pages_stays_on_the_snapshot_it_began_on() -> None:
    world = await World(page_size=10).publish(numbers(25))
    page = await world.get("Value")
    await world.publish(numbers(25, 1000), "T2")

    second = await world.follow(page)

    assert all(row["n"] < 1000 for row in second["value"])
    assert all(row["n"] >= 1000 for row in (await world.get("Value"))["value"])


@pytest.mark.parametrize("is_row_left", [True, False])
async def test_a_page_of_a_dropped_snapshot_is_gone(is_row_left: bool) -> None:
    world = await World(page_size=10).publish(numbers(25))
    page = await world.get("Value")
    await world.publish(numbers(25), "T2")
    await world.rows.drop("T1")
    if not is_row_left:
        await world.entities.delete_snapshot("Value", "T1")

    with pytest.raises(Gone):
        await world.follow(page)


TOKENS = [
    "",
    "x",
    "{}",
    "[]",
    '["T1"]',
    '["T1",null,-1,null]',
    '["T1",5,null,null]',
    "[1,null,null,null]",
    '["T1",null,true,null]',
]


@pytest.mark.parametrize("members", TOKENS)
async def test_a_token_we_did_not_give_out_is_refused(members: str) -> None:
    world = await World().publish(numbers(1))
    token = base64.urlsafe_b64encode(members.encode()).decode().rstrip("=")

    with pytest.raises(BadRequest, match="skiptoken"):
        await world.get("Value", f"$skiptoken={token}")
    with pytest.raises(BadRequest, match="skiptoken"):
        await world.get("Value", "$skiptoken=ü!")


async def test_a_token_opens_no_other_table_and_nothing_unpublished() -> None:
    world = await World().publish(numbers(1))
    snapshot = world.entities.snapshots[("value", "T1")]
    await world.entities.save_snapshot("Value", replace(snapshot, table="T2", published_at=None))
    await world.rows.create(SnapshotTable("T2", snapshot.schema, 4))

    for table in ("bridgesecrets", "T2"):
        token = base64.urlsafe_b64encode(json.dumps([table, None, None, None]).encode()).decode().rstrip("=")
        with pytest.raises(Gone):
            await world.get("Value", f"$skiptoken={token}")


async def test_one_customers_rows_are_found_among_all() -> None:
    text = "id,o\n" + "".join(f"{customer},{order}\n" for customer in ("a", "ab", "a|", "a b", "b") for order in "xyz")
    world = await World(page_size=2).publish(text, primary="o")

    for customer in ("a", "ab", "a|", "a b"):
        page = await world.get("Value", f"$filter=customerid eq '{customer}'")
        rows = page["value"] + ((await world.follow(page))["value"] if "@odata.nextLink" in page else [])
        assert [(row["CustomerId"], row["o"]) for row in rows] == [(customer, order) for order in "xyz"]
        assert await world.get("Value/$count", f"$filter=id eq '{customer}'") == 3


async def test_a_customer_without_rows_is_an_empty_collection() -> None:
    world = await World().publish(numbers(3))

    page = await world.get("Value", "$filter=CustomerId eq 'nobody'")

    assert page == {"@odata.context": f"{ROOT}/$metadata#Value", "value": []}


async def test_counts() -> None:
    world = await World().publish(numbers(30))

    assert await world.get("value/$count") == 30
    assert await world.get("Value/$count", "$filter=CustomerId eq 'c00001'") == 1
    assert await world.get("Value/$count", "$filter=CustomerId eq 'x'") == 0


async def test_a_row_by_its_key() -> None:
    world = await World().publish(numbers(3))

    row = {"@odata.context": f"{ROOT}/$metadata#Value/$entity", "CustomerId": "c00001", "id": "c00001", "n": 1}
    assert await world.get("Value('c00001')") == row
    assert await world.get("Value(ID='c00001')") == row
    assert await world.get("Value(customerid='c00001')") == row


async def test_a_row_by_its_two_keys() -> None:
    world = await World().publish("id,o,n\na,x,1\na,y,2\n", primary="o")

    assert (await world.get("Value(CustomerId='a',o='y')"))["n"] == 2
    assert (await world.get("Value(o='x',id='a')"))["n"] == 1
    for path in ("Value('a')", "Value(o='x')", "Value(o='x',n='1')"):
        with pytest.raises(BadRequest, match=r"the key is \(CustomerId='…',o='…'\)"):
            await world.get(path)


@pytest.mark.parametrize(
    ("path", "query", "error", "message"),
    [
        ("Value('x')", "", NotFound, "has no row with this key"),
        (f"Value('{'x' * 600}')", "", NotFound, "has no row with this key"),
        ("Value(n='1')", "", BadRequest, "the key is"),
        ("Other", "", NotFound, "there are: Value"),
        ("Value('x')", "$top=1", NotSupported, "takes no query options"),
        ("Value", "$filter=n eq '1'", NotSupported, "only CustomerId eq"),
        ("Value", "$filter=m eq '1'", BadRequest, "there is no property 'm'; there are: CustomerId, id, n"),
    ],
)
async def test_what_is_not_there(path: str, query: str, error: type[Exception], message: str) -> None:
    world = await World().publish(numbers(3))

    with pytest.raises(error, match=message):
        await world.get(path, query)


async def test_an_entity_before_its_first_publish_says_so() -> None:
    world = World()
    await claim_entity(world.entities, "Value", "w")

    with pytest.raises(NotFound, match="no run of its workflow has been published"):
        await world.get("Value")


async def test_large_values_come_back_whole() -> None:
    long = "ü" * 50_000
    world = await World().publish(f"id,a,b\n1,x,{long}\n")

    assert (await world.get("Value('1')"))["b"] == long


async def test_values_as_odata_writes_them() -> None:
    text = "id,d,i,t,b,e\n1,nan,9007199254740993,2026-01-02T03:04:05.678+01:00,true,\n2,inf,1,,,\n3,-inf,1,,,\n"
    world = await World().publish(text)

    assert await world.get("Value('1')") == {
        "@odata.context": f"{ROOT}/$metadata#Value/$entity",
        "CustomerId": "1",
        "id": "1",
        "d": "NaN",
        "i": 9007199254740993,
        "t": "2026-01-02T02:04:05.678000Z",
        "b": True,
        "e": None,
    }
    assert [(await world.get(f"Value('{key}')"))["d"] for key in "23"] == ["INF", "-INF"]
