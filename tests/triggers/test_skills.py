"""The routes that keep skills, through the host, the worker library and table storage."""

from typing import Any

import pytest

from tests.support.bridge import INPUTS_AND_OUTPUTS, WORKSPACE, Bridge

URI = "https://language.westeurope.inference.ml.azure.com/score"


def definition(**members: Any) -> dict[str, Any]:
    return {**INPUTS_AND_OUTPUTS, "uri": URI, **members}


def error_of(reply: Any) -> dict[str, Any]:
    """The one shape of every error; its code is in a header too, and the request has an id."""
    error: dict[str, Any] = reply.json["error"]
    assert set(error) <= {"code", "message", "target", "details"}
    assert reply.headers["x-ms-error-code"] == error["code"]
    assert reply.headers["x-ms-request-id"]
    assert reply.headers["Content-Type"] == "application/json"
    assert "Traceback" not in reply.body.decode()
    return error


def test_put_creates_then_replaces(bridge: Bridge) -> None:
    created = bridge.call("PUT", "skills/kept", definition(description="one"))
    replaced = bridge.call("PUT", "skills/kept", definition(description="two"))

    assert (created.status, replaced.status) == (201, 200)
    assert created.headers["ETag"] != replaced.headers["ETag"]
    assert created.headers["ETag"].startswith('"')
    assert bridge.call("GET", "skills/kept").json["description"] == "two"


def test_get_then_put_changes_nothing(bridge: Bridge) -> None:
    bridge.call("PUT", "skills/no-op", definition(key="sentinel-literal-key", name="my skill", timeout="PT5S"))
    got = bridge.call("GET", "skills/no-op")

    again = bridge.call("PUT", "skills/no-op", got.json, {"If-Match": got.headers["ETag"]})

    assert again.status == 200
    assert again.headers["ETag"] == got.headers["ETag"]
    assert bridge.call("GET", "skills/no-op").json == got.json


@pytest.mark.parametrize("key", ["sentinel-literal-key", "@appsetting('SKILL_KEY_GOOD')"])
def test_a_key_never_comes_back(bridge: Bridge, key: str) -> None:
    put = bridge.call("PUT", "skills/secretive", definition(key=key))
    replies = [put, *(bridge.call("GET", path) for path in ("skills/secretive", "skills", "skills/secretive/stats"))]
    replies.append(bridge.call("GET", "skills/secretive/web-api-skill"))

    assert put.json["key"] == "***"
    assert all(reply.status in (200, 201) for reply in replies)
    assert not any(b"sentinel" in reply.body for reply in replies)


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"If-Match": "{etag}"}, 200),
        ({"If-Match": "*"}, 200),
        ({"If-Match": '"another"'}, 412),
        ({"If-None-Match": "*"}, 412),
        ({"If-None-Match": "{etag}"}, 412),
        ({"If-None-Match": '"another"'}, 200),
    ],
)
def test_conditions_of_a_put(bridge: Bridge, headers: dict[str, str], status: int) -> None:
    etag = bridge.call("PUT", "skills/conditional", definition()).headers["ETag"]
    spelled = {name: value.replace("{etag}", etag) for name, value in headers.items()}

    reply = bridge.call("PUT", "skills/conditional", definition(), spelled)

    assert reply.status == status
    assert status == 200 or error_of(reply)["code"] == "PreconditionFailed"


def test_if_match_on_what_is_not_there(bridge: Bridge) -> None:
    assert bridge.call("PUT", "skills/never-made", definition(), {"If-Match": "*"}).status == 412


def test_delete(bridge: Bridge) -> None:
    etag = bridge.call("PUT", "skills/short-lived", definition()).headers["ETag"]

    assert bridge.call("DELETE", "skills/short-lived", headers={"If-Match": '"another"'}).status == 412
    gone = bridge.call("DELETE", "skills/short-lived", headers={"If-Match": etag})
    assert (gone.status, gone.body) == (204, b"")
    assert bridge.call("GET", "skills/short-lived").status == 404
    assert bridge.call("DELETE", "skills/short-lived").status == 404


def test_list_holds_whole_resources(bridge: Bridge) -> None:
    bridge.call("PUT", "skills/Listed", definition(description="all of it"))

    (found,) = [skill for skill in bridge.call("GET", "skills").json["value"] if skill["skill"] == "Listed"]

    assert found["description"] == "all of it"
    assert found["uri"] == URI


def test_names_are_found_in_any_case(bridge: Bridge) -> None:
    bridge.call("PUT", "skills/CamelCase", definition())

    assert bridge.call("GET", "skills/camelcase").json["skill"] == "CamelCase"


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", ""),
        ("DELETE", ""),
        ("POST", ""),
        ("POST", "/score"),
        ("POST", "/enrich"),
        ("GET", "/web-api-skill"),
        ("GET", "/stats"),
    ],
)
def test_a_skill_that_is_not_there_is_a_404_with_those_that_are(bridge: Bridge, method: str, path: str) -> None:
    bridge.call("PUT", "skills/there", definition())
    body: dict[str, Any] = {"values": [], "documents": [{}]}

    reply = bridge.call(method, f"skills/missing{path}", body if method == "POST" else None)

    assert reply.status == 404
    error = error_of(reply)
    assert error["code"] == "NotFound"
    assert "'missing'" in error["message"]
    assert "there" in error["message"]


@pytest.mark.parametrize(
    ("members", "words"),
    [
        ({"uri": "http://language.westeurope.inference.ml.azure.com/score"}, "https"),
        ({"uri": "https://evil.example/score"}, "SCORING_HOSTS"),
        ({"uri": "https://10.0.0.4/score"}, "address literal"),
        ({"uri": None}, "resourceId"),
        ({"key": "@appsetting('AzureWebJobsStorage')"}, "SKILL_KEY_"),
        ({"key": "***"}, "there is none"),
        ({"Timeout": "PT5S"}, "timeout"),
        ({"timeout": "P1M"}, "timeout"),
        ({"degreeOfParallelism": 11}, "degreeOfParallelism"),
        ({"gateway": {"retrys": 1}}, "retries"),
    ],
)
def test_a_definition_that_cannot_be_served(bridge: Bridge, members: dict[str, Any], words: str) -> None:
    reply = bridge.call("PUT", "skills/unservable", definition(**members))

    assert reply.status == 400
    error = error_of(reply)
    assert error["code"] == "InvalidDefinition"
    assert words in error["message"]
    assert bridge.call("GET", "skills/unservable").status == 404


@pytest.mark.parametrize("name", ["1digit", "has%20space", "x" * 64, "dot.ted", "%F0%9F%98%80"])
def test_a_name_that_is_none(bridge: Bridge, name: str) -> None:
    reply = bridge.call("PUT", f"skills/{name}", definition())

    assert reply.status == 400
    assert error_of(reply)["code"] == "InvalidName"


# What every route does


@pytest.mark.parametrize("path", ["health", "skills"])
def test_api_version_is_echoed(bridge: Bridge, path: str) -> None:
    for query in ("", "?api-version=2026-12-01"):
        reply = bridge.call("GET", f"{path}{query}")
        assert (reply.status, reply.headers["api-version"]) == (200, "2026-12-01")


@pytest.mark.parametrize("version", ["2020-01-01", "2026-12-01%0d%0aX-Injected:%20yes", "x" * 3000])
def test_an_unknown_api_version_is_a_400_that_lists_the_known(bridge: Bridge, version: str) -> None:
    reply = bridge.call("GET", f"skills?api-version={version}")

    assert reply.status == 400
    error = error_of(reply)
    assert error["code"] == "UnsupportedApiVersion"
    assert "2026-12-01" in error["message"]
    assert reply.headers["api-version"] == "2026-12-01"
    assert "X-Injected" not in reply.headers


@pytest.mark.parametrize(
    ("headers", "given"),
    [
        ({"x-ms-client-request-id": "mine-1"}, "mine-1"),
        ({"x-request-id": "mine-2"}, "mine-2"),
        ({"x-ms-client-request-id": "x" * 300}, "x" * 100),
        ({"x-ms-client-request-id": "a b\tc"}, "abc"),
    ],
)
def test_the_callers_request_id_comes_back(bridge: Bridge, headers: dict[str, str], given: str) -> None:
    assert bridge.call("GET", "health", headers=headers).headers["x-ms-request-id"] == given


@pytest.mark.parametrize("path", ["skills/any", "skills/any/score", "skills/any/enrich"])
@pytest.mark.parametrize(
    ("body", "code"),
    [(b"", "InvalidJson"), (b"{", "InvalidJson"), (b"NaN", "InvalidJson"), (b"\xff\xfe", "InvalidJson")],
)
def test_a_body_that_is_no_json(bridge: Bridge, path: str, body: bytes, code: str) -> None:
    reply = bridge.call("POST", path, body, raw=True)

    assert reply.status == 400
    assert error_of(reply)["code"] == code


@pytest.mark.parametrize(
    ("method", "path"), [("PUT", "skills/any"), ("POST", "skills/any"), ("POST", "skills/any/enrich")]
)
def test_a_body_over_the_limit_names_its_setting(bridge: Bridge, method: str, path: str) -> None:
    reply = bridge.call(method, path, b" " * 200_001, raw=True)

    assert reply.status == 413
    assert "MAX_BODY_BYTES" in error_of(reply)["message"]


def test_other_methods_and_paths_are_the_hosts_own_404(bridge: Bridge) -> None:
    replies = [bridge.call("PATCH", "skills/any"), bridge.call("GET", "nothing"), bridge.call("POST", "skills")]

    assert [(reply.status, reply.body) for reply in replies] == [(404, b"")] * 3


# The skill to paste


def test_web_api_skill(bridge: Bridge) -> None:
    bridge.put("pasted", key="sentinel-literal-key")

    reply = bridge.call("GET", "skills/pasted/web-api-skill")

    assert reply.status == 200
    skill = reply.json["skill"]
    assert skill["@odata.type"] == "#Microsoft.Skills.Custom.WebApiSkill"
    assert skill["uri"] == f"http://127.0.0.1:{bridge.host.port}/api/skills/pasted"
    assert set(skill["httpHeaders"]) == {"x-bridge-deadline", "x-functions-key"}
    assert skill["httpHeaders"]["x-functions-key"].startswith("<")
    assert skill["inputs"] == INPUTS_AND_OUTPUTS["inputs"]
    assert reply.json["warnings"]
    assert b"sentinel" not in reply.body
    assert b"code=" not in reply.body


def test_web_api_skill_knows_the_capacity_of_a_resource(bridge: Bridge) -> None:
    bridge.put("sized", resourceId=f"{WORKSPACE}/onlineEndpoints/language-key")

    reply = bridge.call("GET", "skills/sized/web-api-skill")

    assert not any("capacity is not known" in warning for warning in reply.json["warnings"])
    assert reply.json["skill"]["degreeOfParallelism"] == 4


def test_stats(bridge: Bridge) -> None:
    bridge.put("counted")
    bridge.enrich("counted", "a", "b", "a")
    bridge.call("PUT", "skills/counted", {**definition(), "uri": f"{bridge.simulator}/score/counted?status=500"})
    bridge.enrich("counted", "c")

    stats = bridge.call("GET", "skills/counted/stats").json

    assert stats["skill"] == "counted"
    assert stats["process"]
    assert stats["records"] == 4
    assert stats["errors"] == {"EndpointFailed": 1}
    assert stats["latencyMs"]["p50"] > 0
    assert stats["limiter"]["state"] == "open"
    assert stats["limiter"]["inFlight"] == 0


def test_health(bridge: Bridge) -> None:
    reply = bridge.call("GET", "health")

    assert reply.status == 200
    assert reply.json["status"] == "healthy"
    assert {"health", "call_skill", "put_skill"} <= set(reply.json["functions"])
