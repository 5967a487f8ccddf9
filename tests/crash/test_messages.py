"""Queues deliver at least once and in any order: a run comes to the same end."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from xml.etree import ElementTree

import pytest
from azure.storage.queue import QueueClient

from tests.crash.lane import Lane
from tests.crash.outcomes import ask, check, output, run_of, save_workflow, until
from tests.crash.relay import Message
from tests.devhost.running import eventually

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]

PARTS = 6
QUEUES = ("run-advance", "import-part")


def queue_of(request: Message) -> str:
    return request.target.split("/")[2]


def text_of(request: Message) -> str:
    return ElementTree.fromstring(request.body).findtext("MessageText") or ""


def send_again(lane: Lane, requests: list[Message]) -> None:
    """The newest first."""
    for request in reversed(requests):
        if queue_of(request) in QUEUES:
            with QueueClient.from_connection_string(lane.storage, queue_of(request)) as client:
                client.send_message(text_of(request))


def take_all(lane: Lane, queue: str) -> list[str]:
    with QueueClient.from_connection_string(lane.storage, queue) as client:
        found = list(client.receive_messages(max_messages=32))
        for message in found:
            client.delete_message(message)
    return [message.content for message in found]


def waiting(lane: Lane, queue: str) -> int:
    with QueueClient.from_connection_string(lane.storage, queue) as client:
        return int(client.get_queue_properties().approximate_message_count or 0)


@contextmanager
def repeating(lane: Lane) -> Iterator[None]:
    """All that the app puts into the queues comes once more, a moment later and the last one first."""
    stop, done = threading.Event(), len(lane.relay.sent)

    def repeat() -> None:
        nonlocal done
        while not stop.wait(0.5):
            new = lane.relay.sent[done:]
            done += len(new)
            send_again(lane, new)

    thread = threading.Thread(target=repeat)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()


def test_each_message_twice_and_the_last_one_first_makes_the_same_rows(lane: Lane) -> None:
    save_workflow(lane, "twice")
    lane.plan_output(output("new", PARTS))
    first = len(lane.relay.sent)

    with repeating(lane):
        run = ask(lane, "twice", "new")
        assert run is not None
        until(lane, run, "succeeded")

    assert {queue_of(request) for request in lane.relay.sent[first:]} >= set(QUEUES)
    check(lane, "twice", run, parts=PARTS)


def test_messages_of_a_run_that_has_ended_change_nothing(lane: Lane) -> None:
    save_workflow(lane, "late")
    lane.plan_output(output("new", PARTS))
    first = len(lane.relay.sent)
    run = ask(lane, "late", "new")
    assert run is not None
    ended = until(lane, run, "succeeded")

    send_again(lane, lane.relay.sent[first:])
    eventually(lambda: not any(waiting(lane, queue) for queue in QUEUES), 40)

    assert run_of(lane, run) == ended
    check(lane, "late", run, parts=PARTS)


def test_parts_may_come_twice_and_in_reverse_order(lane: Lane) -> None:
    save_workflow(lane, "reverse")
    lane.plan_output(output("new", PARTS))
    lane.settings = {"AzureWebJobs_import_part_Disabled": "true"}
    lane.start()
    run = ask(lane, "reverse", "new")
    eventually(lambda: waiting(lane, "import-part") == PARTS, 40)
    lane.stop()
    messages = take_all(lane, "import-part")

    with QueueClient.from_connection_string(lane.storage, "import-part") as client:
        for message in reversed(messages):
            client.send_message(message)
            client.send_message(message)
    lane.settings = {}
    lane.start()

    assert run is not None
    assert len(messages) == PARTS
    until(lane, run, "succeeded", patience=100)
    check(lane, "reverse", run, parts=PARTS)
