"""The data plane's sign-in through the host: on a laptop that asks for keys, and as Azure sets the app up."""

import asyncio
import base64
import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from uuid import uuid4

import pytest

from shared.entities.reader_keys import ReaderKey, digest_of
from shared.storage.reader_keys import TableReaderKeys
from shared.storage.tables import connect
from tests.devhost.running import Host, Reply, eventually, hosting
from tests.support.bridge import JSON, ROOT, settings
from tests.support.entities import publish
from tests.support.identity import no_identity
from tests.support.principals import signed_in
from tests.triggers.test_skills import error_of

HOST_KEY, MASTER_KEY, FUNCTION_KEY = "sentinel-host-key", "sentinel-master-key", "sentinel-function-key"
WRONG, EXPIRED = f"brk_{'w' * 43}", f"brk_{'e' * 43}"
ROWS = 1001
ADDRESSES = {
    "root": "/api/data",
    "rows": "/api/data/Guarded",
    "a row": "/api/data/Guarded('c0001')",
    "count": "/api/data/Guarded/$count",
    "Customer Insights": "/v1/instances/any/data/Guarded%3Ffilter%3DCustomerId%20eq%20'c0001'",
    "nothing there": "/api/data/NoSuchEntity",
}
PROBE = {"Accept": "application/json;odata.metadata=minimal;q=1.0,application/xml;q=0.7,text/plain;q=0.7"}
"""As Power Query asks."""


def basic(key: str, user: str = "sentinel-user") -> dict[str, str]:
    return {"Authorization": f"Basic {base64.b64encode(f'{user}:{key}'.encode()).decode()}"}


def ask(host: Host, address: str, headers: dict[str, str] | None = None) -> Reply:
    return host.call("GET", address, headers=headers or {})


def every_way(host: Host, address: str, key: str) -> list[Reply]:
    return [
        ask(host, address, basic(key)),
        ask(host, address, {"X-Functions-Key": key}),
        ask(host, f"{address}?code={key}"),
        ask(host, f"{address}?Code={key}"),
    ]


@pytest.fixture(scope="module", autouse=True)
def stored(azurite: str) -> None:
    """An entity of two pages, and a key that has expired."""
    publish(azurite, "Guarded", "id,n\n" + "".join(f"c{number:04d},{number}\n" for number in range(ROWS)))
    yesterday = datetime.now(UTC) - timedelta(days=1)
    expired = ReaderKey("expired", digest_of(EXPIRED), yesterday, "a test", expires_at=yesterday)

    async def add() -> None:
        async with connect(azurite, "", no_identity) as service:
            await TableReaderKeys(service).add(expired)

    asyncio.run(add())


@pytest.fixture(scope="module")
def keys() -> dict[str, str]:
    return {
        "BRIDGE_AUTH": "on",
        "BRIDGE_KEY": HOST_KEY,
        "BRIDGE_MASTER_KEY": MASTER_KEY,
        "BRIDGE_FUNCTION_KEYS": json.dumps({"get_data": {"default": FUNCTION_KEY}}),
    }


@pytest.fixture(scope="module")
def laptop(azurite: str, simulated: str, keys: dict[str, str]) -> Iterator[Host]:
    with hosting(ROOT, "--access-log", **settings(azurite, simulated), **keys) as host:
        yield host


@pytest.fixture(scope="module")
def cloud(azurite: str, keys: dict[str, str]) -> Iterator[Host]:
    """The same storage, another process, set up as in Azure with Easy Auth."""
    in_azure = {"WEBSITE_SITE_NAME": "bridge", "WEBSITE_AUTH_ENABLED": "True"}
    with hosting(ROOT, AzureWebJobsStorage=azurite, **in_azure, **keys) as host:
        yield host


def manage(host: Host, method: str, path: str = "", body: object = None) -> Reply:
    content = None if body is None else json.dumps(body).encode()
    return host.call(method, f"/api/reader-keys{path}", content, {**JSON, "x-functions-key": HOST_KEY})


def new_key(host: Host) -> tuple[str, str]:
    """Its name and itself."""
    name = f"test-{uuid4().hex[:8]}"
    return name, str(manage(host, "POST", "", {"name": name}).json["key"])


@pytest.fixture(scope="module")
def key(laptop: Host) -> str:
    return new_key(laptop)[1]


def is_challenge(reply: Reply) -> bool:
    asked = reply.headers["WWW-Authenticate"] == 'Basic realm="AML Bridge", charset="UTF-8"'
    return asked and reply.status == 401 and error_of(reply)["code"] == "Unauthorized"


@pytest.mark.parametrize("where", ["laptop", "cloud"])
@pytest.mark.parametrize("address", ADDRESSES.values(), ids=ADDRESSES)
def test_a_reader_key_opens_each_address_in_every_way(
    request: pytest.FixtureRequest, where: str, address: str, key: str
) -> None:
    host: Host = request.getfixturevalue(where)

    replies = every_way(host, address, key)

    assert [reply.status for reply in replies] == [404 if "NoSuch" in address else 200] * len(replies)
    assert all(key.encode() not in reply.body for reply in replies)
    assert all("WWW-Authenticate" not in reply.headers for reply in replies)


@pytest.mark.parametrize("where", ["laptop", "cloud"])
@pytest.mark.parametrize("address", ADDRESSES.values(), ids=ADDRESSES)
@pytest.mark.parametrize("wrong", ["", WRONG, EXPIRED, MASTER_KEY, FUNCTION_KEY])
def test_nothing_else_opens_one_and_the_answer_says_how_to_sign_in(
    request: pytest.FixtureRequest, where: str, address: str, wrong: str
) -> None:
    replies = every_way(request.getfixturevalue(where), address, wrong)

    assert all(is_challenge(reply) for reply in replies)
    assert {error_of(reply)["message"] for reply in replies} == {error_of(replies[0])["message"]}
    assert all(reply.headers["OData-Version"] == "4.0" for reply in replies)


@pytest.mark.parametrize("authorization", ["Basic", "Basic !", "Basic c2FsZXM=", "Bearer abc", "Basic w7bDtg=="])
def test_an_authorization_that_cannot_be_read_is_asked_for_anew(laptop: Host, authorization: str) -> None:
    assert is_challenge(ask(laptop, "/api/data", {"Authorization": authorization}))


@pytest.mark.parametrize("address", ADDRESSES.values(), ids=ADDRESSES)
def test_the_host_key_reads_data_on_a_laptop_and_not_in_azure(laptop: Host, cloud: Host, address: str) -> None:
    there, here = every_way(cloud, address, HOST_KEY), every_way(laptop, address, HOST_KEY)

    assert {reply.status for reply in there} == {401}
    assert {reply.status for reply in here} == {404 if "NoSuch" in address else 200}


def test_a_principal_is_believed_only_with_easy_auth(laptop: Host, cloud: Host) -> None:
    reader = signed_in("Bridge.Reader")

    assert ask(cloud, "/api/data", reader).status == 200
    assert is_challenge(ask(laptop, "/api/data", reader))


def test_power_query_is_challenged_and_then_let_in(laptop: Host, key: str) -> None:
    first = ask(laptop, "/api/data", PROBE)
    second = ask(laptop, "/api/data", PROBE | basic(key))
    rows = ask(laptop, "/api/data/Guarded", PROBE | basic(key))
    last = ask(laptop, rows.json["@odata.nextLink"].partition(str(laptop.port))[2], PROBE | basic(key))

    assert is_challenge(first)
    assert {"name": "Guarded", "kind": "EntitySet", "url": "Guarded"} in second.json["value"]
    assert len(rows.json["value"]) + len(last.json["value"]) == ROWS


def test_a_link_to_the_next_page_holds_no_key_and_asks_for_one(laptop: Host, key: str) -> None:
    page = ask(laptop, f"/api/data/Guarded?code={key}").json

    link = page["@odata.nextLink"]
    assert key not in json.dumps(page)
    assert "code=" not in link
    following = link.partition(str(laptop.port))[2]
    assert is_challenge(ask(laptop, following))
    assert ask(laptop, f"{following}&code={key}").status == 200


def test_a_revoked_key_opens_nothing_at_once_here_and_soon_elsewhere(laptop: Host, cloud: Host) -> None:
    name, key = new_key(laptop)
    assert [ask(host, "/api/data", basic(key)).status for host in (laptop, cloud)] == [200, 200]

    assert manage(laptop, "DELETE", f"/{name}").status == 204

    assert is_challenge(ask(laptop, "/api/data", basic(key)))
    eventually(lambda: is_challenge(ask(cloud, "/api/data", basic(key))), patience=7)


def test_use_is_told_and_a_wrong_keys_is_not(laptop: Host) -> None:
    name, key = new_key(laptop)
    before = manage(laptop, "GET", f"/{name}").json["lastUsedAt"]

    ask(laptop, "/api/data", basic(key))

    used = datetime.fromisoformat(manage(laptop, "GET", f"/{name}").json["lastUsedAt"])
    assert before is None
    assert abs(datetime.now(UTC) - used) < timedelta(minutes=1)
    assert manage(laptop, "GET", "/expired").json["lastUsedAt"] is None


def test_a_reader_key_opens_nothing_but_data(laptop: Host, key: str) -> None:
    for path in ("/api/reader-keys", "/api/entities", "/api/skills", "/api/connections", "/api/workflows"):
        assert {reply.status for reply in every_way(laptop, path, key)} == {401}


def test_no_key_is_asked_for_where_that_is_off(bridge_off: Host) -> None:
    for headers in ({}, basic(WRONG), {"x-functions-key": WRONG}):
        assert ask(bridge_off, "/api/data/Guarded/$count", headers).body == str(ROWS).encode()


@pytest.fixture
def bridge_off(azurite: str, simulated: str) -> Iterator[Host]:
    with hosting(ROOT, **settings(azurite, simulated)) as host:
        yield host


def test_a_key_is_in_no_table_and_no_log(laptop: Host, cloud: Host, azurite: str) -> None:
    _, key = new_key(laptop)
    for host in (laptop, cloud):
        assert {reply.status for reply in every_way(host, "/api/data/Guarded", key)} == {200}
        every_way(host, "/api/data/Guarded", WRONG)

    logged = "\n".join([*laptop.log, *laptop.out, *cloud.log, *cloud.out])
    kept = asyncio.run(contents(azurite))

    assert "/api/data/Guarded 401" in logged
    assert digest_of(key) in kept
    for secret in (key, key.removeprefix("brk_"), WRONG, HOST_KEY, "sentinel-user", basic(key)["Authorization"][6:]):
        assert secret not in kept
        assert secret not in logged


async def contents(azurite: str) -> str:
    """All rows of all tables."""
    found = []
    async with connect(azurite, "", no_identity) as service:
        async for table in service.list_tables():
            client = service.get_table_client(table.name)
            found += [str(dict(row)) async for row in client.list_entities()]
    return "\n".join(found)
