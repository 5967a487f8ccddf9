"""A run tells of its end: to a receiver over HTTP, and to whoever reads the queue `run-events`."""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from azure.storage.queue import QueueServiceClient

from tests.devhost.running import eventually
from tests.support.receiver import Received, Receiver, receiving
from tests.support.workshop import SCORES, SOON, Workshop, running_workshop
from tests.triggers.test_skills import error_of

SECRET = "sentinel-secret-of-the-receiver"
PAGE = Path(__file__).parents[2] / "docs" / "notifications.md"


@pytest.fixture(scope="module")
def receiver() -> Iterator[Receiver]:
    with receiving() as receiver:
        yield receiver


@pytest.fixture(scope="module")
def shop() -> Iterator[Workshop]:
    with running_workshop(NOTIFY_HOOK=SECRET, NOTIFY_HOSTS="hooks.contoso.com", **SOON) as workshop:
        yield workshop


def notify(receiver: Receiver, path: str, **members: Any) -> dict[str, Any]:
    return {"url": f"{receiver.url}{path}", "secret": "@appsetting('NOTIFY_HOOK')", **members}


def told(receiver: Receiver, path: str) -> list[Received]:
    """Each attempt once: it may come twice, where two looks at a run meet."""
    found = {(got.headers["x-bridge-delivery"], got.headers["x-bridge-attempt"]): got for got in receiver.at(path)}
    return list(found.values())


def events(shop: Workshop, run: str) -> list[dict[str, Any]]:
    """Each once, likewise."""
    with QueueServiceClient.from_connection_string(shop.account) as service:
        found = service.get_queue_client("run-events").peek_messages(32)
    every = {event["event"]: event for event in map(json.loads, (message.content for message in found))}
    return [event for event in every.values() if event["run"] == run]


def verified(received: Received, secret: str, now: float | None = None) -> bool:
    """By the sample that the page gives to receivers."""
    [sample] = re.findall(r"```python\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)
    names: dict[str, Any] = {}
    exec(compile(sample, str(PAGE), "exec"), names)  # the page's own code is what is tested
    arguments = {} if now is None else {"now": now}
    return bool(names["is_genuine"](received.headers, received.body, secret, **arguments))


def test_a_run_that_succeeds_is_told_signed_and_with_all_that_the_api_says_of_it(
    shop: Workshop, receiver: Receiver
) -> None:
    run = shop.publish("told", {"scores.csv": SCORES}, notify=notify(receiver, "/told"))

    [received] = eventually(lambda: told(receiver, "/told"))

    body = json.loads(received.body)
    assert (body["v"], body["type"], body["workflow"]) == (1, "run.succeeded", "told")
    assert body["run"] == run
    assert body["at"] == run["timeline"][-1]["at"]
    assert received.headers["x-bridge-delivery"] == body["id"]
    assert received.headers["content-type"] == "application/json"
    assert verified(received, SECRET)
    assert not verified(received, "another secret")
    assert not verified(Received(received.path, received.headers, received.body + b" "), SECRET)
    assert not verified(received, SECRET, now=float(received.headers["x-bridge-timestamp"]) + 3600)


def test_every_end_is_an_event_in_the_queue_with_or_without_a_receiver(shop: Workshop) -> None:
    run = shop.publish("event", {"scores.csv": SCORES})

    [event] = eventually(lambda: events(shop, run["id"]))

    assert event.pop("event").startswith(run["id"])
    assert event == {
        "v": 1,
        "run": run["id"],
        "workflow": "event",
        "status": "succeeded",
        "entity": "Event",
        "snapshot": run["snapshot"],
        "at": run["timeline"][-1]["at"],
    }


def test_a_run_that_is_held_and_then_discarded_is_told_of_twice(shop: Workshop, receiver: Receiver) -> None:
    run = shop.start("kept-back", {"scores.csv": SCORES}, quality={"minRows": 9}, notify=notify(receiver, "/kept"))
    shop.wait_for(run, "held")
    eventually(lambda: receiver.at("/kept"))
    assert shop.bridge.call("POST", f"runs/{run}/discard").status == 200

    eventually(lambda: len(told(receiver, "/kept")) == 2)

    bodies = [json.loads(received.body) for received in told(receiver, "/kept")]
    assert [body["type"] for body in bodies] == ["run.held", "run.canceled"]
    assert len({body["id"] for body in bodies}) == 2
    assert eventually(lambda: [event["status"] for event in events(shop, run)] == ["held", "canceled"])


def test_only_what_is_asked_for_is_told(shop: Workshop, receiver: Receiver) -> None:
    run = shop.publish("choosy", {"scores.csv": SCORES}, notify=notify(receiver, "/choosy", on=["failed", "held"]))

    eventually(lambda: events(shop, run["id"]))

    assert receiver.at("/choosy") == []


def test_a_receiver_that_fails_is_told_again_under_the_same_id_and_the_run_does_not_wait(
    shop: Workshop, receiver: Receiver
) -> None:
    receiver.answers["/flaky"] = [500]

    run = shop.publish("flaky", {"scores.csv": SCORES}, notify=notify(receiver, "/flaky"))

    assert run["status"] == "succeeded"
    eventually(lambda: len(told(receiver, "/flaky")) == 2, 30)
    first, second = told(receiver, "/flaky")
    assert first.headers["x-bridge-delivery"] == second.headers["x-bridge-delivery"]
    assert [received.headers["x-bridge-attempt"] for received in (first, second)] == ["1", "2"]
    assert "heldFor" not in shop.run(run["id"])
    assert shop.bridge.host.lines("run_not_told", run["id"], "answered 500")


def test_a_redirect_is_not_followed(shop: Workshop, receiver: Receiver) -> None:
    receiver.answers["/moved"] = [307]

    run = shop.publish("moved", {"scores.csv": SCORES}, notify=notify(receiver, "/moved"))

    eventually(lambda: shop.bridge.host.lines("run_not_told", run["id"], "a redirect, which is not followed"))
    assert receiver.at("/elsewhere") == []


def test_a_receiver_that_wants_no_more_is_noted_on_the_run_and_can_be_told_again_by_a_person(
    shop: Workshop, receiver: Receiver
) -> None:
    receiver.answers["/gone"] = [410]
    run = shop.publish("gone", {"scores.csv": SCORES}, notify=notify(receiver, "/gone"))

    noted = eventually(
        lambda: [entry for entry in shop.run(run["id"])["timeline"] if "given up" in entry.get("note", "")]
    )
    [poison] = eventually(
        lambda: [entry for entry in shop.bridge.call("GET", "poison").json["value"] if run["id"] in entry["body"]]
    )

    assert noted[0]["status"] == "succeeded"
    assert "127.0.0.1 answered 410" in noted[0]["note"]
    assert (poison["queue"], poison["code"]) == ("run-notify", "NotificationFailed")
    before = len(receiver.at("/gone"))
    assert shop.bridge.call("POST", f"poison/{poison['id']}/redrive").status == 202
    assert eventually(lambda: len(receiver.at("/gone")) > before)


@pytest.mark.parametrize(
    ("members", "says"),
    [
        ({"url": "http://hooks.contoso.com/x"}, "only https is allowed"),
        ({"url": "https://contoso.com/x"}, r"add it to the app setting NOTIFY_HOSTS \(now: hooks.contoso.com\)"),
        ({"url": "https://evilhooks.contoso.com/x"}, "is not on the allow-list"),
        ({"url": "https://10.0.0.4/x"}, "an address literal is refused"),
        ({"secret": "s3cret"}, r"is a reference @appsetting\('NOTIFY_<NAME>'\)"),
        ({"secret": "@appsetting('SKILL_KEY_A')"}, r"@appsetting\('NOTIFY_<NAME>'\)"),
        ({"secret": "@appsetting('NOTIFY_HOSTS')"}, r"@appsetting\('NOTIFY_<NAME>'\)"),
        ({"secret": None}, "notify.secret: is required"),
        ({"on": ["published"]}, "notify.on"),
        ({"on": []}, "needs at least one item"),
        ({"events": ["held"]}, "unknown parameter 'events'"),
    ],
)
def test_what_cannot_be_told_is_refused_when_it_is_saved(shop: Workshop, members: dict[str, Any], says: str) -> None:
    good = {"url": "https://hooks.contoso.com/x", "secret": "@appsetting('NOTIFY_HOOK')"}

    reply = shop.save("wrong", notify={**good, **members})

    assert reply.status == 400, reply.body
    assert re.search(says, error_of(reply)["message"]), error_of(reply)


def test_a_workflow_says_whom_it_tells_and_never_with_what_secret(shop: Workshop) -> None:
    told = {"url": "https://x.hooks.contoso.com/y", "secret": "@appsetting('NOTIFY_HOOK')", "on": ["failed"]}

    assert shop.save("says", notify=told).status == 201

    got = shop.bridge.call("GET", "workflows/says")
    assert got.json["notify"] == told
    assert SECRET.encode() not in got.body
    assert "notify" not in shop.bridge.call("PATCH", "workflows/says", {"notify": None}).json
    assert shop.bridge.host.lines(SECRET) == []
