"""The endpoint that everything is measured against: does it answer rightly, in C and on uvloop?"""

import http.client
import json
import socket
import time
import zlib
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import orjson
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from benchmarks.endpoint import Endpoint, compiled, start_endpoint

TIMER = 0.001
"""Seconds: libuv counts whole milliseconds."""


@pytest.fixture(scope="module", params=["C", "uvloop"])
def endpoint(request: pytest.FixtureRequest) -> Iterator[Endpoint]:
    if request.param == "C" and compiled() is None:
        pytest.skip("no C compiler here")
    with start_endpoint(request.param) as running:
        yield running


def post(endpoint: Endpoint, path: str, body: bytes) -> tuple[int, Any]:
    connection = http.client.HTTPConnection("127.0.0.1", endpoint.port, timeout=10)
    try:
        connection.request("POST", path, body)
        answer = connection.getresponse()
        assert answer.headers["Content-Type"] == "application/json"
        return answer.status, json.loads(answer.read())
    finally:
        connection.close()


def digest(record: bytes) -> str:
    return f"{zlib.crc32(record):08x}"


def test_a_record_gets_one_answer_of_about_130_bytes(endpoint: Endpoint) -> None:
    status, answer = post(endpoint, "/d/0", b'{"text":"hola"}')

    assert status == 200
    assert answer["detected_language_code"] == "es"
    assert answer["digest"] == digest(b'{"text":"hola"}')
    assert 110 <= len(json.dumps(answer, separators=(",", ":"))) <= 150


RECORDS: list[tuple[bytes, list[bytes]]] = [
    (b'{"instances":[]}', []),
    (b'{"instances": [ ] }', []),
    (b'{"instances":[{"text":"a"}]}', [b'{"text":"a"}']),
    (b' {"instances" : [ {"text":"a"} , {"text":"b"} ] } ', [b'{"text":"a"}', b'{"text":"b"}']),
    (rb'{"instances":["]","a,b","\"","\\",",[{"]}', [b'"]"', b'"a,b"', rb'"\""', rb'"\\"', b'",[{"']),
    (b'{"instances":[1,-2.5,true,null,[1,[2,3]],{"a":[1,{"b":"}"}]}]}',
     [b"1", b"-2.5", b"true", b"null", b"[1,[2,3]]", b'{"a":[1,{"b":"}"}]}']),
    (b'{"instances":[["a,b"],[]],"parameters":{"data":[1,2,3]}}', [b'["a,b"]', b"[]"]),
    (b'{"dataframe_split":{"columns":["text"],"data":[["a"],["b"],["c"]]}}', [b'["a"]', b'["b"]', b'["c"]']),
    (b'{"dataframe_split":{"data":[["],"]],"index":[0,1,2],"columns":["text"]}}', [b'["],"]']),
    (b'{"dataframe_split":{"columns":["data"],"index":[0],"data":[]}}', []),
]  # fmt: skip


@pytest.mark.parametrize(("body", "records"), RECORDS)
def test_a_batch_gets_a_prediction_for_each_record(endpoint: Endpoint, body: bytes, records: list[bytes]) -> None:
    status, answer = post(endpoint, "/d/0", body)

    assert status == 200
    assert [each["digest"] for each in answer["predictions"]] == [digest(record) for record in records]


JSON_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=5), inner, max_size=4),
    max_leaves=10,
)


@settings(deadline=None, max_examples=60, suppress_health_check=list(HealthCheck))
@given(records=st.lists(JSON_VALUES, max_size=8), shape=st.sampled_from(["instances", "dataframe_split"]))
def test_any_json_is_counted(endpoint: Endpoint, records: list[Any], shape: str) -> None:
    batch = records if shape == "instances" else {"columns": ["a"], "data": records, "index": [[1]]}

    status, answer = post(endpoint, "/d/0", orjson.dumps({shape: batch}))

    assert status == 200
    assert [each["digest"] for each in answer["predictions"]] == [digest(orjson.dumps(one)) for one in records]


def test_a_batch_of_several_megabytes_is_counted(endpoint: Endpoint) -> None:
    records = [json.dumps({"text": f"{index} " + "x" * 100}, separators=(",", ":")) for index in range(30_000)]

    status, answer = post(endpoint, "/d/0", f'{{"instances":[{",".join(records)}]}}'.encode())

    assert status == 200
    assert len(answer["predictions"]) == 30_000
    assert answer["predictions"][-1]["digest"] == digest(records[-1].encode())


@pytest.mark.parametrize("body", [b'{"text":"instances"}', b'{"text":{"instances":[1,2]}}', b"[1,2]", b""])
def test_anything_else_is_one_record(endpoint: Endpoint, body: bytes) -> None:
    status, answer = post(endpoint, "/d/0", body)

    assert (status, answer["digest"]) == (200, digest(body))


@pytest.mark.parametrize(
    "body",
    [
        b'{"instances":[1,2',
        b'{"instances":["a',
        b'{"instances":{}}',
        b'{"instances":[1,]}',
        b'{"instances":[,1]}',
        b'{"dataframe_split":{"columns":["a"]}}',
        b'{"dataframe_split":{"data":[[1]',
        b'{"instances":[%s]}' % b",".join([b"1"] * 65_537),
    ],
)
def test_a_batch_that_cannot_be_read_is_refused(endpoint: Endpoint, body: bytes) -> None:
    assert post(endpoint, "/d/0", body)[0] == 400


@pytest.mark.parametrize("path", ["/", "/d/", "/d/x", "/d/-1", "/d/70000", "/tails", "/d/1/2"])
def test_an_unknown_path_is_not_found(endpoint: Endpoint, path: str) -> None:
    assert post(endpoint, path, b"{}")[0] == 404


def test_other_methods_are_refused(endpoint: Endpoint) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", endpoint.port, timeout=10)
    connection.request("GET", "/d/0")

    assert connection.getresponse().status == 405
    connection.close()


def exchange_in_pieces(connection: socket.socket, pieces: list[bytes]) -> bytes:
    for piece in pieces:
        connection.sendall(piece)
        time.sleep(0.002)
    return connection.recv(65_536)


def test_requests_that_arrive_in_pieces_are_put_together(endpoint: Endpoint) -> None:
    body = rb'{"instances":["a","b","c\"]"]}'
    request = b"POST /d/0 HTTP/1.1\r\nHost: a\r\nCONTENT-LENGTH: %d\r\n\r\n%b" % (len(body), body)
    byte_by_byte = [request[index : index + 1] for index in range(len(request))]

    with socket.create_connection(("127.0.0.1", endpoint.port), timeout=10) as connection:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        answers = [
            exchange_in_pieces(connection, pieces) for pieces in (byte_by_byte, [request[:60], request[60:]], [request])
        ]

    assert answers[0].startswith(b"HTTP/1.1 200 OK\r\n")
    assert answers[0].count(b"digest") == 3
    assert answers == [answers[0]] * 3


def test_delays_are_at_least_what_was_asked_for(endpoint: Endpoint) -> None:
    started = time.monotonic()
    post(endpoint, "/d/30", b"{}")

    assert time.monotonic() - started >= 0.030 - TIMER


def test_every_twentieth_request_is_in_the_tail(endpoint: Endpoint) -> None:
    endpoint.reset()
    post(endpoint, "/tail", b"{}")
    endpoint.reset()

    slow = []
    for index in range(40):
        started = time.monotonic()
        post(endpoint, "/tail", b"{}")
        elapsed = time.monotonic() - started
        assert elapsed >= 0.010 - TIMER
        slow += [index] if elapsed >= 0.200 - TIMER else []

    assert {19, 39} <= set(slow)


def test_hundreds_of_connections_wait_at_the_same_time(endpoint: Endpoint) -> None:
    bodies = [b'{"text":"%d"}' % index for index in range(200)]

    with ThreadPoolExecutor(50) as pool:
        answers = list(pool.map(lambda body: post(endpoint, "/d/20", body), bodies))

    assert [answer["digest"] for _, answer in answers] == [digest(body) for body in bodies]


def test_a_client_that_leaves_does_not_harm_the_others(endpoint: Endpoint) -> None:
    request = b"POST /d/30 HTTP/1.1\r\nContent-Length: 2\r\n\r\n{}"
    for _ in range(20):
        with socket.create_connection(("127.0.0.1", endpoint.port), timeout=10) as connection:
            connection.sendall(request)

    assert post(endpoint, "/d/40", b"{}")[0] == 200


def test_it_ends_on_sigterm() -> None:
    endpoint = start_endpoint()

    endpoint.stop()

    assert endpoint.process.returncode is not None
    with pytest.raises(ConnectionRefusedError):
        post(endpoint, "/d/0", b"{}")
