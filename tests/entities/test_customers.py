"""A customer's rows across entities, one by one and a thousand at once."""

import asyncio
from typing import Any

import pytest

from shared.entities.customers import look_up, parse_lookup, read_customer
from shared.entities.rows import Page, SnapshotTable
from shared.errors import BadRequest, NotFound, PayloadTooLarge
from tests.entities.kept import NOW, Kept


async def looked_up(kept: Kept, **body: Any) -> list[tuple[str, dict[str, Any]]]:
    return [(found.customer_id, found.entities) for found in await look_up(parse_lookup(body), kept.data)]


async def test_a_customer_is_told_with_all_rows_as_the_data_plane_has_them() -> None:
    kept = Kept(page_size=1)
    await kept.publish("id,k,x\na,1,\na,2,0.5\nb,1,nan\n", primary="k")

    found = await read_customer("a", kept.data)

    rows = (await kept.get("Value", "$filter=CustomerId eq 'a'"))["value"]
    assert found.render()["customerId"] == "a"
    assert found.entities["Value"][:1] == rows[:1]
    assert [row["x"] for row in found.entities["Value"]] == [None, 0.5]


@pytest.mark.parametrize("customer", ["nobody", "", "a" * 600])
async def test_without_rows_a_customer_is_not_found_and_the_message_does_not_name_them(customer: str) -> None:
    kept = Kept()
    await kept.publish("id,n\na,1\n")

    with pytest.raises(NotFound) as raised:
        await read_customer(customer, kept.data)

    assert raised.value.message == "no entity has rows of this customer"


async def test_a_lookup_answers_in_the_order_asked_and_repeats_what_is_asked_twice() -> None:
    kept = Kept()
    await kept.publish("id,n\na,1\nb,2\n")

    found = await looked_up(kept, customerIds=["b", "nobody", "a", "b"])

    assert [customer for customer, _ in found] == ["b", "nobody", "a", "b"]
    assert [[row["n"] for row in entities.get("Value", [])] for _, entities in found] == [[2], [], [1], [2]]


async def test_a_lookup_has_nothing_of_an_erased_customer() -> None:
    kept = Kept()
    await kept.publish("id,n\na,1\nb,2\n")
    await kept.tombstones.set("a", NOW)

    assert dict(await looked_up(kept, customerIds=["a"])) == {"a": {}}
    with pytest.raises(NotFound):
        await read_customer("a", kept.data)


async def test_a_lookup_of_some_entities_and_properties() -> None:
    kept = Kept()
    await kept.publish("id,n,t\na,1,x\n")

    [(_, entities)] = await looked_up(kept, customerIds=["a"], entities=["value"], select=["N"])

    assert entities == {"Value": [{"n": 1}]}
    with pytest.raises(NotFound, match="Value"):
        await looked_up(kept, customerIds=["a"], entities=["Other"])
    with pytest.raises(BadRequest, match="'m'"):
        await looked_up(kept, customerIds=["a"], select=["n", "m"])


@pytest.mark.parametrize(
    "body",
    [{}, {"customerIds": "a"}, {"customerIds": [1]}, {"customerIds": [], "entities": []}, {"customerids": ["a"]}, []],
)
async def test_what_is_no_lookup_is_refused(body: object) -> None:
    with pytest.raises(BadRequest):
        parse_lookup(body)


def test_more_than_a_thousand_ids_are_too_many() -> None:
    assert len(parse_lookup({"customerIds": ["a"] * 1000}).customer_ids) == 1000
    with pytest.raises(PayloadTooLarge):
        parse_lookup({"customerIds": ["a"] * 1001})


async def test_a_thousand_customers_are_one_range_each_and_32_at_once() -> None:
    kept = Kept()
    await kept.publish("id,n\n" + "".join(f"c{number:04d},{number}\n" for number in range(20)))
    ids = [f"c{number:04d}" for number in range(1000)]
    ranges, under_way, most = 0, 0, 0

    class Counted:
        async def page(self, table: SnapshotTable, **asked: Any) -> Page:
            nonlocal ranges, under_way, most
            ranges, under_way = ranges + 1, under_way + 1
            most = max(most, under_way)
            assert asked["partition"] is not None
            assert asked["keys"] is not None
            await asyncio.sleep(0)
            under_way -= 1
            return Page([], None)

    kept.data.rows.page = Counted().page  # type: ignore[method-assign]
    found = await looked_up(kept, customerIds=ids)

    assert [customer for customer, _ in found] == ids
    assert (ranges, most) == (1000, 32)
