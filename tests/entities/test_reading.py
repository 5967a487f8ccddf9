"""Reading: pages that stay on their snapshot, rows by key, a customer's rows, counts."""

import base64
import hashlib
import zlib
from collections.abc import Iterable
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest

from shared.entities.csvscan import CutSize
from shared.entities.importing import ImportStores, import_part
from shared.entities.odata.requests import parse_request
from shared.entities.paging import Cursor
from shared.entities.parts import plan_import
from shared.entities.reading import Answer, DataStores, answer
from shared.entities.rows import SnapshotTable
from shared.entities.schema import Wanted
from shared.entities.snapshots import Snapshot, change_entity, claim_entity, give_up, publish_snapshot
from shared.errors import BadRequest, Gone, NotFound, NotSupported
from tests.entities.fakes import MemoryColumnar, MemoryEntities, MemoryLarge, MemoryOutput, MemoryRejects, MemoryRows

ROOT = "https://bridge.example/api/data"
NOW = datetime(2026, 11, 21, tzinfo=UTC)


class World:
    """An entity `Value` with what was published into it."""

    def __init__(self, page_size: int = 1000) -> None:
        self.rows = MemoryRows(page_size=page_size)
        self.entities = MemoryEntities()
        self.large = MemoryLarge()
        self.columnar = MemoryColumnar(self.rows)
        self.stores = DataStores(self.entities, self.rows, self.large)

    def with_columns(self) -> "World":
        self.stores = replace(self.stores, columnar=self.columnar)
        return self

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

    async def ask(self, path: str, query: str = "", **headers: str) -> Answer:
        return await answer(parse_request(path, query, **headers), self.stores, ROOT, NOW)

    async def get(self, path: str, query: str = "", **headers: str) -> Any:
        """The body; a count as a number."""
        found = await self.ask(path, query, **headers)
        return int(found.body) if "/$count" in path and isinstance(found.body, str) else found.body

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


@pytest.mark.parametrize("first", ["$top=7", "$top=7&$skip=0", "$skip=0", "$top=21&$count=true"])
async def test_who_goes_on_with_skip_gets_every_row_once(first: str) -> None:
    """The table's order is another one: by bucket."""
    world = (await World(page_size=5).publish(numbers(50))).with_columns()

    found = await world.ids(f"{first}&$select=id")
    while len(found) < 50:
        found += await world.ids(f"$top=9&$skip={len(found)}")

    assert found == sorted(found)
    assert len(set(found)) == 50


async def test_top_alone_needs_no_columnar_files() -> None:
    world = (await World(page_size=5).publish(numbers(50))).with_columns()
    world.columnar.is_missing = True

    assert len(await world.ids("$top=12")) == 12


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


async def test_a_page_of_a_snapshot_that_is_being_dropped_is_gone() -> None:
    world = await World(page_size=5).publish(numbers(20))
    page = await world.get("Value")
    await world.publish(numbers(20), "T2")
    await change_entity(world.entities, "Value", lambda entity: give_up(entity, ["T1", "T2"]))

    with pytest.raises(Gone, match="the snapshot of Value that this page belongs to has been dropped"):
        await world.follow(page)
    assert len(await world.ids()) == 20


async def test_a_page_goes_on_however_many_snapshots_were_published_since() -> None:
    world = await World(page_size=10).publish(numbers(25))
    page = await world.get("Value")
    snapshot = world.entities.snapshots[("value", "T1")]
    for number in range(100):
        await publish_snapshot(world.entities, "Value", replace(snapshot, table=f"U{number}"), NOW)

    assert len((await world.follow(page))["value"]) == 10


TIME = '"2026-11-21T00:00:00+00:00"'
TOKENS = [
    "",
    "x",
    "{}",
    '["T1"]',
    f'["T1","p",-1,10,null,{TIME},{{}}]',
    f'[1,"p",null,10,null,{TIME},{{}}]',
    f'["T1",null,null,10,null,{TIME},{{}}]',
    f'["T1","p",true,10,null,{TIME},{{}}]',
    f'["T1","p",null,0,null,{TIME},{{}}]',
    f'["T1","p",null,5001,null,{TIME},{{}}]',
    f'["T1","p",null,10,"1",{TIME},{{}}]',
    f'["T1","p",null,10,null,{TIME},{{"top":"1"}}]',
    f'["T1","p",null,10,null,{TIME},{{"filter":1}}]',
    '["T1","p",null,10,null,"2026-11-21T00:00:00",{}]',
    '["T1","p",null,10,null,"x",{}]',
    f'["T1",["x",1,1],null,10,null,{TIME},{{"orderby":"id"}}]',
    f'["T1",[["x"],1],null,10,null,{TIME},{{"orderby":"id"}}]',
    f'["T1",[["x"],-1,1],null,10,null,{TIME},{{"orderby":"id"}}]',
    f'["T1",[["x"],1,null],null,10,null,{TIME},{{"orderby":"id"}}]',
    f'["T1",[["x"],1,1],null,10,null,{TIME},{{}}]',
    f'["T1",[[],1,1],null,10,null,{TIME},{{}}]',
    f'["T1",[[],1,1],null,10,null,{TIME},{{"orderby":"id"}}]',
    f'["T1",[["x","y"],1,1],null,10,null,{TIME},{{"orderby":"id"}}]',
    f'["T1",[["\\ud800"],1,1],null,10,null,{TIME},{{"orderby":"id"}}]',
    f'["T1",[["x"],1,1],null,10,null,{TIME},{{"orderby":"n"}}]',
    f'["T1",[[{2**31}],1,1],null,10,null,{TIME},{{"orderby":"n"}}]',
    f'["T1",[[true],1,1],null,10,null,{TIME},{{"orderby":"n"}}]',
    f'["T1",[[[{TIME}]],1,1],null,10,null,{TIME},{{"orderby":"n"}}]',
    f'["T1",[[["x"]],1,1],null,10,null,{TIME},{{"orderby":"n"}}]',
    f'["T1",[[{{}}],1,1],null,10,null,{TIME},{{"orderby":"n"}}]',
    "[" * 5000,
    "[" + "1," * 500_000 + "1]",
]


@pytest.mark.parametrize("members", TOKENS)
async def test_a_token_we_did_not_give_out_is_refused(members: str) -> None:
    world = await World().publish(numbers(1))
    token = base64.urlsafe_b64encode(zlib.compress(members.encode())).decode().rstrip("=")

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
        token = Cursor(table, "p", None, 10, None, NOW).text()
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
        ("Value", "$filter=n eq 1", NotSupported, "only CustomerId eq"),
        ("Value", "$filter=n eq '1'", BadRequest, "position 5: n is Edm.Int32 and is not compared with '1'"),
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


async def test_a_large_value_that_went_with_its_snapshot_is_gone_and_not_null() -> None:
    world = await World().publish(f"id,text\na,{'x' * 40_000}\n")
    world.large.values.clear()

    for path in ("Value", "Value('a')"):
        with pytest.raises(Gone):
            await world.get(path)


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


ORDERS = "id,o,n,x\n" + "".join(
    f"{customer},{order},{number},{'' if number % 3 == 0 else number / 2}\n"
    for number, (customer, order) in enumerate((c, o) for c in ("a", "b", "c") for o in "xyz")
)


async def orders() -> World:
    """Three customers with three orders each: `n` from 0 to 8, `x` half of it, or null."""
    return await World().publish(ORDERS, primary="o")


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("$filter=CustomerId in ('c','a')", [0, 1, 2, 6, 7, 8]),
        ("$filter=CustomerId eq 'a' or CustomerId eq 'b'&$skip=2&$top=2", [2, 3]),
        ("$filter=CustomerId eq 'a' and n gt 0", [1, 2]),
        ("$filter=n gt 0 and (id in ('a','b') and x ne null)", [1, 2, 4, 5]),
        ("$filter=CustomerId eq 'a'&$orderby=n desc", [2, 1, 0]),
        ("$filter=CustomerId in ('a','b')&$orderby=x,o desc", [0, 3, 1, 2, 4, 5]),
        ("$filter=CustomerId in ('a','b')&$orderby=x desc&$top=3&$skip=1", [4, 2, 1]),
        ("$filter=CustomerId eq 'a' and CustomerId eq 'b'", []),
        ("$filter=CustomerId eq null", []),
        ("$filter=CustomerId in ('a','b')&$top=0", []),
    ],
)
@pytest.mark.parametrize("size", ["1", "2", "1000"])
async def test_customers_rows_are_filtered_and_sorted_over_pages(query: str, expected: list[int], size: str) -> None:
    world = await orders()

    page = await world.get("Value", f"{query}&$select=n", prefer=f"odata.maxpagesize={size}")
    found = page["value"]
    while "@odata.nextLink" in page:
        page = await world.follow(page)
        found += page["value"]

    assert found == [{"n": number} for number in expected]


async def test_a_count_is_of_all_that_match_on_every_page() -> None:
    world = await orders()
    query = "$filter=CustomerId in ('a','b') and n gt 0&$count=true&$top=3"

    page = await world.get("Value", query, prefer="maxpagesize=2")
    second = await world.follow(page)

    assert [(each["@odata.count"], len(each["value"])) for each in (page, second)] == [(5, 2), (5, 1)]
    assert "@odata.nextLink" not in second
    assert (await world.get("Value", "$count=true&$top=0"))["@odata.count"] == 9
    assert await world.get("Value/$count", "$filter=CustomerId in ('a','b') and n gt 0") == 5


@pytest.mark.parametrize(
    ("query", "target"), [("$filter=n gt 5", "$filter"), ("$orderby=n", "$orderby"), ("$skip=1", "$skip")]
)
async def test_what_needs_all_rows_needs_columnar_files(query: str, target: str) -> None:
    world = await orders()

    with pytest.raises(NotSupported) as raised:
        await world.get("Value", query)
    assert raised.value.target == target
    assert (await world.with_columns().get("Value", query))["value"]


async def test_a_columnar_query_is_asked_for_no_more_than_needed_page_after_page() -> None:
    world = (await orders()).with_columns()

    page = await world.get(
        "Value", "$filter=n ge 1&$select=n&$orderby=n desc&$skip=1&$top=5&$count=true", prefer="maxpagesize=3"
    )
    second = await world.follow(page)

    assert [row["n"] for row in (*page["value"], *second["value"])] == [7, 6, 5, 4, 3]
    assert (page["@odata.count"], second["@odata.count"], "@odata.nextLink" in second) == (8, 8, False)
    seen = [(plan.start, plan.skip, plan.size, plan.with_count, plan.select) for plan in world.columnar.plans]
    assert seen == [(0, 1, 3, True, ("n",)), (4, 0, 2, False, ("n",))]
    assert await world.get("Value/$count", "$filter=n ge 1") == 8


async def test_too_many_customers_for_single_reads_are_a_columnar_query() -> None:
    world = (await orders()).with_columns()
    ids = ",".join(f"'{number}'" for number in range(1001))

    found = await world.get("Value/$query", body=f"$filter=CustomerId in ({ids},'a')")

    assert len(found["value"]) == 3
    assert len(world.columnar.plans) == 1


async def test_a_filter_too_long_for_a_link_is_refused_where_a_link_is_needed() -> None:
    world = await orders()
    ids = ",".join(f"'{hashlib.sha256(bytes([number % 256, number // 256])).hexdigest()}'" for number in range(900))
    body = f"$filter=CustomerId in ({ids},'a')"

    assert len((await world.get("Value/$query", body=body))["value"]) == 3
    with pytest.raises(BadRequest, match="too long for their links"):
        await world.get("Value/$query", body=body, prefer="maxpagesize=1")


async def test_every_page_of_a_query_has_the_same_now() -> None:
    world = await orders()
    query = parse_request(
        "Value", "$filter=CustomerId in ('a','b') and now() eq 2026-11-21T00:00:00Z", prefer="maxpagesize=4"
    )
    body: Any = (await answer(query, world.stores, ROOT, NOW)).body

    link = parse_request("Value", body["@odata.nextLink"].partition("?")[2])
    later: Any = (await answer(link, world.stores, ROOT, datetime(2027, 1, 1, tzinfo=UTC))).body

    assert len(later["value"]) == 2


async def test_large_values_are_filtered_like_any() -> None:
    long = "x" * 50_000 + "end"
    world = await World().publish(f"id,a,b\n1,x,{long}\n2,x,y\n")

    page = await world.get("Value", "$filter=CustomerId in ('1','2') and endswith(b,'end')&$select=id")

    assert page["value"] == [{"id": "1"}]


async def test_a_row_by_its_key_with_fewer_properties() -> None:
    world = await World().publish(numbers(3))

    assert await world.get("Value('c00001')", "$select=N") == {
        "@odata.context": f"{ROOT}/$metadata#Value(n)/$entity",
        "n": 1,
    }
    assert await world.get("Value('c00001')", "$select=n&$format=csv") == "n\r\n1\r\n"


async def test_a_larger_page_is_filled_up() -> None:
    world = await World().publish(numbers(2100))

    assert len((await world.get("Value", prefer="odata.maxpagesize=2050"))["value"]) == 2050


async def test_options_beside_a_token_are_refused() -> None:
    world = await World(page_size=10).publish(numbers(25))
    link = (await world.get("Value"))["@odata.nextLink"].partition("?")[2]

    with pytest.raises(BadRequest, match="follow the link"):
        await world.get("Value", f"{link}&$filter=n eq 1")


async def test_a_page_in_csv_leads_to_csv() -> None:
    world = await World().publish(numbers(3))

    first = await world.ask("Value", "$format=csv&$select=n", prefer="maxpagesize=2")
    second = await world.ask("Value", first.headers["Link"].partition("?")[2].partition(">")[0])

    assert first.headers["Preference-Applied"] == "odata.maxpagesize=2"
    assert second.content_type == first.content_type == "text/csv;charset=utf-8;header=present"
    assert isinstance(first.body, str)
    assert isinstance(second.body, str)
    assert sorted((first.body + second.body).split()) == ["0", "1", "2", "n", "n"]


async def test_metadata_and_service_name_what_has_rows() -> None:
    world = await World().publish(numbers(1))
    await claim_entity(world.entities, "Bare", "w")

    service, metadata = await world.get(""), await world.get("$metadata")

    assert service == {
        "@odata.context": f"{ROOT}/$metadata",
        "value": [{"name": "Value", "kind": "EntitySet", "url": "Value"}],
    }
    assert 'Name="Value"' in metadata
    assert "Bare" not in metadata


@pytest.mark.parametrize("in_memory", [2, 1000])
@pytest.mark.parametrize("keys", [range(30, 0, -1), "\ue000\U0001f642z\uffee\U00010000"])
async def test_a_customers_rows_come_in_one_order_however_many_and_however_asked(
    in_memory: int, keys: Iterable[object]
) -> None:
    lines = [f"k{key},a,{number}" for number, key in enumerate(keys)]
    world = (await World(page_size=4).publish("\n".join(["o,id,n", *lines]), primary="o")).with_columns()
    world.stores = replace(world.stores, in_memory=in_memory)
    mine = "$filter=CustomerId eq 'a'&$select=o"

    async def orders(query: str) -> list[str]:
        page = await world.get("Value", f"{mine}{query}", prefer="odata.maxpagesize=3")
        found = [row["o"] for row in page["value"]]
        while "@odata.nextLink" in page:
            page = await world.follow(page)
            assert page.get("@odata.count") == (len(lines) if "count" in query else None)
            found += [row["o"] for row in page["value"]]
        return found

    every = await orders("")
    assert sorted(every) == sorted(line.partition(",")[0] for line in lines)
    assert await orders("&$count=true") == every
    assert await orders("&$skip=2") == every[2:]
    assert await orders("&$skip=1&$top=4&$count=true") == every[1:5]
    assert await orders("&$skip=99") == []


async def test_a_customer_with_more_rows_than_memory_takes_is_counted_and_paged_all_the_same() -> None:
    world = await World().publish(ORDERS, primary="o")
    world.stores = replace(world.stores, in_memory=2)
    mine = "$filter=CustomerId eq 'a'"

    assert await world.get("Value/$count", mine) == 3
    assert len((await world.get("Value", mine))["value"]) == 3
    with pytest.raises(NotSupported, match="2 rows"):
        await world.get("Value", f"{mine}&$orderby=o")
    assert len((await world.with_columns().get("Value", f"{mine}&$orderby=o"))["value"]) == 3
