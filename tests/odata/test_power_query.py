"""The requests of Power Query, one after the other, as Excel and Power BI send them: probe, sign-in, metadata, rows.

Sent with a plain HTTP client, header for header; what is folded into a query is what its table functions fold.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any
from xml.etree import ElementTree

import httpx
import pytest

from tests.odata.conftest import Guarded
from tests.odata.orders import ENTITY, ROWS, as_told, orders

MINIMAL = "application/json;odata.metadata=minimal"
PROBE = (
    f"{MINIMAL};q=1.0,application/json;odata=minimalmetadata;q=0.9,application/atomsvc+xml;q=0.8,"
    "application/atom+xml;q=0.8,application/xml;q=0.7,text/plain;q=0.7"
)
HEADERS = {
    "MaxDataServiceVersion": "3.0",
    "OData-MaxVersion": "4.0",
    "User-Agent": "Microsoft.Data.Mashup (https://go.microsoft.com/fwlink/?LinkID=304225)",
    "Accept-Encoding": "gzip, deflate",
}
EDM = "{http://docs.oasis-open.org/odata/ns/edm}"
EXPECTED = [as_told(order) for order in orders()]
type Row = dict[str, Any]


@dataclass(frozen=True)
class Folded:
    """A step in the editor, and what becomes of it."""

    query: dict[str, str]
    keeps: Callable[[Row], bool] = lambda row: True
    order: Callable[[Row], Any] | None = None
    top: int | None = None
    columns: tuple[str, ...] = field(default=tuple(EXPECTED[0]))

    def rows(self) -> list[Row]:
        found = [row for row in EXPECTED if self.keeps(row)]
        found = found if self.order is None else sorted(found, key=self.order)
        return [{name: row[name] for name in self.columns} for row in found[: self.top]]


FOLDED = {
    "the preview": Folded({"$top": "1000", "$orderby": "CustomerId,order"}, top=1000),
    "a text chosen": Folded({"$filter": "name eq 'O''Neil'"}, lambda row: row["name"] == "O'Neil"),
    "a number chosen, of columns kept": Folded(
        {"$filter": "pieces ge 100 and pieces lt 2200", "$select": "CustomerId,order,pieces"},
        lambda row: row["pieces"] is not None and 100 <= row["pieces"] < 2200,
        columns=("CustomerId", "order", "pieces"),
    ),
    "a time chosen": Folded(
        {"$filter": "at ge 2026-03-01T00:00:00Z and at lt 2026-03-02T00:00:00Z"},
        lambda row: (row["at"] or "").startswith("2026-03-01"),
    ),
    "what is not empty, sorted": Folded(
        {"$filter": "score ne null", "$orderby": "score desc", "$top": "1500"},
        lambda row: row["score"] is not None,
        lambda row: -row["score"],
        1500,
    ),
    "a part of a text": Folded({"$filter": "contains(name,'yes')"}, lambda row: "yes" in (row["name"] or "")),
    "one of several": Folded(
        {"$filter": "CustomerId eq 'c''0003' or CustomerId eq 'c''0004'"},
        lambda row: row["CustomerId"] in ("c'0003", "c'0004"),
    ),
}


@pytest.fixture(scope="module")
def signed_in(guarded: Guarded) -> Iterator[httpx.Client]:
    with httpx.Client(headers=HEADERS, auth=("reader", guarded.key), timeout=60) as client:
        yield client


def followed(client: httpx.Client, address: str, query: dict[str, str]) -> list[Row]:
    """The rows of a page and of those behind it; every request is signed in anew."""
    answer = client.get(address, params=query, headers={"Accept": MINIMAL})
    rows = list(rows_of(answer))
    while link := answer.json().get("@odata.nextLink"):
        answer = client.get(link, headers={"Accept": MINIMAL})
        rows += rows_of(answer)
    return rows


def rows_of(answer: httpx.Response) -> list[Row]:
    assert answer.status_code == 200, answer.text
    assert answer.headers["OData-Version"] == "4.0"
    assert answer.headers["Content-Type"].startswith(MINIMAL)
    rows: list[Row] = answer.json()["value"]
    return rows


def test_it_is_asked_to_sign_in_with_basic_first(guarded: Guarded) -> None:
    with httpx.Client(headers=HEADERS) as stranger:
        answers = [stranger.get(f"{guarded.root}{path}", headers={"Accept": PROBE}) for path in ("", "/$metadata")]

    for answer in answers:
        assert answer.status_code == 401
        assert answer.headers["WWW-Authenticate"].startswith("Basic realm=")
        assert answer.headers["OData-Version"] == "4.0"


@pytest.mark.parametrize("accept", [PROBE, MINIMAL])
@pytest.mark.parametrize("slash", ["", "/"])
def test_the_navigator_lists_the_entities(signed_in: httpx.Client, guarded: Guarded, accept: str, slash: str) -> None:
    answer = signed_in.get(f"{guarded.root}{slash}", headers={"Accept": accept})

    assert {"name": ENTITY, "kind": "EntitySet", "url": ENTITY} in rows_of(answer)
    assert answer.json()["@odata.context"] == f"{guarded.root}/$metadata"


@pytest.mark.parametrize("accept", [PROBE, MINIMAL, "application/xml"])
def test_the_metadata_types_every_column(signed_in: httpx.Client, guarded: Guarded, accept: str) -> None:
    answer = signed_in.get(f"{guarded.root}/$metadata", headers={"Accept": accept})

    assert answer.headers["Content-Type"].startswith("application/xml")
    kind = ElementTree.fromstring(answer.content).find(f".//{EDM}EntityType[@Name='{ENTITY}']")
    assert kind is not None
    assert [key.get("Name") for key in kind.iter(f"{EDM}PropertyRef")] == ["CustomerId", "order"]
    assert {each.get("Name"): each.get("Type") for each in kind.iter(f"{EDM}Property")} == {
        **dict.fromkeys(("CustomerId", "id", "order", "name"), "Edm.String"),
        "pieces": "Edm.Int32",
        "big": "Edm.Int64",
        "score": "Edm.Double",
        "paid": "Edm.Boolean",
        "at": "Edm.DateTimeOffset",
    }


def test_a_load_reads_every_row_to_the_last_page(signed_in: httpx.Client, guarded: Guarded) -> None:
    rows = followed(signed_in, f"{guarded.root}/{ENTITY}", {})

    assert len(rows) == ROWS
    assert sorted(rows, key=lambda row: (row["CustomerId"], row["order"])) == EXPECTED


@pytest.mark.parametrize("step", FOLDED.values(), ids=FOLDED)
def test_a_folded_step_gives_the_rows_that_the_editor_would(
    signed_in: httpx.Client, guarded: Guarded, step: Folded
) -> None:
    assert followed(signed_in, f"{guarded.root}/{ENTITY}", step.query) == step.rows()


def test_counting_rows_is_folded_too(signed_in: httpx.Client, guarded: Guarded) -> None:
    answer = signed_in.get(f"{guarded.root}/{ENTITY}/$count", headers={"Accept": PROBE})

    assert answer.text == str(ROWS)


def test_a_link_opens_nothing_without_the_key(signed_in: httpx.Client, guarded: Guarded) -> None:
    link = signed_in.get(f"{guarded.root}/{ENTITY}").json()["@odata.nextLink"]

    assert guarded.key not in link
    assert httpx.get(link, headers=HEADERS).status_code == 401
