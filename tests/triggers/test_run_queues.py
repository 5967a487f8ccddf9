"""Runs begun by queue messages, and brought on by Event Grid's."""

import base64
import time
from collections.abc import Iterator, Mapping
from functools import partial
from typing import Any

import pytest

from tests.devhost.running import eventually
from tests.support.workshop import NONSENSE, SCORES, Workshop, at_once, running_workshop

# Refresh


def encoded(text: str) -> str:
    return base64.b64encode(text.encode()).decode()


MESSAGES = {
    "by-object": '{"workflow": "by-object"}',
    "by-name": "by-name",
    "by-encoded-object": encoded('{"workflow": "BY-ENCODED-OBJECT", "whenActive": "queue"}'),
    "by-encoded-name": encoded("by-encoded-name"),
}


@pytest.fixture(scope="module")
def asked(workshop: Workshop) -> Mapping[str, str]:
    """By workflow: the message that asks for its run, among some that ask for nothing."""
    for name, message in MESSAGES.items():
        assert workshop.save(name).status == 201
        workshop.plan(name, files={"scores.csv": SCORES})
        workshop.send("workflow-refresh", message)
    return MESSAGES


def runs_of(workshop: Workshop, name: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = workshop.bridge.call("GET", f"workflows/{name}/runs").json["value"]
    return found


@pytest.mark.parametrize("name", MESSAGES)
def test_a_message_starts_a_run_however_it_is_written(workshop: Workshop, asked: Mapping[str, str], name: str) -> None:
    [run] = eventually(partial(runs_of, workshop, name))

    assert run["trigger"]["kind"] == "queue"
    assert workshop.wait_for(run["id"])["status"] == "succeeded"
    assert len(workshop.rows(name)) == 2


def test_a_message_that_means_nothing_is_listed_with_its_cause_while_the_queue_goes_on(
    workshop: Workshop, asked: Mapping[str, str]
) -> None:
    for name in asked:
        assert eventually(partial(runs_of, workshop, name))

    def listed() -> list[dict[str, Any]]:
        return [each for each in workshop.bridge.call("GET", "poison").json["value"] if each["body"] == NONSENSE]

    [entry] = eventually(listed, patience=100)
    assert (entry["queue"], entry["code"]) == ("workflow-refresh", "BadRequest")
    assert 'send {"workflow": "churn"} or the bare name' in entry["message"]


# Events


DELIVERIES: Mapping[str, dict[str, Any]] = {
    "event-grid-base64": {"schemaName": "EventGridSchema", "encoding": "base64"},
    "event-grid-array": {"schemaName": "EventGridSchema", "encoding": "none", "array": True},
    "event-grid-plain": {"schemaName": "EventGridSchema", "encoding": "none"},
    "cloud-event-base64": {"schemaName": "CloudEventSchemaV1_0", "encoding": "base64"},
    "cloud-event-array": {"schemaName": "CloudEventSchemaV1_0", "encoding": "base64", "array": True},
    "cloud-event-plain": {"schemaName": "CloudEventSchemaV1_0", "encoding": "none"},
}
UNTOLD = "untold"


@pytest.fixture(scope="module")
def deaf() -> Iterator[Workshop]:
    """An app that looks at no run by itself, for its timer is off; its queues are polled as in Azure."""
    with running_workshop(AzureWebJobs_DOT_watch_runs_DOT_Disabled="true") as workshop:
        yield workshop


@pytest.fixture(scope="module")
def told(deaf: Workshop) -> Mapping[str, str]:
    """By delivery: a run of which nothing but an event tells the end of its job."""
    runs = at_once(deaf.occupy, [UNTOLD, *DELIVERIES])
    hush(deaf)
    for name, delivery in {UNTOLD: {"enabled": False}, **DELIVERIES}.items():
        deaf.deliver(**delivery)
        deaf.advance_job(runs[name])
        eventually(partial(is_completed, deaf, name))
    return runs


def hush(workshop: Workshop) -> None:
    """Until nobody looks at a run any more: its messages are lost, wherever they are, and no function is at one.

    An event of a job that has begun may lie in its queue for as long as that is polled, and leads to a next look."""
    queues, functions = ("aml-events", "run-advance"), ("take_events", "advance_run")

    def lines(word: str) -> int:
        return sum(len(workshop.bridge.host.lines(f"{word} 'Functions.{name}'")) for name in functions)

    def is_quiet() -> bool:
        for queue in queues:
            workshop.clear(queue)
        begun = lines("Executing")
        time.sleep(0.5)
        return lines("Executed") == begun == lines("Executing") and not any(map(workshop.waiting, queues))

    eventually(is_quiet)


def is_completed(workshop: Workshop, name: str) -> bool:
    [job] = workshop.jobs(name)
    return bool(job["status"] == "Completed")


@pytest.mark.parametrize("name", DELIVERIES)
def test_an_event_brings_the_run_on_however_it_is_delivered(deaf: Workshop, told: Mapping[str, str], name: str) -> None:
    assert deaf.wait_for(told[name])["status"] == "succeeded"


def test_without_event_and_timer_a_run_whose_message_was_lost_stands_still(
    deaf: Workshop, told: Mapping[str, str]
) -> None:
    for name in DELIVERIES:
        deaf.wait_for(told[name])

    assert deaf.run(told[UNTOLD])["status"] == "running"


def test_an_event_about_a_job_of_somebody_else_is_no_trouble(deaf: Workshop, told: Mapping[str, str]) -> None:
    deaf.send("aml-events", '{"eventType": "x", "data": {"runId": "nobody-s"}}')
    deaf.send("aml-events", '[{"data": {"modelName": "m"}}]')

    deaf.publish("after-events", {"scores.csv": SCORES})

    assert deaf.bridge.call("GET", "poison").json["value"] == []
    assert deaf.bridge.host.lines("queue_message_failed") == []
