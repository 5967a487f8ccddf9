"""The routes under `/api/reader-keys`, through the host and Azurite."""

from uuid import uuid4

import pytest

from tests.support.bridge import Bridge
from tests.triggers.test_skills import error_of


def new_name() -> str:
    return f"reader-{uuid4().hex[:8]}"


def test_a_key_is_told_when_it_is_made_and_never_again(bridge: Bridge) -> None:
    name = new_name()

    made = bridge.call("POST", "reader-keys", {"name": name, "expiresAt": "2099-01-01T00:00:00Z"})

    told = made.json
    key = told.pop("key")
    assert (made.status, made.headers["Cache-Control"]) == (201, "no-store")
    assert key.startswith("brk_")
    assert len(key) == 47
    assert (told["name"], told["expiresAt"]) == (name, "2099-01-01T00:00:00Z")
    assert told["createdBy"] == "holder of a function key"
    one, all_of_them = bridge.call("GET", f"reader-keys/{name.upper()}"), bridge.call("GET", "reader-keys")
    assert one.json == told
    assert told in all_of_them.json["value"]
    assert key.encode() not in one.body + all_of_them.body


def test_a_revoked_key_is_gone_and_its_name_free(bridge: Bridge) -> None:
    name = new_name()
    first = bridge.call("POST", "reader-keys", {"name": name})
    taken = bridge.call("POST", "reader-keys", {"name": name.upper()})

    revoked = bridge.call("DELETE", f"reader-keys/{name}")

    assert (taken.status, error_of(taken)["code"]) == (409, "Conflict")
    assert (revoked.status, revoked.body) == (204, b"")
    assert bridge.call("GET", f"reader-keys/{name}").status == 404
    assert bridge.call("DELETE", f"reader-keys/{name}").status == 404
    assert bridge.call("POST", "reader-keys", {"name": name}).json["key"] != first.json["key"]


@pytest.mark.parametrize(
    ("body", "code"),
    [
        (b"", "InvalidJson"),
        (b"[]", "InvalidDefinition"),
        (b"{}", "InvalidDefinition"),
        (b'{"name": "a b"}', "InvalidName"),
        (b'{"name": "a", "key": "mine"}', "InvalidDefinition"),
        (b'{"name": "a", "expiresAt": "2020-01-01T00:00:00Z"}', "InvalidDefinition"),
    ],
)
def test_a_body_that_cannot_be_used_is_a_400(bridge: Bridge, body: bytes, code: str) -> None:
    reply = bridge.call("POST", "reader-keys", body, raw=True)

    assert (reply.status, error_of(reply)["code"]) == (400, code)
