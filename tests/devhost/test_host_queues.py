"""Queue triggers and outputs against a real Azurite."""

import base64
import json
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from azure.core.exceptions import ResourceNotFoundError
from azure.storage.queue import QueueClient, QueueServiceClient

from tests.devhost.running import SAMPLE, Host, azurite, eventually, hosting

Put = Callable[[str, str], None]


@pytest.fixture(scope="module")
def queues() -> Iterator[str]:
    with azurite() as connection:
        yield connection


@pytest.fixture(scope="module")
def host(queues: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Host]:
    with hosting(
        SAMPLE,
        AzureWebJobsStorage=queues,
        BRIDGE_DATA=str(tmp_path_factory.mktemp("data")),
        TICK="0 0 4 * * *",
        OUT_QUEUE="in-q",
    ) as host:
        yield host


@pytest.fixture(scope="module")
def service(queues: str) -> Iterator[QueueServiceClient]:
    with QueueServiceClient.from_connection_string(queues, api_version="2021-12-02") as service:
        yield service


@pytest.fixture(scope="module")
def put(service: QueueServiceClient) -> Put:
    def put(queue: str, text: str) -> None:
        client = service.get_queue_client(queue)
        try:
            client.send_message(text)
        except ResourceNotFoundError:
            client.create_queue()
            client.send_message(text)

    return put


def encoded(text: str | bytes) -> str:
    return base64.b64encode(text if isinstance(text, bytes) else text.encode()).decode()


def waiting_in(queue: QueueClient) -> list[str]:
    try:
        return [str(message.content) for message in queue.peek_messages(max_messages=32)]
    except ResourceNotFoundError:
        return []


def calls_of(host: Host, body: str) -> list[dict[str, Any]]:
    return [call for call in host.seen("forward") if call["body"] == body]


def test_a_message_runs_its_function_and_what_that_returns_runs_the_next(host: Host, put: Put) -> None:
    put("in-q", encoded("first"))  # the queue was missing: the host has kept looking

    eventually(lambda: "forwarded first" in host.seen("end"))

    [call] = calls_of(host, "first")
    assert call["count"] == 1
    assert call["inserted"].startswith("20")
    assert host.lines("Executing 'Functions.forward' (Reason='New queue message detected on 'in-q'.'")
    assert host.lines("Trigger Details: MessageId: " + call["id"])


@pytest.mark.parametrize("target", ["/api/out", "/api/outlist"])
def test_a_json_array_is_a_message_an_element(host: Host, target: str) -> None:
    words = [f"{target} one", f"{target} two"]

    reply = host.call("POST", target, json.dumps(words).encode())

    assert reply.status == 202
    eventually(lambda: all(calls_of(host, word) for word in words))


def test_an_output_that_only_looks_like_json_fails_the_call(host: Host) -> None:
    assert host.call("POST", "/api/out", b"{not json}").status == 500
    assert host.lines("Executed 'Functions.out' (Failed")


def test_a_message_that_always_fails_is_tried_five_times_and_then_poison(
    host: Host, service: QueueServiceClient, put: Put
) -> None:
    poison = service.get_queue_client("in-q-poison")

    put("in-q", encoded("please fail"))

    eventually(lambda: encoded("please fail") in waiting_in(poison))
    assert [call["count"] for call in calls_of(host, "please fail")] == [1, 2, 3, 4, 5]
    assert host.lines("reached MaxDequeueCount of 5")


def test_text_that_is_not_base64_is_poison_without_a_call(host: Host, service: QueueServiceClient, put: Put) -> None:
    before = len(host.seen("forward"))

    put("in-q", "not base64!")

    eventually(lambda: "not base64!" in waiting_in(service.get_queue_client("in-q-poison")))
    assert len(host.seen("forward")) == before


def test_bytes_that_are_not_utf8_fail_and_end_as_poison(host: Host, service: QueueServiceClient, put: Put) -> None:
    text = encoded(b"\xff\xfe\x00")

    put("in-q", text)

    eventually(lambda: text in waiting_in(service.get_queue_client("in-q-poison")))
    assert len(host.lines("utf-8", "Functions.forward")) == 5


def test_a_json_bodys_id_stands_where_the_messages_own_should(host: Host, put: Put) -> None:
    body = '{"id": "from the body"}'

    put("in-q", encoded(body))

    assert eventually(lambda: calls_of(host, body))[0]["id"] == "from the body"


def test_a_json_body_with_a_metadata_name_can_break_its_own_message(
    service: QueueServiceClient, put: Put, host: Host
) -> None:
    text = encoded('{"dequeueCount": "many"}')

    put("in-q", text)

    eventually(lambda: text in waiting_in(service.get_queue_client("in-q-poison")))
    assert calls_of(host, '{"dequeueCount": "many"}') == []


def test_a_queue_function_runs_by_hand_with_the_text_as_it_is(host: Host) -> None:
    reply = host.call("POST", "/admin/functions/end", b'{"input": "by hand"}')

    assert reply.status == 202
    eventually(lambda: "by hand" in host.seen("end"))


def test_many_messages_are_all_done_and_none_is_left(host: Host, service: QueueServiceClient, put: Put) -> None:
    bodies = [f"bulk {number}" for number in range(100)]
    for body in bodies:
        put("in-q", encoded(body))

    eventually(lambda: {call["body"] for call in host.seen("forward")} >= set(bodies))
    eventually(lambda: service.get_queue_client("in-q").get_queue_properties().approximate_message_count == 0)
    assert sum(call["body"] in bodies for call in host.seen("forward")) == 100


PLAIN_APP = """
import azure.functions as func
app = func.FunctionApp()

@app.queue_trigger(arg_name="msg", queue_name="plain-poison", connection="Own")
@app.queue_output(arg_name="out", queue_name="plain-out", connection="Own")
def plain(msg: str, out: func.Out[str]) -> None:
    out.set(f"<{msg}>")
"""


def test_encoding_none_leaves_text_as_it_is_both_ways(
    queues: str, service: QueueServiceClient, put: Put, tmp_path: Path
) -> None:
    options = {"messageEncoding": "none", "maxPollingInterval": "00:00:00.2"}
    (tmp_path / "host.json").write_text(json.dumps({"version": "2.0", "extensions": {"queues": options}}))
    (tmp_path / "function_app.py").write_text(PLAIN_APP)
    put("plain-poison", "as it is & <so>")

    with hosting(tmp_path, Own=queues):
        eventually(lambda: waiting_in(service.get_queue_client("plain-out")) == ["<as it is & <so>>"])


FAILING_APP = """
import azure.functions as func
app = func.FunctionApp()

@app.queue_trigger(arg_name="msg", queue_name="waits", connection="Own")
def waits(msg: str) -> None:
    raise ValueError("on purpose")
"""


def test_a_failed_message_waits_for_the_visibility_timeout(queues: str, put: Put, tmp_path: Path) -> None:
    options = {"messageEncoding": "none", "maxPollingInterval": "00:00:00.1", "visibilityTimeout": "00:00:02"}
    (tmp_path / "host.json").write_text(json.dumps({"version": "2.0", "extensions": {"queues": options}}))
    (tmp_path / "function_app.py").write_text(FAILING_APP)
    put("waits", "x")

    with hosting(tmp_path, Own=queues) as host:
        eventually(lambda: len(host.lines("Functions.waits' (Failed")) == 1)
        failed = time.monotonic()
        eventually(lambda: len(host.lines("Functions.waits' (Failed")) == 2)

    assert 1 < time.monotonic() - failed < 10


def test_the_host_starts_without_its_storage_and_says_so_once(tmp_path: Path) -> None:
    with azurite() as gone:
        pass

    with hosting(
        SAMPLE, AzureWebJobsStorage=gone, BRIDGE_DATA=str(tmp_path), TICK="0 0 4 * * *", OUT_QUEUE="q-q"
    ) as host:
        eventually(lambda: host.lines("'in-q' cannot be read"))
        assert host.get("/api/echo/x").status == 200
        assert host.call("POST", "/api/out", b"x").status == 500
        assert len(host.lines("'in-q' cannot be read")) == 1
