"""One call: what goes out, and what every answer means."""

import asyncio
import contextlib
import json
from collections.abc import Awaitable, Callable
from typing import Any

import httpx
import pytest

from shared.aml.limiter import Limiter, Outcome
from shared.aml.scoring import ScoringEndpoint
from shared.skills.addresses import ScoringHosts
from shared.skills.failures import Failure, Kind
from shared.skills.gateway import AttemptFailed
from tests.aml.fakes import ENDPOINT, FakeArm, by_resource, by_uri, endpoint_json, scoring_endpoint

BODY = b'{"text":"hello"}'
FAR = 1e12


def answers(status: int = 200, body: Any = None, **headers: str) -> Callable[[httpx.Request], httpx.Response]:
    spelled = {name.replace("_", "-"): value for name, value in headers.items()}
    return lambda _: httpx.Response(status, json={} if body is None else body, headers=spelled)


async def attempt(endpoint: ScoringEndpoint, timeout: float = 5, request_id: str = "") -> Any:
    return (await endpoint.attempt(BODY, timeout=timeout, deadline=FAR, request_id=request_id)).value


async def failed(call: Awaitable[object]) -> AttemptFailed:
    with pytest.raises(AttemptFailed) as raised:
        await call
    return raised.value


async def failure(respond: Callable[[httpx.Request], httpx.Response]) -> Failure:
    return (await failed(attempt(scoring_endpoint(respond)))).failure


# What goes out


async def test_request() -> None:
    sent: list[httpx.Request] = []

    def respond(request: httpx.Request) -> httpx.Response:
        sent.append(request)
        return httpx.Response(200, json={"language": "en"})

    endpoint = scoring_endpoint(respond, deployment="blue")

    assert await attempt(endpoint, request_id="r-1") == {"language": "en"}
    (request,) = sent
    assert (request.method, request.content) == ("POST", BODY)
    assert dict(request.headers) == {
        "content-type": "application/json",
        "accept": "application/json",
        "accept-encoding": "gzip",
        "user-agent": "aml-bridge",
        "azureml-model-deployment": "blue",
        "authorization": "Bearer a-key",
        "x-ms-client-request-id": "r-1",
    }


async def test_no_header_for_what_is_not_there() -> None:
    sent: list[httpx.Request] = []

    def respond(request: httpx.Request) -> httpx.Response:
        sent.append(request)
        return httpx.Response(200, json={})

    await attempt(scoring_endpoint(respond, by_uri()))

    assert not {"authorization", "azureml-model-deployment", "x-ms-client-request-id"} & set(sent[0].headers)


async def test_one_requests_id_does_not_stay_for_the_next() -> None:
    sent: list[str | None] = []

    def respond(request: httpx.Request) -> httpx.Response:
        sent.append(request.headers.get("x-ms-client-request-id"))
        return httpx.Response(200, json={})

    endpoint = scoring_endpoint(respond)
    await attempt(endpoint, request_id="first")
    await attempt(endpoint)

    assert sent == ["first", None]


async def test_request_ids_are_cut_to_what_the_endpoint_takes() -> None:
    sent: list[str] = []

    def respond(request: httpx.Request) -> httpx.Response:
        sent.append(request.headers["x-ms-client-request-id"])
        return httpx.Response(200, json={})

    await attempt(scoring_endpoint(respond), request_id="x" * 500)

    assert sent == ["x" * 100]


async def test_over_a_real_socket_the_transport_adds_what_http_wants(
    transport: httpx.AsyncBaseTransport,
) -> None:
    heads: list[bytes] = []

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        heads.append(await reader.readuntil(b"\r\n\r\n"))
        heads.append(await reader.readexactly(len(BODY)))
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n{}")
        await writer.drain()
        writer.close()

    async with await asyncio.start_server(handle, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        targets = by_uri("a-key", uri=f"http://127.0.0.1:{port}/score?v=1", hosts=ScoringHosts(loopback=True))
        assert await attempt(scoring_endpoint(transport, targets)) == {}

    head, body = heads
    lines = [line.lower() for line in head.decode().split("\r\n")]
    assert lines[0] == "post /score?v=1 http/1.1"
    assert f"host: 127.0.0.1:{port}" in lines
    assert f"content-length: {len(BODY)}" in lines
    assert body == BODY
    assert sum(line.startswith("content-type:") for line in lines) == 1


# What comes back


@pytest.mark.parametrize("value", [{"a": 1}, [1], "text", 5, None, {"big": 12345678901234567890123}])
async def test_any_json_is_an_answer(value: Any) -> None:
    assert await attempt(scoring_endpoint(answers(body=value))) == (value if value is not None else {})


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (301, Kind.REDIRECT),
        (307, Kind.REDIRECT),
        (304, Kind.REDIRECT),
        (400, Kind.REJECTED),
        (401, Kind.UNAUTHORIZED),
        (403, Kind.FORBIDDEN),
        (404, Kind.NOT_FOUND),
        (405, Kind.REJECTED),
        (408, Kind.MODEL_TIMEOUT),
        (409, Kind.CONFLICT),
        (413, Kind.TOO_LARGE),
        (415, Kind.REJECTED),
        (422, Kind.REJECTED),
        (424, Kind.MODEL_FAILED),
        (429, Kind.THROTTLED),
        (431, Kind.REJECTED),
        (500, Kind.PLATFORM_ERROR),
        (501, Kind.PLATFORM_ERROR),
        (502, Kind.BAD_GATEWAY),
        (503, Kind.UNAVAILABLE),
        (504, Kind.GATEWAY_TIMEOUT),
        (599, Kind.PLATFORM_ERROR),
    ],
)
async def test_status(status: int, kind: Kind) -> None:
    found = await failure(answers(status, Location="https://evil.example"))

    assert (found.kind, found.status) == (kind, status)


@pytest.mark.parametrize(
    ("inner", "kind", "status"),
    [
        ("429", Kind.THROTTLED, 429),
        ("503", Kind.UNAVAILABLE, 503),
        ("502", Kind.BAD_GATEWAY, 502),
        ("504", Kind.GATEWAY_TIMEOUT, 504),
        ("400", Kind.MODEL_FAILED, 400),
        ("500", Kind.MODEL_FAILED, 500),
        (" 500 ", Kind.MODEL_FAILED, 500),
        ("", Kind.MODEL_FAILED, 424),
        ("-1", Kind.MODEL_FAILED, 424),
        ("9" * 5000, Kind.MODEL_FAILED, 424),
        ("5e2", Kind.MODEL_FAILED, 424),
        ("٤٢٩", Kind.MODEL_FAILED, 424),
    ],
)
async def test_a_424_is_unwrapped(inner: str, kind: Kind, status: int) -> None:
    headers = {"ms-azureml-model-error-statuscode": inner.encode(), "ms-azureml-model-error-reason": b"why"}

    found = await failure(lambda _: httpx.Response(424, headers={k.encode(): v for k, v in headers.items()}))

    assert (found.kind, found.status) == (kind, status)
    assert found.facts["reason"] == " (why)"


async def test_the_reason_of_a_424_is_bounded() -> None:
    found = await failure(answers(424, ms_azureml_model_error_reason="x" * 5000))

    assert len(str(found.facts["reason"])) < 250


@pytest.mark.parametrize("status", [429, 503])
async def test_retry_after_is_read(status: int) -> None:
    assert (await failure(answers(status, Retry_After="17"))).retry_after == 17


@pytest.mark.parametrize(
    ("body", "content_type", "text"),
    [
        (b'{"message": "too long"}', "application/json", "too long"),
        (b'{"message": "too long"}', "application/json; charset=utf-8", "too long"),
        (b'{"message": {"a": 1}}', "application/json", None),
        (b'{"error": "other"}', "application/json", None),
        (b'["message"]', "application/json", None),
        (b"message", "application/json", None),
        (b'{"message": "too long"}', "text/plain", None),
        (b"<p>message</p>", "text/html", None),
    ],
)
async def test_only_the_message_of_a_json_answer_is_repeated(body: bytes, content_type: str, text: str | None) -> None:
    found = await failure(lambda _: httpx.Response(400, content=body, headers={"Content-Type": content_type}))

    assert found.text == text


@pytest.mark.parametrize("content_type", ["text/html", "", "application/jsonp", "text/json"])
async def test_success_that_is_not_json_is_a_failure(content_type: str) -> None:
    found = await failure(lambda _: httpx.Response(200, content=b"{}", headers={"Content-Type": content_type}))

    assert found.kind is Kind.CONTENT_TYPE
    assert found.facts == {"content_type": content_type or "none"}


@pytest.mark.parametrize("body", [b"", b"{", b"NaN", b'{"a": Infinity}', b"\xff\xfe", b"[" * 100_000, b"1" * 5000])
async def test_success_with_invalid_json_is_a_failure(body: bytes) -> None:
    found = await failure(lambda _: httpx.Response(200, content=body, headers={"Content-Type": "application/json"}))

    assert found.kind is Kind.INVALID_JSON


# Time


async def test_an_attempt_ends_at_its_timeout() -> None:
    class Hangs(httpx.AsyncBaseTransport):
        async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
            await asyncio.sleep(60)
            raise AssertionError

    error = await failed(attempt(scoring_endpoint(Hangs()), timeout=0.05))

    assert error.failure.kind is Kind.TIMED_OUT
    assert error.failure.facts == {"timeout": "0.05"}
    assert error.seconds is not None
    assert 0.04 < error.seconds < 1


async def test_seconds_are_told_of_answers_and_failures() -> None:
    answer = await scoring_endpoint(answers()).attempt(BODY, timeout=5, deadline=FAR)
    refused = await failed(attempt(scoring_endpoint(answers(500))))

    assert 0 <= answer.seconds < 1
    assert refused.seconds is not None


# What the limiter learns


def raising(error: Exception) -> Callable[[httpx.Request], httpx.Response]:
    def respond(request: httpx.Request) -> httpx.Response:
        raise error

    return respond


@pytest.mark.parametrize(
    ("respond", "outcome"),
    [
        (answers(), Outcome.ANSWERED),
        (answers(400), Outcome.ANSWERED),
        (answers(401), Outcome.ANSWERED),
        (answers(404), Outcome.ANSWERED),
        (answers(500), Outcome.ANSWERED),
        (answers(504), Outcome.ANSWERED),
        (answers(307), Outcome.ANSWERED),
        (lambda _: httpx.Response(200, text="page"), Outcome.ANSWERED),
        (lambda _: httpx.Response(200, content=bytes(2_000_000)), Outcome.ANSWERED),
        (answers(429), Outcome.PUSHED_BACK),
        (answers(503), Outcome.PUSHED_BACK),
        (answers(424, ms_azureml_model_error_statuscode="429"), Outcome.PUSHED_BACK),
        (answers(424, ms_azureml_model_error_statuscode="500"), Outcome.ANSWERED),
        (raising(httpx.ConnectError("")), Outcome.UNREACHED),
        (raising(httpx.ReadError("")), Outcome.UNREACHED),
        (raising(httpx.RemoteProtocolError("")), Outcome.UNREACHED),
    ],
)
async def test_the_limiter_learns(respond: Callable[[httpx.Request], httpx.Response], outcome: Outcome) -> None:
    limiter = Limiter()
    with contextlib.suppress(AttemptFailed):
        await attempt(scoring_endpoint(respond, limiter=limiter))

    window = limiter.window
    learned = (
        Outcome.PUSHED_BACK
        if window.size < 2
        else Outcome.UNREACHED
        if window.silent
        else Outcome.ANSWERED
        if window.answers
        else None
    )
    assert learned is outcome
    assert window.in_flight == 0


async def test_retry_after_of_a_push_back_pauses_the_endpoint() -> None:
    endpoint = scoring_endpoint(answers(429, Retry_After="30"))
    await failed(attempt(endpoint))

    error = await failed(endpoint.attempt(BODY, timeout=5, deadline=asyncio.get_running_loop().time() + 5))

    assert error.failure.kind is Kind.PAUSED
    assert error.seconds is None


async def test_retry_after_of_another_failure_pauses_nobody() -> None:
    endpoint = scoring_endpoint(answers(500, Retry_After="30"))
    await failed(attempt(endpoint))

    assert (await failed(attempt(endpoint))).failure.kind is Kind.PLATFORM_ERROR


async def test_an_attempt_that_is_cancelled_frees_its_place() -> None:
    started = asyncio.Event()

    class Hangs(httpx.AsyncBaseTransport):
        async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
            started.set()
            await asyncio.sleep(60)
            raise AssertionError

    endpoint = scoring_endpoint(Hangs())
    task = asyncio.create_task(attempt(endpoint))
    await started.wait()
    task.cancel()
    await asyncio.wait([task])

    assert endpoint.limiter.window.in_flight == 0


# 401


def guarded(good: str) -> tuple[list[str], Callable[[httpx.Request], httpx.Response]]:
    seen: list[str] = []

    def respond(request: httpx.Request) -> httpx.Response:
        seen.append(request.headers["authorization"].removeprefix("Bearer "))
        return httpx.Response(200 if seen[-1] == good else 401, json={})

    return seen, respond


async def test_a_refused_key_is_read_anew_once() -> None:
    seen, respond = guarded("new")
    arm = FakeArm({"language": endpoint_json(), "listKeys": {"primaryKey": "old"}})
    targets = by_resource(arm)
    await targets.current()
    arm.answers["listKeys"] = {"primaryKey": "new"}

    await attempt(scoring_endpoint(respond, targets))

    assert seen == ["old", "new"]


async def test_a_credential_that_stays_refused_fails_with_a_cure() -> None:
    seen, respond = guarded("other")
    arm = FakeArm({"language": endpoint_json(), "listKeys": {"primaryKey": "old"}})

    error = await failed(attempt(scoring_endpoint(respond, by_resource(arm))))

    assert error.failure.kind is Kind.UNAUTHORIZED
    assert "this app's role on the workspace" in str(error.failure.facts["credential_cure"])
    assert seen == ["old", "old"]


async def test_a_key_given_with_the_skill_is_tried_once() -> None:
    seen, respond = guarded("other")

    error = await failed(attempt(scoring_endpoint(respond, by_uri("a-key"))))

    assert error.failure.kind is Kind.UNAUTHORIZED
    assert seen == ["a-key"]


async def test_arm_that_fails_while_a_credential_is_renewed_is_the_cause() -> None:
    _, respond = guarded("other")
    arm = FakeArm({"language": endpoint_json(), "listKeys": {"primaryKey": "old"}})
    targets = by_resource(arm)
    await targets.current()
    arm.answers["language"] = httpx.Response(403)
    endpoint = scoring_endpoint(respond, targets)

    error = await failed(attempt(endpoint))

    assert error.failure.kind is Kind.ARM_FORBIDDEN
    assert endpoint.limiter.window.silent == 0


# No secret anywhere

KEY = "sentinel-key-5c1d"
PAYLOAD = "sentinel-payload-77aa"


def everything_of(error: BaseException | None) -> str:
    """All that a careless log of it could show, causes included."""
    parts: list[str] = []
    while error is not None:
        parts += [str(error), repr(error), repr(getattr(error, "failure", "")), repr(getattr(error, "facts", ""))]
        error = error.__cause__ or (None if error.__suppress_context__ else error.__context__)
    return "\n".join(parts)


@pytest.mark.parametrize(
    "respond",
    [
        *(
            answers(status, {"error": KEY})
            for status in (301, 400, 401, 403, 404, 408, 409, 413, 424, 429, 500, 502, 503, 504)
        ),
        *(
            lambda request, content_type=content_type: httpx.Response(
                200, content=request.content, headers={"Content-Type": content_type}
            )
            for content_type in ("text/html", "application/jsonp")
        ),
        lambda request: httpx.Response(200, content=request.content[:-1], headers={"Content-Type": "application/json"}),
        lambda request: httpx.Response(200, content=request.content * 100_000),
        *(
            raising(error)
            for error in (httpx.ConnectError("c"), httpx.ReadError("r"), httpx.ConnectTimeout("t"), OSError())
        ),
    ],
)
@pytest.mark.parametrize("literal", [True, False], ids=["literal", "resource"])
async def test_no_failure_holds_key_or_payload(
    respond: Callable[[httpx.Request], httpx.Response], literal: bool, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(0)
    arm = FakeArm({"language": endpoint_json(), "listKeys": {"primaryKey": KEY}})
    endpoint = scoring_endpoint(respond, by_uri(KEY) if literal else by_resource(arm))

    with pytest.raises(AttemptFailed) as raised:
        await endpoint.attempt(json.dumps({"text": PAYLOAD}).encode(), timeout=5, deadline=FAR, request_id="r")

    shown = everything_of(raised.value) + caplog.text + endpoint.name + repr(endpoint)
    assert KEY not in shown
    assert PAYLOAD not in shown


async def test_the_name_is_the_endpoints() -> None:
    assert scoring_endpoint(answers(), by_resource(FakeArm())).name == f"the endpoint {ENDPOINT.endpoint}"


async def test_a_batch_of_refusals_asks_arm_for_one_renewal() -> None:
    seen, respond = guarded("other")
    arm = FakeArm({"language": endpoint_json(), "listKeys": {"primaryKey": "old"}})
    endpoint = scoring_endpoint(respond, by_resource(arm))

    for _ in range(100):
        await failed(attempt(endpoint))

    assert len(seen) == 101
    assert arm.asked("listKeys") == 2
