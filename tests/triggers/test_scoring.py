"""Records in, enrichments out: the envelope, the bare contract, documents; deadlines; all three credentials."""

import hashlib
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx
import pytest

from tests.support.bridge import INPUTS_AND_OUTPUTS, WORKSPACE, Bridge

KEY = "sentinel-key-of-setting"
PAYLOAD = "sentinel-payload-1f2e"


def values_of(reply: Any) -> list[dict[str, Any]]:
    assert reply.status == 200, reply.body
    values: list[dict[str, Any]] = reply.json["values"]
    for value in values:
        assert set(value) == {"recordId", "data", "errors", "warnings"}
        assert not (value["data"] and value["errors"])
    return values


def errors_of(reply: Any) -> list[str]:
    return [error["message"] for value in values_of(reply) for error in value["errors"]]


# The envelope


def test_records_come_back_in_order_with_their_outputs_alone(bridge: Bridge) -> None:
    skill = bridge.put("ordered")

    values = values_of(bridge.enrich(skill, *(f"text {number}" for number in range(40))))

    assert [value["recordId"] for value in values] == [str(number) for number in range(40)]
    assert all(value["data"] == {"detected_language_code": "en"} for value in values)


def test_no_records(bridge: Bridge) -> None:
    assert values_of(bridge.enrich(bridge.put("no-records"))) == []


def test_only_declared_inputs_are_sent(bridge: Bridge) -> None:
    skill = bridge.put("declared", outputs=[{"name": "echo"}])

    reply = bridge.call("POST", f"skills/{skill}", {"values": [{"recordId": "1", "data": {"text": "a", "other": 1}}]})

    assert values_of(reply)[0]["data"] == {"echo": {"text": "a"}}


def test_a_missing_input_is_an_error_only_if_there_is_no_other(bridge: Bridge) -> None:
    inputs = [{"name": name, "source": f"/document/{name}"} for name in ("text", "country")]
    skill = bridge.put("inputs", inputs=inputs)
    before = bridge.calls("/score/inputs")

    values = values_of(bridge.enrich(skill, "text", None))

    assert (len(values[0]["warnings"]), values[0]["errors"]) == (1, [])
    assert "country" in values[0]["warnings"][0]["message"]
    assert len(values[1]["errors"]) == 1
    assert bridge.calls("/score/inputs") - before == 1


@pytest.mark.parametrize(
    "body",
    [
        [],
        {},
        {"values": {}},
        {"values": [1]},
        {"values": [{"data": {}}]},
        {"values": [{"recordId": "", "data": {}}]},
        {"values": [{"recordId": 1, "data": {}}]},
        {"values": [{"recordId": "a", "data": {}}, {"recordId": "a", "data": {}}]},
    ],
)
def test_not_the_envelope(bridge: Bridge, body: Any) -> None:
    reply = bridge.call("POST", f"skills/{bridge.put('strict')}", body)

    assert reply.status == 400
    assert reply.json["error"]["code"] == "InvalidEnvelope"


@pytest.mark.parametrize(
    ("fault", "words"),
    [
        ("?status=400&message=too%20long", "too long"),
        ("?status=401", "401"),
        ("?status=403", "AzureML Data Scientist"),
        ("?status=404", "traffic"),
        ("?status=408", "request_timeout_ms"),
        ("?status=409", "409"),
        ("?status=413", "too large"),
        ("?status=500", "500"),
        ("?status=307", "redirect"),
        ("?modelStatus=500&modelReason=boom", "424 for the model's 500 (boom)"),
        ("?answer=invalid", "invalid JSON"),
        ("?answer=array", "an object is expected"),
        ("?answer=string", "unwrapString"),
        ("?answer=missing", "detected_language_code"),
        ("?answer=html", "text/html"),
        ("?contentType=application/jsonp", "application/jsonp"),
        ("?contentType=", "none"),
        ("?drop=before", "closed the connection"),
        ("?drop=midway", "closed the connection"),
    ],
)
def test_a_failure_is_its_records_own(bridge: Bridge, fault: str, words: str) -> None:
    skill = bridge.put("failing", fault=fault, key="@appsetting('SKILL_KEY_GOOD')")

    reply = bridge.enrich(skill, PAYLOAD)

    (message,) = errors_of(reply)
    assert words in message
    assert not {KEY, PAYLOAD} & set(message.split())
    assert KEY not in str(bridge.host.log)
    assert PAYLOAD not in str(bridge.host.log)


def test_an_endless_answer_is_its_records_own(bridge: Bridge) -> None:
    (message,) = errors_of(bridge.enrich(bridge.put("endless", fault="?answer=huge"), "x"))

    assert "MAX_SCORING_ANSWER_BYTES" in message


def test_an_endpoint_that_is_down(bridge: Bridge) -> None:
    bridge.put("down", uri="http://127.0.0.1:9/score", gateway={"retries": 0})

    (message,) = errors_of(bridge.enrich("down", "x"))

    assert "No connection to the endpoint at 127.0.0.1" in message


def test_one_bad_record_of_a_batch_fails_alone(bridge: Bridge) -> None:
    inputs = [*INPUTS_AND_OUTPUTS["inputs"], {"name": "bad", "source": "/document/bad"}]
    gateway = {"payload": "instances", "maxRecordsPerCall": 8}
    skill = bridge.put("batched", fault="?rejectBatch=8", inputs=inputs, gateway=gateway)
    values = [{"recordId": str(n), "data": {"text": str(n), "bad": n == 5}} for n in range(16)]

    found = values_of(bridge.call("POST", f"skills/{skill}", {"values": values}))

    assert [value["recordId"] for value in found if value["errors"]] == ["5"]
    assert all(value["data"] for value in found if value["recordId"] != "5")


def test_a_record_that_fails_leaves_the_others_be(bridge: Bridge) -> None:
    skill = bridge.put("mixed", inputs=[*INPUTS_AND_OUTPUTS["inputs"], {"name": "simulate", "source": "/document/s"}])
    values = [
        {"recordId": str(n), "data": {"text": f"m{n}", "simulate": {"status": 500 if n == 3 else 200}}}
        for n in range(8)
    ]

    found = values_of(bridge.call("POST", f"skills/{skill}", {"values": values}))

    assert [value["recordId"] for value in found if value["errors"]] == ["3"]


def test_a_batch_that_met_only_a_busy_endpoint_is_to_be_sent_again(bridge: Bridge) -> None:
    skill = bridge.put("busy", fault="?status=429&retryAfter=60")

    reply = bridge.enrich(skill, "a", "b")

    assert reply.status == 503
    assert int(reply.headers["Retry-After"]) in range(50, 61)
    assert reply.json["error"]["code"] == "UpstreamUnavailable"


# The bare contract


def test_score(bridge: Bridge) -> None:
    reply = bridge.call("POST", f"skills/{bridge.put('bare')}/score", {"text": "hello"})

    assert (reply.status, reply.json) == (200, {"detected_language_code": "en"})


@pytest.mark.parametrize(
    ("fault", "status", "retry_after"),
    [
        ("?status=429&retryAfter=7", 429, "7"),
        ("?status=503&retryAfter=9", 503, "9"),
        ("?status=503", 503, "1"),
        ("?modelStatus=429", 429, "1"),
        ("?status=500", 502, None),
        ("?status=400", 502, None),
        ("?status=401", 502, None),
        ("?answer=invalid", 502, None),
        ("?drop=before", 502, None),
    ],
)
def test_score_passes_on_what_the_endpoint_said(
    bridge: Bridge, fault: str, status: int, retry_after: str | None
) -> None:
    skill = bridge.put(f"bare-{abs(hash(fault)) % 10**8}", fault=fault)

    reply = bridge.call("POST", f"skills/{skill}/score", {"text": "hello"})

    assert (reply.status, reply.headers["Retry-After"]) == (status, retry_after)
    assert bridge.calls(f"/score/{skill}") == 1


@pytest.mark.parametrize("body", [[], "text", {}, {"text": None}])
def test_score_wants_inputs(bridge: Bridge, body: Any) -> None:
    assert bridge.call("POST", f"skills/{bridge.put('bare-inputs')}/score", body).status == 400


def test_score_at_its_deadline(bridge: Bridge) -> None:
    skill = bridge.put("bare-late", fault="?delay=20")

    reply, seconds = timed(
        lambda: bridge.call("POST", f"skills/{skill}/score", {"text": "x"}, {"x-bridge-deadline": "PT2S"})
    )

    assert reply.status == 504
    assert seconds < 2


# Documents


def test_enrich_documents(bridge: Bridge) -> None:
    outputs = [{"name": "detected_language_code", "targetName": "language"}]
    skill = bridge.put("documents", outputs=outputs)

    reply = bridge.call("POST", f"skills/{skill}/enrich", {"documents": [{"content": "hello", "id": "1"}, {"id": "2"}]})

    assert reply.status == 200
    first, second = reply.json["documents"]
    assert first == {"document": {"content": "hello", "id": "1", "language": "en"}, "errors": [], "warnings": []}
    assert second["document"] == {"id": "2"}
    assert second["errors"]


# Deadlines


def timed(call: Any) -> tuple[Any, float]:
    started = time.monotonic()
    reply = call()
    return reply, time.monotonic() - started


@pytest.mark.parametrize("header", ["30", "PT", "P1M", "-PT5S", "PT0S", "soon"])
def test_a_deadline_that_is_none(bridge: Bridge, header: str) -> None:
    reply = bridge.enrich(bridge.put("deadline"), "x", x_bridge_deadline=header)

    assert reply.status == 400
    assert "x-bridge-deadline" in reply.json["error"]["message"]


@pytest.mark.parametrize("fault", ["?delay=20", "?slowBody=20"])
def test_an_endpoint_that_hangs_does_not_hold_the_answer(bridge: Bridge, fault: str) -> None:
    skill = bridge.put(f"hanging-{fault[1:5]}", fault=fault)

    reply, seconds = timed(lambda: bridge.enrich(skill, *"abcdefgh", x_bridge_deadline="PT3S"))

    assert len(errors_of(reply)) == 8
    assert "deadline" in errors_of(reply)[0]
    assert seconds < 3


def test_what_was_scored_before_the_deadline_stays(bridge: Bridge) -> None:
    skill = bridge.put("partly", inputs=[*INPUTS_AND_OUTPUTS["inputs"], {"name": "simulate", "source": "/document/s"}])
    values = [
        {"recordId": str(n), "data": {"text": f"p{n}", "simulate": {"delay": 20 if n == 0 else 0}}} for n in range(4)
    ]

    reply, seconds = timed(
        lambda: bridge.call("POST", f"skills/{skill}", {"values": values}, {"x-bridge-deadline": "PT3S"})
    )

    assert [bool(value["data"]) for value in values_of(reply)] == [False, True, True, True]
    assert seconds < 3


def test_under_load_no_request_outlives_its_deadline(bridge: Bridge) -> None:
    skill = bridge.put("crowded", fault="?delay=0.5", degreeOfParallelism=2)

    def ask(number: int) -> float:
        texts = [f"{number}-{index}" for index in range(20)]
        return timed(lambda: bridge.enrich(skill, *texts, x_bridge_deadline="PT4S"))[1]

    with ThreadPoolExecutor(8) as pool:
        slowest = max(pool.map(ask, range(8)))

    assert slowest < 4


# Credentials

ENDPOINTS = ("language-key", "language-aml-token", "language-aad-token")


@pytest.mark.parametrize("endpoint", ENDPOINTS)
def test_each_authentication_mode(bridge: Bridge, endpoint: str) -> None:
    skill = bridge.put(f"by-{endpoint}", resourceId=f"{WORKSPACE}/onlineEndpoints/{endpoint}", region="westeurope")

    values = values_of(bridge.enrich(skill, *(f"{endpoint} {number}" for number in range(20))))

    assert all(value["data"] == {"detected_language_code": "en"} for value in values)


@pytest.mark.parametrize("endpoint", ENDPOINTS)
def test_a_revoked_credential_is_renewed(bridge: Bridge, endpoint: str) -> None:
    skill = bridge.put(f"revoked-{endpoint}", resourceId=f"{WORKSPACE}/onlineEndpoints/{endpoint}")
    values_of(bridge.enrich(skill, "before"))

    bridge.control("revoke", {})
    values = values_of(bridge.enrich(skill, *(f"after {number}" for number in range(10))))

    assert all(value["data"] for value in values), values


def test_region_of_another_endpoint(bridge: Bridge) -> None:
    skill = bridge.put("elsewhere", resourceId=f"{WORKSPACE}/onlineEndpoints/language-key", region="eastus")

    (message,) = errors_of(bridge.enrich(skill, "x"))

    assert "set the skill's region to westeurope" in message


def test_a_resource_that_does_not_exist(bridge: Bridge) -> None:
    skill = bridge.put("nowhere", resourceId=f"{WORKSPACE}/onlineEndpoints/nothing")

    (message,) = errors_of(bridge.enrich(skill, "x"))

    assert "check the skill's resourceId" in message


def test_a_pinned_deployment_is_asked_for(bridge: Bridge) -> None:
    endpoint = f"{WORKSPACE}/onlineEndpoints/language-key"
    bridge.put("pinned", resourceId=endpoint, gateway={"deployment": "blue"})
    bridge.put("mispinned", resourceId=endpoint, gateway={"deployment": "red"})

    assert values_of(bridge.enrich("pinned", "x"))[0]["data"]
    assert "404" in errors_of(bridge.enrich("mispinned", "x"))[0]


def test_a_setting_without_a_key_is_named(bridge: Bridge) -> None:
    skill = bridge.put("keyless", key="@appsetting('SKILL_KEY_ABSENT')")

    (message,) = errors_of(bridge.enrich(skill, "x"))

    assert "SKILL_KEY_ABSENT" in message


def test_a_key_goes_out_as_a_bearer(bridge: Bridge) -> None:
    skill = bridge.put("keyed", key="@appsetting('SKILL_KEY_GOOD')")
    bridge.enrich(skill, "x", x_ms_client_request_id="r" * 300)

    calls = httpx.get(f"{bridge.simulator}/calls/log?last=50").json()["value"]
    (call,) = [call for call in calls if call["path"] == "/score/keyed"]
    fingerprint = hashlib.sha256(KEY.encode()).hexdigest()[:12]
    assert call["headers"]["authorization"] == f"Bearer sha256:{fingerprint}"
    assert call["headers"]["x-ms-client-request-id"] == "r" * 100
