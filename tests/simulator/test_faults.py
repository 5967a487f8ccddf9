"""Is every fault read from wherever it is asked for, and what is none refused by name?"""

import json
from contextlib import suppress
from typing import Any

import httpx
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from simulator.scoring.faults import BadFault, Fault, FaultMemory, Full, read

TEXT = {"text": "hello"}
ECHO = {"echo": TEXT, "detected_language_code": "en", "length": 5}


async def score(
    client: httpx.AsyncClient, fault: dict[str, Any] | None = None, body: Any = None, path: str = "/score"
) -> httpx.Response:
    return await client.post(path, params=fault or {}, json=TEXT if body is None else body)


async def test_without_a_fault_it_echoes(client: httpx.AsyncClient) -> None:
    answer = await score(client)

    assert answer.status_code == 200
    assert answer.headers["content-type"] == "application/json"
    assert answer.json() == ECHO


@pytest.mark.parametrize(
    ("batch", "inputs"),
    [
        ({"instances": [{"text": "a"}, {"text": "bcd"}]}, [{"text": "a"}, {"text": "bcd"}]),
        (
            {"dataframe_split": {"columns": ["text", "n"], "index": [0, 1], "data": [["a", 1], ["bcd", 2]]}},
            [{"text": "a", "n": 1}, {"text": "bcd", "n": 2}],
        ),
        ({"instances": []}, []),
        ({"instances": ["a"]}, ["a"]),
    ],
)
async def test_a_batch_gets_a_prediction_a_record(client: httpx.AsyncClient, batch: Any, inputs: Any) -> None:
    answer = (await score(client, body=batch)).json()

    assert answer.keys() == {"predictions"}
    assert [prediction["echo"] for prediction in answer["predictions"]] == inputs
    assert [prediction["length"] for prediction in answer["predictions"]] == [1, 3][: len(inputs)]


@pytest.mark.parametrize(
    ("fault", "status", "body"),
    [
        ({"status": 503}, 503, '{"message":"Service Unavailable"}'),
        ({"status": 599}, 599, '{"message":"Status 599"}'),
        ({"status": 500, "message": "no memory"}, 500, '{"message":"no memory"}'),
        ({"message": "no memory"}, 400, '{"message":"no memory"}'),
        ({"status": 502, "answer": "html"}, 502, "<!doctype html><title>Error</title><p>An error page."),
        ({"status": 201}, 201, json.dumps(ECHO, separators=(",", ":"))),
        ({"status": 204}, 204, ""),
        ({"status": 302}, 302, json.dumps(ECHO, separators=(",", ":"))),
        ({"answer": "object"}, 200, json.dumps(ECHO, separators=(",", ":"))),
        ({"answer": "invalid"}, 200, json.dumps(ECHO, separators=(",", ":"))[:-1]),
        ({"answer": "string"}, 200, json.dumps(json.dumps(ECHO, separators=(",", ":")))),
        ({"answer": "array"}, 200, f"[{json.dumps(ECHO, separators=(',', ':'))}]"),
        ({"answer": "number"}, 200, "42"),
        ({"answer": "missing"}, 200, '{"unrelated": true}'),
        ({"modelStatus": 503}, 424, '{"message":"Service Unavailable"}'),
        ({"modelReason": "OOM"}, 424, '{"message":"OOM"}'),
        ({"modelStatus": 500, "message": "m"}, 424, '{"message":"m"}'),
        ({"rejectBatch": 1}, 200, json.dumps(ECHO, separators=(",", ":"))),
        ({"rejectBatch": 0}, 400, '{"message":"1 records are more than 0"}'),
        ({"capacity": 0}, 429, '{"message":"Too many requests are in flight at this endpoint."}'),
        ({"rate": 0, "status": 503}, 200, json.dumps(ECHO, separators=(",", ":"))),
        ({"times": 0, "status": 503}, 200, json.dumps(ECHO, separators=(",", ":"))),
    ],
)
async def test_the_answer_under(client: httpx.AsyncClient, fault: Any, status: int, body: str) -> None:
    answer = await score(client, fault)

    assert (answer.status_code, answer.text) == (status, body)


@pytest.mark.parametrize(
    ("fault", "header", "value"),
    [
        ({"contentType": "text/plain"}, "content-type", "text/plain"),
        (
            {"contentType": "Application/JSON; charset=utf-8"},
            "content-type",
            "Application/JSON; charset=utf-8",
        ),
        ({"contentType": ""}, "content-type", None),
        ({"answer": "html"}, "content-type", "text/html; charset=utf-8"),
        ({"answer": "html", "contentType": "application/json"}, "content-type", "application/json"),
        ({"status": 503}, "content-type", "application/json"),
        ({"status": 429, "retryAfter": 3}, "retry-after", "3"),
        ({"capacity": 0, "retryAfter": 4}, "retry-after", "4"),
        ({"retryAfter": "Fri, 31 Dec 2027 23:59:59 GMT"}, "retry-after", "Fri, 31 Dec 2027 23:59:59 GMT"),
        ({"status": 429}, "retry-after", None),
        ({"status": 307}, "location", "/score/redirected"),
        ({"modelStatus": 429}, "ms-azureml-model-error-statuscode", "429"),
        ({"modelStatus": 429}, "ms-azureml-model-error-reason", "Too Many Requests"),
        ({"modelStatus": 500, "modelReason": "OOM"}, "ms-azureml-model-error-reason", "OOM"),
    ],
)
async def test_the_header_under(client: httpx.AsyncClient, fault: Any, header: str, value: str | None) -> None:
    answer = await score(client, fault)

    assert answer.headers.get(header) == value


@pytest.mark.parametrize(
    "asked",
    [
        {"params": {"status": "418"}},
        {"headers": {"x-simulate": '{"status": 418}'}},
        {"json": {"text": "a", "simulate": {"status": 418}}},
        {"json": {"instances": [{"text": "a"}, {"text": "b", "simulate": {"status": 418}}]}},
        {"json": {"dataframe_split": {"columns": ["simulate"], "data": [[{"status": 418}]]}}},
        {"content": b"not JSON", "params": {"status": "418"}},
        {"json": {"instances": [{"simulate": {"status": 418}}]}, "params": {"status": "500"}},
        {"headers": {"x-simulate": '{"status": 418}'}, "params": {"status": "500"}},
        {"json": {"simulate": {"status": 418}}, "headers": {"x-simulate": '{"status": 500}'}},
    ],
)
async def test_a_fault_can_be_asked_for_in(client: httpx.AsyncClient, asked: Any) -> None:
    answer = await client.post("/score", **({"json": TEXT} | asked if "content" not in asked else asked))

    assert answer.status_code == 418


async def test_members_from_several_places_add_up(client: httpx.AsyncClient) -> None:
    answer = await client.post(
        "/score?status=503",
        headers={"x-simulate": '{"retryAfter": 9}'},
        json={"simulate": {"message": "busy"}},
    )

    assert answer.status_code == 503
    assert answer.headers["retry-after"] == "9"
    assert answer.json() == {"message": "busy"}


async def test_the_instructions_are_not_echoed(client: httpx.AsyncClient) -> None:
    one = await score(client, body={"text": "a", "simulate": {}})
    many = await score(client, body={"instances": [{"text": "a", "simulate": {}}]})

    assert one.json()["echo"] == {"text": "a"}
    assert many.json()["predictions"][0]["echo"] == {"text": "a"}


@pytest.mark.parametrize(
    ("fault", "message"),
    [
        ({"stauts": 503}, "simulate: unknown member stauts; did you mean status?"),
        ({"retry_after": 1}, "simulate: unknown member retry_after; did you mean retryAfter?"),
        ({"status": "many"}, "simulate: status: "),
        ({"status": 199}, "simulate: status: "),
        ({"status": 600}, "simulate: status: "),
        ({"delay": -1}, "simulate: delay: "),
        ({"delay": "nan"}, "simulate: delay: "),
        ({"answer": "nice"}, "simulate: answer: "),
        ({"drop": "later"}, "simulate: drop: "),
        ({"rate": 1.1}, "simulate: rate: "),
        ({"contentType": "a\r\nx: y"}, "simulate: contentType: "),
        ({"retryAfter": "é"}, "simulate: retryAfter: "),
        ([], "simulate: a fault is a JSON object, not []"),
        ("status=503", "simulate: a fault is a JSON object, not 'status=503'"),
        (None, "simulate: a fault is a JSON object, not None"),
    ],
)
async def test_what_is_no_fault_is_a_400_that_names_it(client: httpx.AsyncClient, fault: Any, message: str) -> None:
    in_body = await score(client, body={"simulate": fault})
    in_record = await score(client, body={"instances": [{"simulate": fault}]})

    assert in_body.status_code == in_record.status_code == 400
    assert in_body.json()["message"].startswith(message)
    assert in_record.json() == in_body.json()


@pytest.mark.parametrize("header", ["{", "status=503", ""])
async def test_a_header_that_is_not_json_is_a_400(client: httpx.AsyncClient, header: str) -> None:
    answer = await client.post("/score", headers={"x-simulate": header}, json=TEXT)

    assert answer.status_code == 400
    assert answer.json()["message"].startswith("x-simulate is not JSON")


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b"1", b'"text"', b"\xff"])
async def test_a_body_without_inputs_is_a_400(client: httpx.AsyncClient, body: bytes) -> None:
    answer = await client.post("/score", content=body)

    assert answer.status_code == 400
    assert "body" in answer.json()["message"]


@pytest.mark.parametrize(
    ("records", "status"),
    [
        ([{"text": "a"}] * 2, 200),
        ([{"text": "a"}] * 3, 400),
        ([{"text": "a"}, {"text": "b", "bad": True}], 400),
        ([{"text": "a", "bad": False}], 200),
    ],
)
async def test_a_batch_is_rejected_for_its_size_or_a_bad_record(
    client: httpx.AsyncClient, records: Any, status: int
) -> None:
    answer = await score(client, {"rejectBatch": 2}, {"instances": records})

    assert answer.status_code == status


async def test_times_counts_the_calls_of_a_key(client: httpx.AsyncClient) -> None:
    async def statuses(key: str) -> list[int]:
        answers = [await score(client, {"status": 503, "times": 2, "key": key}) for _ in range(4)]
        return [answer.status_code for answer in answers]

    assert await statuses("a") == [503, 503, 200, 200]
    assert await statuses("b") == [503, 503, 200, 200]


async def test_without_a_key_the_path_is_counted(client: httpx.AsyncClient) -> None:
    fault = {"status": 503, "times": 1}

    answers = [await score(client, fault, path=path) for path in ("/score/a", "/score/b", "/score/a")]

    assert [answer.status_code for answer in answers] == [503, 503, 200]


async def test_a_reset_forgets_times_and_rate(client: httpx.AsyncClient) -> None:
    fault = {"status": 503, "times": 1}

    first = await score(client, fault)
    await client.post("/calls/reset")
    second = await score(client, fault)

    assert (first.status_code, second.status_code) == (503, 503)


async def test_of_several_records_the_first_fault_that_applies_decides(client: httpx.AsyncClient) -> None:
    batch = {"instances": [{"simulate": {"status": 503, "times": 1}}, {"simulate": {"status": 500}}]}

    answers = [await score(client, body=batch) for _ in range(2)]

    assert [answer.status_code for answer in answers] == [503, 500]


def test_rate_is_a_share_and_the_same_in_every_run() -> None:
    fault = Fault(rate=0.3)

    runs = [[m.first_that_applies([fault], "/score") for _ in range(1_000)] for m in memories(2)]

    assert runs[0] == runs[1]
    assert 250 < sum(applied is not None for applied in runs[0]) < 350


def memories(count: int) -> list[FaultMemory]:
    return [FaultMemory() for _ in range(count)]


def test_a_place_is_given_back() -> None:
    memory = FaultMemory()

    with memory.place("/score", 1), pytest.raises(Full), memory.place("/score", 1):
        pass

    with memory.place("/score", 1), memory.place("/other", 1):
        pass


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
        lambda inner: (
            st.lists(inner, max_size=3)
            | st.dictionaries(st.sampled_from(["status", "delay", "rate", "times", "key", "other"]), inner, max_size=4)
        ),
        max_leaves=8,
    )
)
@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_anything_else_is_a_bad_fault_and_never_another_error(value: Any) -> None:
    with suppress(BadFault):
        assert isinstance(read(value), Fault)


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"x-request-id": "r" * 100}, 200),
        ({"x-request-id": "r" * 101}, 431),
        ({"x-ms-client-request-id": "r" * 101}, 431),
        ({"x-ms-request-id": "r" * 101}, 431),
    ],
)
async def test_a_request_id_has_at_most_100_characters(
    client: httpx.AsyncClient, headers: dict[str, str], status: int
) -> None:
    answer = await client.post("/score", headers=headers, json=TEXT)

    assert answer.status_code == status


async def test_request_ids_come_back(client: httpx.AsyncClient) -> None:
    headers = {"x-request-id": "one", "x-ms-client-request-id": "two"}

    answer = await client.post("/score", headers=headers, json=TEXT)

    assert {name: answer.headers[name] for name in headers} == headers
    assert answer.headers["x-ms-request-id"] == "two"


async def test_get_is_not_allowed(client: httpx.AsyncClient) -> None:
    answer = await client.get("/score")

    assert answer.status_code == 405
    assert answer.json() == {"message": "Method Not Allowed"}
