"""Asks an entity over HTTP, and follows the links to the last page."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from urllib.parse import quote

import httpx
from hypothesis import strategies as st

from shared.entities.schema import CUSTOMER_ID
from tests.odata.samples import CUSTOMERS, NAMES
from tests.support.filters import filters, literal

_LONGEST_FILTER = 2_000


@dataclass(frozen=True)
class Asked:
    filter: str | None = None
    orderby: tuple[tuple[str, bool], ...] = ()
    select: tuple[str, ...] | None = None
    top: int | None = None
    skip: int | None = None
    with_count: bool = False
    size: int = 1000
    """Rows of a page."""

    @property
    def query(self) -> str:
        options = {
            "$filter": self.filter,
            "$orderby": ",".join(f"{name} {'desc' if descends else 'asc'}" for name, descends in self.orderby) or None,
            "$select": None if self.select is None else ",".join(self.select),
            "$top": self.top,
            "$skip": self.skip,
            "$count": "true" if self.with_count else None,
        }
        given = {name: value for name, value in options.items() if value is not None}
        return "&".join(f"{name}={quote(str(value), safe='')}" for name, value in given.items())


@dataclass(frozen=True)
class Told:
    """What all pages say together."""

    rows: Sequence[Mapping[str, Any]]
    counts: Sequence[int | None]
    sizes: Sequence[int]


def ask(client: httpx.Client, entity: str, asked: Asked) -> Told:
    rows: list[Mapping[str, Any]] = []
    counts, sizes = [], []
    address = f"/api/data/{entity}?{asked.query}"
    while address:
        answer = client.get(address, headers={"Prefer": f"odata.maxpagesize={asked.size}"})
        assert answer.status_code == 200, answer.text
        page = answer.json()
        rows += page["value"]
        counts.append(page.get("@odata.count"))
        sizes.append(len(page["value"]))
        address = page.get("@odata.nextLink", "")
    return Told(rows, counts, sizes)


def count(client: httpx.Client, entity: str, filter: str | None) -> int:
    answer = client.get(f"/api/data/{entity}/$count?{Asked(filter).query}")
    assert answer.status_code == 200, answer.text
    return int(answer.text)


def told(row: Mapping[str, Any], names: Sequence[str]) -> dict[str, Any]:
    """A row as the answer has it: NaN and infinities are texts, and so are times."""
    return {name: _told(row[name]) for name in names}


def _told(value: Any) -> Any:
    match value:
        case float() if value != value:
            return "NaN"
        case float() if value in (float("inf"), float("-inf")):
            return "INF" if value > 0 else "-INF"
        case datetime():
            return value.isoformat().replace("+00:00", "Z")
    return value


_ORDERS = st.lists(st.tuples(st.sampled_from(NAMES), st.booleans()), max_size=3, unique_by=lambda order: order[0])
_SELECTS = st.none() | st.lists(st.sampled_from(NAMES), min_size=1, max_size=4, unique=True).map(tuple)
_IDS = st.lists(st.sampled_from((*CUSTOMERS, "nobody")), min_size=1, max_size=5)
_ID_NAMES = st.sampled_from([CUSTOMER_ID, "customerid", "id", "ID"])


def _own_filters() -> st.SearchStrategy[str]:
    """Of which the service's clock changes nothing."""
    return filters().filter(lambda text: "(now())" not in text and len(text) < _LONGEST_FILTER)


def _naming(name: str, ids: list[str], is_list: bool) -> str:
    if is_list:
        return f"{name} in ({', '.join(map(literal, ids))})"
    named = " or ".join(f"{name} eq {literal(each)}" for each in ids)
    return f"({named})" if len(ids) > 1 else named


_NAMING = st.builds(_naming, _ID_NAMES, _IDS, st.booleans())


def _asking(filter: st.SearchStrategy[str | None]) -> st.SearchStrategy[Asked]:
    some = st.none() | st.integers(0, 60)
    return st.builds(
        Asked, filter, _ORDERS.map(tuple), _SELECTS, some, some, st.booleans(), st.sampled_from([25, 60, 1000])
    )


def about_customers() -> st.SearchStrategy[Asked]:
    """Customers by name, with or without more."""
    more = st.tuples(_NAMING, _own_filters()).map(lambda both: f"{both[0]} and ({both[1]})")
    before = st.tuples(_own_filters(), _NAMING).map(lambda both: f"({both[0]}) and {both[1]}")
    return _asking(_NAMING | more | before)


def about_orders() -> st.SearchStrategy[Asked]:
    """All rows in an order, in many pages."""
    return st.builds(Asked, st.none() | _own_filters(), _ORDERS.filter(bool).map(tuple), size=st.sampled_from([11, 25]))


def about_all_rows() -> st.SearchStrategy[Asked]:
    return _asking(st.none() | _own_filters() | _own_filters() | _own_filters())
