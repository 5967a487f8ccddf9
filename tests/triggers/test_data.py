"""The data plane through the host and Azurite: an entity's rows over OData, and the address of Customer Insights."""

import urllib.request
from collections.abc import Callable
from typing import Any
from urllib.parse import quote

import httpx
import pytest
import requests

from tests.devhost.running import Reply
from tests.support.bridge import Bridge
from tests.support.entities import claim, publish
from tests.triggers.test_skills import error_of

SEED_ID = "ce759201f786d590bf2134bff576c369"
IDS = (
    SEED_ID,
    "O'Neil",
    "two  words ",
    "Zoë 北京 🙂",
    "a/b\\c",
    "100%",
    "%41",
    "A",
    "a%20b",
    "a b",
    "a%2Fb",
    "x?y#z&w=v+u",
    '(1)"',
)
IN_PATHS = [each for each in IDS if each != "a%2Fb"]
"""In a path the host does not tell `%252F` from `%2F`."""
ROWS = 2300
WIDE = "=" + "x" * 30_000
CONTENT_TYPE = "application/json;odata.metadata=minimal;odata.streaming=true;charset=utf-8"
POWER_QUERY = (
    "application/json;odata.metadata=minimal;q=1.0,application/json;odata=minimalmetadata;q=0.9,"
    "application/atomsvc+xml;q=0.8,application/atom+xml;q=0.8,application/xml;q=0.7,text/plain;q=0.7"
)


@pytest.fixture(scope="module", autouse=True)
def entities(azurite: str) -> None:
    """`Odd`: two rows for each of the ids; `Keyed`: one; `Many`: more than two pages; `Wide`: more than
    8 MiB; `Bare`: none."""
    lines = [f'"{each.replace('"', '""')}",{order},1.5' for each in IDS for order in ("o/1", "o'2")]
    publish(azurite, "Odd", "\n".join(["id,order,score", *lines]) + "\n", primary="order")
    keyed = [f'"{each.replace('"', '""')}",{number}' for number, each in enumerate(IDS)]
    publish(azurite, "Keyed", "\n".join(["id,n", *keyed]) + "\n")
    publish(azurite, "Many", "id,n\n" + "".join(f"c{number:05d},{number}\n" for number in range(ROWS)))
    publish(azurite, "Wide", "id,text\n" + "".join(f"w{number:03d},{WIDE}\n" for number in range(300)))
    claim(azurite, "Bare")


def literal(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"


def encoded(text: str) -> str:
    return quote(text, safe="")


def get(bridge: Bridge, path: str) -> Reply:
    return bridge.call("GET", f"data/{path}")


def rows(reply: Reply) -> list[dict[str, Any]]:
    assert reply.status == 200, reply.body
    found: list[dict[str, Any]] = reply.json["value"]
    return found


def root(bridge: Bridge) -> str:
    return f"http://127.0.0.1:{bridge.host.port}/api/data"


@pytest.mark.parametrize("customer", IDS)
def test_a_customers_rows_and_no_other_are_found_by_filter(bridge: Bridge, customer: str) -> None:
    found = rows(get(bridge, f"Odd?$filter={encoded(f'CustomerId eq {literal(customer)}')}"))

    assert [(row["CustomerId"], row["order"]) for row in found] == [(customer, "o'2"), (customer, "o/1")]
    assert get(bridge, f"Odd/$count?$filter={encoded(f'CustomerId eq {literal(customer)}')}").body == b"2"


@pytest.mark.parametrize("customer", IN_PATHS)
def test_a_row_is_found_by_its_key(bridge: Bridge, customer: str) -> None:
    one = get(bridge, f"Keyed({encoded(literal(customer))})")
    named = get(bridge, f"Keyed(CustomerId={encoded(literal(customer))})")

    assert (one.status, one.json["CustomerId"], one.json["n"]) == (200, customer, IDS.index(customer))
    assert one.json["@odata.context"] == f"{root(bridge)}/$metadata#Keyed/$entity"
    assert named.json == one.json


def test_a_row_is_found_by_customer_id_and_primary_key(bridge: Bridge) -> None:
    found = get(bridge, f"Odd(CustomerId={encoded(literal(SEED_ID))},order={encoded(literal('o/1'))})")

    assert (found.status, found.json["order"], found.json["score"]) == (200, "o/1", 1.5)


def test_a_key_without_a_row_is_404(bridge: Bridge) -> None:
    reply = get(bridge, "Keyed('nobody')")

    assert (reply.status, error_of(reply)["target"]) == (404, "key")


def test_an_answer_is_odata_json_of_version_4(bridge: Bridge) -> None:
    reply = get(bridge, "Keyed?$top=1")

    assert reply.headers["Content-Type"] == CONTENT_TYPE
    assert reply.headers["OData-Version"] == "4.0"
    assert reply.json["@odata.context"] == f"{root(bridge)}/$metadata#Keyed"


def test_a_count_is_digits_in_plain_text(bridge: Bridge) -> None:
    reply = get(bridge, "Many/$count")

    assert (reply.body, reply.headers["OData-Version"]) == (str(ROWS).encode(), "4.0")
    assert reply.headers["Content-Type"].startswith("text/plain")


@pytest.mark.parametrize(("query", "expected"), [("", ROWS), ("?$top=1500", 1500), ("?$top=1000", 1000), ("?top=0", 0)])
def test_links_lead_to_the_last_page_with_every_row_once(bridge: Bridge, query: str, expected: int) -> None:
    reply, found = get(bridge, f"Many{query}"), []
    found += rows(reply)
    while link := reply.json.get("@odata.nextLink"):
        assert link.startswith(f"{root(bridge)}/Many?")
        assert len(rows(reply)) <= 1000
        reply = get(bridge, link.removeprefix(f"{root(bridge)}/"))
        found += rows(reply)

    assert len(found) == len({row["id"] for row in found}) == expected


SEED_FORMS = {
    "all encoded": f"%3Ffilter%3DCustomerId%20eq%20%27{SEED_ID}%27",
    "as documented": f"%3Ffilter%3DCustomerId%20eq%20'{SEED_ID}'",
    "small letters": f"%3ffilter%3dCustomerId%20eq%20%27{SEED_ID}%27",
    "the question mark encoded": f"%3Ffilter=CustomerId%20eq%20'{SEED_ID}'",
    "the equals sign encoded": f"?filter%3DCustomerId%20eq%20'{SEED_ID}'",
    "decoded": f"?filter=CustomerId%20eq%20'{SEED_ID}'",
    "with a dollar": f"?$filter=CustomerId+eq+%27{SEED_ID}%27",
    "with a key behind it": f"%3Ffilter%3DCustomerId%20eq%20'{SEED_ID}'?code=any",
    "encoded twice": f"%253Ffilter%253DCustomerId%2520eq%2520'{SEED_ID}'",
}


@pytest.mark.parametrize("form", SEED_FORMS.values(), ids=SEED_FORMS)
@pytest.mark.parametrize("start", ["/v1/instances/11112222-3333-4444-5555-666677778888/data", "/api/data"])
def test_the_address_of_customer_insights_is_read_however_it_is_encoded(bridge: Bridge, start: str, form: str) -> None:
    reply = bridge.host.call("GET", f"{start}/Odd{form}")

    assert [row["CustomerId"] for row in rows(reply)] == [SEED_ID, SEED_ID]
    assert reply.json["@odata.context"] == f"{root(bridge)}/$metadata#Odd"


@pytest.mark.parametrize("customer", IN_PATHS)
def test_that_address_takes_any_customer_id(bridge: Bridge, customer: str) -> None:
    inner = encoded(f"?filter=CustomerId eq {literal(customer)}")

    found = rows(bridge.host.call("GET", f"/v1/instances/any/data/Odd{inner}"))

    assert {row["CustomerId"] for row in found} == {customer}


def test_a_page_of_that_address_links_to_the_data_plane(bridge: Bridge) -> None:
    reply = bridge.host.call("GET", "/v1/instances/any/data/Many%3Ftop%3D1001")

    following = get(bridge, reply.json["@odata.nextLink"].removeprefix(f"{root(bridge)}/"))
    assert (len(rows(reply)), len(rows(following))) == (1000, 1)


@pytest.mark.parametrize("path", ["/api/data", "/api/data/", "/v1/instances/any/data"])
def test_the_root_lists_the_entities_that_have_rows(bridge: Bridge, path: str) -> None:
    reply = bridge.host.call("GET", path)

    names = [each["name"] for each in reply.json["value"]]
    assert reply.json["@odata.context"] == f"{root(bridge)}/$metadata"
    assert {"Odd", "Keyed", "Many"} <= set(names)
    assert "Bare" not in names
    assert {"name": "Many", "kind": "EntitySet", "url": "Many"} in reply.json["value"]


def test_an_unknown_entity_is_a_404_that_names_those_there_are(bridge: Bridge) -> None:
    reply = get(bridge, "Customers")

    error = error_of(reply)
    assert (reply.status, error["code"], reply.headers["OData-Version"]) == (404, "NotFound", "4.0")
    assert "'Customers'" in error["message"]
    assert "Keyed" in error["message"]


def test_an_entity_without_published_rows_says_so(bridge: Bridge) -> None:
    reply = get(bridge, "Bare")

    assert reply.status == 404
    assert "no run of its workflow has been published" in error_of(reply)["message"]


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("$batch", 501),
        ("Many?$expand=n", 501),
        ("Many?$search=n", 501),
        ("Many?$filter=n%20has%205", 501),
        ("Many?$filter=n%20eq%20'5'", 400),
        ("Many?$select=nobody", 400),
        ("Many?$orderby=nobody", 400),
        ("Many?$format=application/atom%2Bxml", 406),
        ("Many('c00001')/n", 501),
        ("Many?$filter=CustomerId%20eq%20c00001", 400),
        ("Many?$filter=nobody%20eq%20'a'", 400),
        ("Many?$fliter=CustomerId%20eq%20'a'", 400),
        ("Many?$filter=CustomerId%20eq%20'a'&$filter=CustomerId%20eq%20'b'", 400),
        ("Many%3Ffilter%3DCustomerId%20eq%20'a'?$filter=CustomerId%20eq%20'b'", 400),
        ("Many?$filter=", 400),
        ("Many?$top=-1", 400),
        ("Many?$skiptoken=made-up", 400),
        ("Many('c00001'", 400),
        ("1Many", 400),
        ("Many?api-version=1999-01-01", 400),
    ],
)
def test_what_is_not_served_is_refused_and_never_answered_with_other_rows(
    bridge: Bridge, path: str, status: int
) -> None:
    reply = get(bridge, path)

    assert reply.status == status, reply.body
    assert error_of(reply)["message"]
    assert reply.headers["OData-Version"] == "4.0"


@pytest.mark.parametrize(("most", "status"), [("4.0", 200), ("4.01", 200), ("3.0", 400), ("x", 400)])
def test_a_reader_of_another_odata_is_told(bridge: Bridge, most: str, status: int) -> None:
    reply = bridge.call("GET", "data/Many/$count", headers={"OData-MaxVersion": most})

    assert reply.status == status


def test_a_customers_rows_are_filtered_sorted_counted_and_cut(bridge: Bridge) -> None:
    mine = f"CustomerId in ({literal(SEED_ID)},'A') and score gt 1 and not startswith(order,'x')"
    query = f"$filter={encoded(mine)}&$orderby=order%20desc&$select=order,CustomerId&$count=true&$top=3"

    reply = get(bridge, f"Odd?{query}")

    assert reply.json["@odata.context"] == f"{root(bridge)}/$metadata#Odd(order,CustomerId)"
    assert reply.json["@odata.count"] == 4
    assert rows(reply) == [
        {"order": "o/1", "CustomerId": "A"},
        {"order": "o/1", "CustomerId": SEED_ID},
        {"order": "o'2", "CustomerId": "A"},
    ]
    posted = bridge.call("POST", "data/Odd/$query", query.encode(), headers={"Content-Type": "text/plain"}, raw=True)
    assert posted.json == reply.json


def test_a_query_in_json_is_refused_and_not_read_as_none(bridge: Bridge) -> None:
    reply = bridge.call("POST", "data/Odd/$query", {"filter": "CustomerId eq 'A'"})

    assert (reply.status, error_of(reply)["target"]) == (400, "Content-Type")


def test_power_query_gets_json_and_metadata_as_xml(bridge: Bridge) -> None:
    headers = {"Accept": POWER_QUERY, "OData-MaxVersion": "4.0"}

    service, metadata = (bridge.call("GET", f"data/{path}", headers=headers) for path in ("", "$metadata"))

    assert service.headers["Content-Type"] == CONTENT_TYPE
    assert metadata.headers["Content-Type"] == "application/xml;charset=utf-8"
    assert b'<EntitySet Name="Many" EntityType="CI.Many"/>' in metadata.body


def test_a_reader_that_takes_neither_json_nor_csv_is_told(bridge: Bridge) -> None:
    reply = bridge.call("GET", "data/Many", headers={"Accept": "application/xml"})

    assert (reply.status, error_of(reply)["code"]) == (406, "NotAcceptable")


def test_csv_comes_in_pages_of_the_preferred_size(bridge: Bridge) -> None:
    reply = bridge.call("GET", "data/Many?$format=csv&$select=n", headers={"Prefer": "odata.maxpagesize=2"})

    assert reply.headers["Content-Type"] == "text/csv;charset=utf-8;header=present"
    assert reply.headers["Preference-Applied"] == "odata.maxpagesize=2"
    assert reply.body.startswith(b"n\r\n")
    link = reply.headers["Link"]
    assert link.endswith('>; rel="next"')
    following = get(bridge, link[1:].partition(">")[0].removeprefix(f"{root(bridge)}/"))
    assert (following.status, following.body.count(b"\r\n")) == (200, 3)


def test_a_whole_result_in_csv_is_one_answer(bridge: Bridge) -> None:
    reply = get(bridge, "Many?$format=csv&$filter=n%20ge%20100&$orderby=n&$select=n")

    assert (reply.status, reply.headers["Content-Type"]) == (200, "text/csv;charset=utf-8;header=present")
    assert reply.headers["Link"] is None
    assert reply.body.split() == [b"n", *(str(number).encode() for number in range(100, ROWS))]


def by_urllib(address: str) -> bytes:
    """As `pandas.read_csv(address, storage_options={…})` does."""
    request = urllib.request.Request(address, headers={"x-functions-key": "brk_any"})
    with urllib.request.urlopen(request) as answer:
        content: bytes = answer.read()
        return content


@pytest.mark.parametrize(
    "read",
    [
        by_urllib,
        lambda address: requests.get(address, auth=("reader", "brk_any"), timeout=20).content,
        lambda address: httpx.get(address, auth=("reader", "brk_any"), follow_redirects=True).content,
    ],
    ids=["urllib", "requests", "httpx"],
)
def test_a_large_csv_is_read_whole_by_who_follows_the_link(bridge: Bridge, read: Callable[[str], bytes]) -> None:
    lines = read(f"{root(bridge)}/Wide?$format=csv&$select=id,text").split(b"\r\n")

    assert (lines[0], lines[-1]) == (b"id,text", b"")
    assert sorted(lines[1:-1]) == [f"w{number:03d},'{WIDE}".encode() for number in range(300)]


@pytest.mark.parametrize("start", ["/api/data/Wide?$format=csv&", "/v1/instances/any/data/Wide%3F$format=csv?"])
def test_the_link_to_a_large_csv_holds_no_key_and_is_in_no_log(bridge: Bridge, start: str) -> None:
    reply = bridge.host.call("GET", f"{start}code=brk_sentinel")

    link = reply.headers["Location"]
    assert (reply.status, reply.body, reply.headers["Cache-Control"]) == (303, b"", "no-store")
    assert reply.headers["OData-Version"] == "4.0"
    assert "/bridge/exports/Wide" in link
    assert "sp=r&" in link
    assert "brk_sentinel" not in link
    assert bridge.host.lines("sig=") == []


def test_a_large_csv_may_be_asked_for_in_a_body(bridge: Bridge) -> None:
    reply = bridge.call("POST", "data/Wide/$query", b"$format=csv", headers={"Content-Type": "text/plain"}, raw=True)

    assert reply.status == 303
    assert httpx.get(reply.headers["Location"]).content.startswith(b"CustomerId,id,text\r\n")
