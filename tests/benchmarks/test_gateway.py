"""Ours is driven over HTTP as a caller would; a stand-in is behind it: only the driver is tested."""

import json
import os
import threading
import zlib
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from benchmarks.gateway import Gateway, check_answer, definition, envelope
from benchmarks.measure import Job
from benchmarks.skills import make_records


class StandIn(ThreadingHTTPServer):
    """Keeps the skills put, and scores every record as the endpoint does."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), StandInHandler)
        self.skills: dict[str, Any] = {}


class StandInHandler(BaseHTTPRequestHandler):
    server: StandIn
    protocol_version = "HTTP/1.1"

    def do_PUT(self) -> None:
        self.server.skills[self.path] = json.loads(self._body())
        self._send(201, {})

    def do_POST(self) -> None:
        values = json.loads(self._body())["values"]
        if self.path not in self.server.skills:
            self._send(404, {"error": {"code": "NotFound"}})
        else:
            self._send(200, {"values": [scored(value) for value in values]})

    def _body(self) -> bytes:
        return self.rfile.read(int(self.headers["Content-Length"]))

    def _send(self, status: int, answer: Any) -> None:
        content = json.dumps(answer).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *_: object) -> None:
        """Nothing on the console."""


def scored(value: Any) -> Any:
    sent = json.dumps(value["data"], separators=(",", ":")).encode()
    data = {"detected_language_code": "es", "digest": f"{zlib.crc32(sent):08x}"}
    return {"recordId": value["recordId"], "data": data, "errors": [], "warnings": []}


@pytest.fixture
def host() -> Iterator[StandIn]:
    with StandIn() as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        yield server
        server.shutdown()
        thread.join()


def test_a_batch_goes_through_one_post_of_a_skill_put_before(host: StandIn) -> None:
    gateway = Gateway(f"http://127.0.0.1:{host.server_port}", os.getpid())
    job = Job("http://127.0.0.1:1/d/20", 10, make_records(50, seed=1))

    first, second = gateway.run(job), gateway.run(job)

    assert first.records == second.records == 50
    assert first.wall_s > 0 < first.cpu_s
    assert host.skills == {"/api/skills/bench-0": definition(job)}


def test_other_kinds_of_jobs_are_other_skills(host: StandIn) -> None:
    gateway = Gateway(f"http://127.0.0.1:{host.server_port}", os.getpid())
    url, records = "http://127.0.0.1:1/d/20", make_records(3, seed=1)

    for job in (Job(url, 5, records), Job(url, 10, records), Job(url, 5, records, per_call=32)):
        gateway.run(job)

    assert [skill["degreeOfParallelism"] for skill in host.skills.values()] == [5, 10, 5]
    assert [skill["gateway"].get("maxRecordsPerCall") for skill in host.skills.values()] == [None, None, 32]


def test_the_envelope_holds_the_records_as_they_are() -> None:
    assert json.loads(envelope([b'{"text":"a"}', b'{"text":"b"}'])) == {
        "values": [{"recordId": "0", "data": {"text": "a"}}, {"recordId": "1", "data": {"text": "b"}}]
    }


def answer(**changes: Any) -> bytes:
    return json.dumps({"values": [scored({"recordId": "0", "data": {"text": "a"}}) | changes]}).encode()


def test_an_answer_with_every_record_scored_is_accepted() -> None:
    check_answer(answer(), [b'{"text":"a"}'])


@pytest.mark.parametrize(
    ("content", "fault"),
    [
        (answer(errors=[{"message": "the endpoint answered 503"}], data={}), "1 of 1 records have errors"),
        (answer(recordId="1"), "not those of the request"),
        (b'{"values":[]}', "not those of the request"),
    ],
)
def test_an_answer_that_lost_a_record_is_no_measurement(content: bytes, fault: str) -> None:
    with pytest.raises(RuntimeError, match=fault):
        check_answer(content, [b'{"text":"a"}'])


def test_another_records_answer_is_no_measurement() -> None:
    with pytest.raises(ValueError, match="1 of them another record"):
        check_answer(answer(), [b'{"text":"b"}'])
