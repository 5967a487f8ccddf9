"""Two apps on one data account: the first owns it, the second changes nothing there and says so."""

from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass

import pytest
from azure.data.tables import TableClient
from azure.storage.queue import QueueServiceClient

from tests.devhost.running import eventually
from tests.support.azurite import running_azurite
from tests.support.bridge import INPUTS_AND_OUTPUTS, ROOT, Bridge, running_bridge
from tests.support.workshop import SOON, make_queue
from tests.triggers.test_connections import connection
from tests.triggers.test_skills import error_of
from tests.triggers.test_workflows import workflow

SKILL = {**INPUTS_AND_OUTPUTS, "uri": "https://language.westeurope.inference.ml.azure.com/score"}


@dataclass
class Street:
    """The apps and what lies between them."""

    first: Bridge
    second: Bridge
    data: str
    """The account that both name."""
    own: str
    """The second app's host account."""


@pytest.fixture(scope="module")
def street(simulated: str) -> Iterator[Street]:
    with ExitStack() as parts:
        data, own = parts.enter_context(running_azurite()), parts.enter_context(running_azurite())
        for account in (data, own):
            make_queue(account, "workflow-refresh")
        first = parts.enter_context(running_bridge(data, simulated, ROOT, BRIDGE_APP_ID="First", **SOON))
        assert first.call("PUT", "connections/wf", connection()).status == 201
        assert first.call("PUT", "workflows/value", workflow()).status == 201
        second = parts.enter_context(
            running_bridge(own, simulated, ROOT, BRIDGE_STORAGE=data, BRIDGE_APP_ID="second", **SOON)
        )
        yield Street(first, second, data, own)


def waiting(account: str, queue: str) -> int:
    with QueueServiceClient.from_connection_string(account) as service:
        return int(service.get_queue_client(queue).get_queue_properties().approximate_message_count or 0)


def owner(account: str) -> dict[str, object]:
    with TableClient.from_connection_string(account, "bridgeprocesses") as client:
        return dict(client.get_entity("owner", "account"))


def test_the_first_is_healthy_and_the_second_says_whose_the_account_is_and_what_to_do(street: Street) -> None:
    well, ill = street.first.call("GET", "health"), street.second.call("GET", "health")

    assert (well.status, well.json["status"]) == (200, "healthy")
    assert (ill.status, ill.json["status"], ill.json["error"]["code"]) == (503, "unhealthy", "AccountInUse")
    assert ill.headers["x-ms-error-code"] == "AccountInUse"
    for part in ("belongs to the app 'first'", "this is 'second'", "BRIDGE_STORAGE", "BRIDGE_TAKE_OVER=true"):
        assert part in ill.json["error"]["message"]


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("PUT", "skills/theirs", SKILL),
        ("DELETE", "skills/theirs", None),
        ("PATCH", "workflows/value", {"timeout": "PT1H"}),
        ("POST", "workflows/value/refresh", None),
        ("POST", "runs/x/cancel", None),
        ("POST", "entities/A/rollback", None),
        ("DELETE", "customers/00001", None),
        ("POST", "reader-keys", {"name": "a"}),
        ("POST", "poison/x/redrive", None),
    ],
)
def test_what_would_change_something_is_refused_by_the_second(
    street: Street, method: str, path: str, body: object
) -> None:
    reply = street.second.call(method, path, body)

    assert (reply.status, error_of(reply)["code"]) == (503, "AccountInUse")
    assert int(reply.headers["Retry-After"]) == 60


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("GET", "workflows/value", None),
        ("GET", "runs", None),
        ("GET", "data/", None),
        ("POST", "customers/lookup", {"ids": ["1"]}),
    ],
)
def test_what_only_reads_is_answered_by_both(street: Street, method: str, path: str, body: object) -> None:
    assert [app.call(method, path, body).status != 503 for app in (street.first, street.second)] == [True, True]


def test_messages_of_the_second_are_neither_done_nor_lost_nor_poison(street: Street) -> None:
    with QueueServiceClient.from_connection_string(street.own) as service:
        service.get_queue_client("workflow-refresh").send_message("value")

    eventually(lambda: street.second.host.lines("queue_message_put_back", "workflow-refresh", "AccountInUse"))

    assert eventually(lambda: waiting(street.own, "workflow-refresh") == 1)
    assert street.first.call("GET", "workflows/value/runs").json["value"] == []
    assert street.first.call("GET", "poison").json["value"] == []


def test_the_timers_of_the_second_stand_still(street: Street) -> None:
    assert eventually(lambda: street.second.host.lines("timer_idle", "timer=watch_runs", "AccountInUse"), 40)
    assert street.first.host.lines("timer_idle") == []


def test_another_process_of_the_first_shares_the_account(street: Street, simulated: str) -> None:
    with running_bridge(street.data, simulated, ROOT, BRIDGE_APP_ID="FIRST", **SOON) as third:
        assert third.call("GET", "health").status == 200
        assert third.call("PUT", "skills/ours", SKILL).status == 201


def test_the_second_takes_over_once_and_the_former_owner_is_recorded(simulated: str) -> None:
    with running_azurite() as account:
        for app in ("old", "new"):
            settings = {"BRIDGE_APP_ID": app, "BRIDGE_TAKE_OVER": "true" if app == "new" else "false"}
            with running_bridge(account, simulated, ROOT, **settings) as bridge:
                assert bridge.call("PUT", "skills/s", SKILL).status in (200, 201)
        with running_bridge(account, simulated, ROOT, BRIDGE_APP_ID="old") as bridge:
            assert bridge.call("GET", "health").status == 503
            found = owner(account)
            with TableClient.from_connection_string(account, "bridgeprocesses") as client:
                client.delete_entity("owner", "account")  # as the command does that gives it free
        with running_bridge(account, simulated, ROOT, BRIDGE_APP_ID="old") as bridge:
            assert bridge.call("GET", "health").status == 200

    assert (found["Owner"], found["Former"]) == ("new", "old")
    assert found["Since"]
