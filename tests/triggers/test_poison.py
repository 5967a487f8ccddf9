"""Messages that fail, from the queue through the local host to `/api/poison` and back."""

import base64
import json
import logging
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import pytest
from azure.core.exceptions import ResourceNotFoundError
from azure.storage.queue import QueueClient, QueueServiceClient

from shared.app import Services
from shared.errors import ConfigurationError, NotFound, StorageUnavailable
from shared.storage.poison import TablePoison
from shared.storage.tables import connect
from shared.triggers.poison_queues import take_poison
from shared.triggers.queues import queue_rim
from shared.workflows.poison import Cause, poison_id
from tests.devhost.running import eventually
from tests.operations.fakes import MemoryOwnership
from tests.support.azurite import connection_string, running_azurite
from tests.support.bridge import ROOT, Bridge, running_bridge
from tests.support.identity import no_identity
from tests.support.ports import free_port
from tests.workflows.poison_fakes import MemoryPoison

QUEUES = ["workflow-refresh", "run-advance", "import-part", "aml-events", "run-notify"]
SOON = {"AzureFunctionsJobHost__extensions__queues__maxPollingInterval": "00:00:00.2"}
TRAP = '{"dequeueCount": "x", "id": {"a": 1}, "insertionTime": "never"}'

# An app with a queue of which every message fails, and what else is needed to see it.
FAILING_APP = """
import azure.functions as func
from shared.errors import NotFound
from shared.triggers import poison_http, poison_queues
from shared.triggers.queues import queue_rim

app = func.FunctionApp(http_auth_level=func.AuthLevel.ANONYMOUS)
app.register_functions(poison_http.blueprint)
app.register_functions(poison_queues.blueprint)

@app.queue_trigger(arg_name="msg", queue_name="aml-events", connection="AzureWebJobsStorage")
@queue_rim("aml-events")
async def fail(msg: str) -> None:
    if "ours" in msg:
        raise NotFound("there is no run of this job; nothing is to be done")
    raise ValueError(msg)
"""

type Put = Callable[[str, str], None]


@pytest.fixture(scope="module")
def account() -> Iterator[str]:
    """Of its own: the session's has other hosts that read the same queues."""
    with running_azurite() as connection:
        yield connection


@pytest.fixture(scope="module")
def service(account: str) -> Iterator[QueueServiceClient]:
    with QueueServiceClient.from_connection_string(account) as service:
        yield service


@pytest.fixture(scope="module")
def put(service: QueueServiceClient) -> Put:
    def put(queue: str, text: str) -> None:
        made(service, queue).send_message(text)

    return put


def made(service: QueueServiceClient, queue: str) -> QueueClient:
    client = service.get_queue_client(queue)
    try:
        client.get_queue_properties()
    except ResourceNotFoundError:
        client.create_queue()
    return client


@pytest.fixture(scope="module")
def host(account: str, simulated: str) -> Iterator[Bridge]:
    with running_bridge(account, simulated, ROOT, **SOON) as bridge:
        yield bridge


def seen(bridge: Bridge, queue: str, body: str, count: int = 1) -> dict[str, Any]:
    """The entry, as soon as it is there and has its count."""

    def find() -> list[dict[str, Any]]:
        listed = bridge.call("GET", "poison").json["value"]
        return [entry for entry in listed if (entry["id"], entry["count"]) == (poison_id(queue, body), count)]

    return eventually(find)[0]


async def note(account: str, queue: str, body: str, cause: Cause) -> None:
    async with connect(account, "", no_identity) as tables:
        await TablePoison(tables).note_cause(queue, body, cause)


# What the host gave up


@pytest.mark.parametrize("queue", QUEUES)
async def test_a_poison_message_is_listed_with_the_cause_that_was_stored(
    host: Bridge, account: str, put: Put, queue: str
) -> None:
    cause = Cause("NotFound", "there is no workflow 'x'; GET /api/workflows lists them", Services({}).now())
    await note(account, queue, "with a cause", cause)

    put(f"{queue}-poison", "with a cause")

    entry = seen(host, queue, "with a cause")
    assert (entry["queue"], entry["code"], entry["message"]) == (queue, cause.code, cause.message)
    assert (entry["count"], entry["body"]) == (1, "with a cause")


@pytest.mark.parametrize(
    "body",
    [
        "",
        "plain",
        TRAP,
        "[1]",
        "null",
        base64.b64encode(bytes(range(256))).decode(),
        "x" * 65_536,
        "ä€😀" * 7000,
        " \n",
    ],
    ids=["empty", "plain", "metadata", "array", "null", "binary", "64 KiB", "beyond ASCII", "blank"],
)
def test_any_body_is_listed_and_without_a_cause_says_what_that_means(host: Bridge, put: Put, body: str) -> None:
    put("workflow-refresh-poison", body)

    entry = seen(host, "workflow-refresh", body)

    assert (entry["code"], entry["body"]) == ("CauseUnknown", body[:200])
    assert "could not hand the message over" in entry["message"]


def test_a_message_that_becomes_poison_again_is_one_entry_and_the_newest(host: Bridge, put: Put) -> None:
    for body, count in (("again", 1), ("other", 1), ("again", 2)):
        put("aml-events-poison", body)
        seen(host, "aml-events", body, count)

    assert listed(host)[:2] == ["again", "other"]


def listed(bridge: Bridge) -> list[str]:
    return [entry["body"] for entry in bridge.call("GET", "poison").json["value"]]


def test_the_log_tells_of_a_poison_message_and_nothing_of_its_body(host: Bridge, put: Put) -> None:
    put("run-advance-poison", "sentinel-of-a-body")
    entry = seen(host, "run-advance", "sentinel-of-a-body")

    assert eventually(lambda: host.host.lines("message_poisoned", "queue=run-advance", entry["id"]))
    assert host.host.lines("sentinel-of-a-body") == []


# Sent again


@dataclass(frozen=True)
class Apart:
    """An app in which nothing takes what is sent again, with an account of its own."""

    bridge: Bridge
    queues: QueueServiceClient


@pytest.fixture(scope="module")
def apart(simulated: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Apart]:
    app = tmp_path_factory.mktemp("apart")
    (app / "function_app.py").write_text(FAILING_APP.partition("@app.queue_trigger")[0])
    (app / "host.json").write_text((ROOT / "host.json").read_text())
    with (
        running_azurite() as account,
        QueueServiceClient.from_connection_string(account) as queues,
        running_bridge(account, simulated, app, PYTHONPATH=str(ROOT), **SOON) as bridge,
    ):
        yield Apart(bridge, queues)


@pytest.mark.parametrize("body", ["send me again", TRAP, "x" * 65_536], ids=["plain", "metadata", "64 KiB"])
def test_redrive_sends_the_body_again_and_removes_the_entry(apart: Apart, body: str) -> None:
    made(apart.queues, "import-part-poison").send_message(body)
    entry = seen(apart.bridge, "import-part", body)

    reply = apart.bridge.call("POST", f"poison/{entry['id']}/redrive")

    assert (reply.status, reply.json) == (202, entry)
    assert listed(apart.bridge) == []
    queue = made(apart.queues, "import-part")
    assert [message.content for message in queue.peek_messages(5)] == [body]
    queue.clear_messages()


def test_what_was_sent_again_cannot_be_sent_again(apart: Apart) -> None:
    made(apart.queues, "aml-events-poison").send_message("once")
    entry = seen(apart.bridge, "aml-events", "once")

    replies = [apart.bridge.call("POST", f"poison/{entry['id']}/redrive").status for _ in range(2)]

    assert replies == [202, 404]


@pytest.mark.parametrize("unknown", ["0" * 32, "x", "a%2Fb", "%27", "%F0%9F%98%80"])
def test_an_unknown_message_is_a_404_that_says_what_to_do(host: Bridge, unknown: str) -> None:
    reply = host.call("POST", f"poison/{unknown}/redrive")

    assert reply.status == 404
    assert reply.json["error"]["code"] == "NotFound"
    assert "GET /api/poison lists" in reply.json["error"]["message"]


# From the first attempt on


@pytest.fixture(scope="module")
def failing(simulated: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Apart]:
    """With an account of its own: in another, the app that does not fail would take its messages."""
    app = tmp_path_factory.mktemp("failing")
    (app / "function_app.py").write_text(FAILING_APP)
    options = {"messageEncoding": "none", "maxPollingInterval": "00:00:00.2", "maxDequeueCount": 2}
    extensions = {"http": {"routePrefix": ""}, "queues": options}
    (app / "host.json").write_text(json.dumps({"version": "2.0", "extensions": extensions}))
    with (
        running_azurite() as account,
        QueueServiceClient.from_connection_string(account) as queues,
        running_bridge(account, simulated, app, PYTHONPATH=str(ROOT)) as bridge,
    ):
        yield Apart(bridge, queues)


def test_what_a_function_raises_is_the_cause_that_is_listed(failing: Apart) -> None:
    made(failing.queues, "aml-events").send_message("ours")

    entry = seen(failing.bridge, "aml-events", "ours")

    assert (entry["code"], entry["message"]) == ("NotFound", "there is no run of this job; nothing is to be done")


def test_of_a_foreign_error_the_type_alone_is_told_and_its_place_is_logged(failing: Apart) -> None:
    made(failing.queues, "aml-events").send_message("sentinel of theirs")

    entry = seen(failing.bridge, "aml-events", "sentinel of theirs")

    assert "(ValueError)" in entry["message"]
    assert "sentinel" not in entry["message"]
    [first, *_] = failing.bridge.host.lines("queue_message_failed", entry["id"])
    assert "error=ValueError" in first
    assert "function_app.py:" in first


def test_a_body_that_overwrites_metadata_reaches_a_handler_that_takes_text(failing: Apart) -> None:
    body = TRAP.replace("never", "ours")

    made(failing.queues, "aml-events").send_message(body)

    assert seen(failing.bridge, "aml-events", body)["code"] == "NotFound"


# Who is told


@dataclass
class Listener:
    """Is told of poison messages, and may fail at it."""

    error: Exception | None = None
    told: list[tuple[str, str, Cause | None]] = field(default_factory=list)

    async def __call__(self, queue: str, body: str, cause: Cause | None) -> None:
        self.told.append((queue, body, cause))
        if self.error is not None:
            raise self.error


async def test_the_app_is_told_of_queue_body_and_cause() -> None:
    listener, store, cause = Listener(), MemoryPoison(), Cause("NotFound", "no such run", Services({}).now())
    await store.note_cause("run-advance", "with", cause)
    services = Services({}, poison_store=store, poisoned=listener, ownership=MemoryOwnership())

    await take_poison("run-advance", "with", lambda: services)
    await take_poison("run-advance", "without", lambda: services)

    assert listener.told == [("run-advance", "with", cause), ("run-advance", "without", None)]


async def test_a_message_is_kept_though_nobody_could_be_told() -> None:
    store = MemoryPoison()
    failing = Listener(ValueError("sentinel"))
    services = Services({}, poison_store=store, poisoned=failing, ownership=MemoryOwnership())

    await take_poison("run-advance", "x", lambda: services)

    assert [message.body for message in await store.list()] == ["x"]


async def test_where_telling_may_succeed_later_the_message_goes_back() -> None:
    """Which is refused here, for there is no queue to go to."""
    away = Listener(StorageUnavailable("away"))
    services = Services({}, poison_store=MemoryPoison(), poisoned=away, ownership=MemoryOwnership())

    with pytest.raises(ConfigurationError, match="AzureWebJobsStorage__queueServiceUri"):
        await take_poison("run-advance", "x", lambda: services)


# Storage in trouble


def test_a_message_that_cannot_be_kept_is_put_back(simulated: str) -> None:
    with (
        running_azurite() as queues,
        QueueServiceClient.from_connection_string(queues) as service,
        running_bridge(queues, simulated, ROOT, BRIDGE_STORAGE=connection_string(table=free_port()), **SOON) as bridge,
    ):
        poison = made(service, "import-part-poison")
        poison.send_message("x")

        eventually(lambda: bridge.host.lines("Executed 'Functions.keep_import_part' (Succeeded"))

        assert bridge.host.lines("poison_not_kept", "error=StorageUnavailable")
        eventually(lambda: poison.get_queue_properties().approximate_message_count == 1)  # the taken one goes last
        assert poison.peek_messages() == []  # for the minute to come


async def test_a_cause_that_cannot_be_stored_does_not_hide_the_error(caplog: pytest.LogCaptureFixture) -> None:
    @queue_rim("aml-events", lambda: Services({}, ownership=MemoryOwnership()))
    async def fail(msg: str) -> None:
        raise NotFound("the handler's own")

    with caplog.at_level(logging.WARNING), pytest.raises(NotFound, match="the handler's own"):
        await fail(msg="sentinel-of-a-body")

    assert "cause_not_noted" in caplog.text
    assert "sentinel-of-a-body" not in caplog.text


async def test_a_handler_that_succeeds_leaves_nothing() -> None:
    taken: list[str] = []
    store = MemoryPoison()

    @queue_rim("aml-events", lambda: Services({}, poison_store=store, ownership=MemoryOwnership()))
    async def take(msg: str) -> None:
        taken.append(msg)

    await take(msg="x")

    assert taken == ["x"]
    assert await store.cause_of("aml-events", "x") is None
