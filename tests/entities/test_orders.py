"""Orders over all rows, page by page: to the end, whatever their values, and beside an erasure."""

from typing import Any

import pytest

from shared.entities.erasure import erase_customer
from tests.entities.kept import Kept

LONG = "".join(chr(0x4E00 + number * 7919 % 20_000) for number in range(4_000))


async def paged(kept: Kept, query: str, size: int) -> list[dict[str, Any]]:
    return await rest(kept, await kept.get("Value", query, f"odata.maxpagesize={size}"))


async def rest(kept: Kept, page: dict[str, Any]) -> list[dict[str, Any]]:
    """The rows of this page and all that follow."""
    found: list[dict[str, Any]] = page["value"]
    while "@odata.nextLink" in page:
        assert len(page["@odata.nextLink"]) < 8_000
        page = await kept.get("Value", page["@odata.nextLink"].partition("?")[2])
        found += page["value"]
    return found


@pytest.mark.parametrize("long", [LONG, "a" * 300_000], ids=["long", "long and even"])
async def test_an_order_by_texts_too_long_for_a_link_is_paged_all_the_same(long: str) -> None:
    kept, texts = Kept(), ["short", *(f"{long}{number}" for number in range(3))]
    await kept.publish("id,t\n" + "".join(f"{number},{text}\n" for number, text in enumerate(texts)))

    found = await paged(kept, "$orderby=t desc&$select=t&$top=3", 1)

    assert [row["t"] for row in found] == sorted(texts, reverse=True)[:3]


@pytest.mark.parametrize("order", ["n,at desc", "n desc,at", "ok,n desc", "t desc,ok desc", "d,t"])
async def test_every_type_with_and_without_values_is_paged_to_the_end(order: str) -> None:
    kept = Kept()
    lines = [
        f"{number},{number % 3 or ''},{f'2026-01-0{number % 4}' if number % 4 else ''},"
        f"{('true', 'false', '')[number % 3]},{('x', 'ONeil', '')[number % 3]},{('nan', '-0.0', '0.0', '1.5', '')[number % 5]}"
        for number in range(40)
    ]
    await kept.publish("id,n,at,ok,t,d\n" + "\n".join(lines) + "\n")

    whole = await paged(kept, f"$orderby={order}", 1000)

    assert len(whole) == 40
    for size in (1, 7, 39):
        assert await paged(kept, f"$orderby={order}", size) == whole
    assert await paged(kept, f"$orderby={order}&$skip=5&$top=20", 6) == whole[5:25]


async def test_an_erasure_between_the_pages_of_an_order_loses_no_other_row() -> None:
    kept = Kept()
    await kept.publish("id,n\n" + "".join(f"c{number},{9 - number}\n" for number in range(10)))
    page = await kept.get("Value", "$orderby=n", "odata.maxpagesize=4")
    assert [row["n"] for row in page["value"]] == [0, 1, 2, 3]

    await erase_customer("c9", kept.stores, [kept.copies])
    await erase_customer("c5", kept.stores, [kept.copies])
    kept.later()

    assert [row["n"] for row in await rest(kept, page)] == [0, 1, 2, 3, 5, 6, 7, 8, 9]
