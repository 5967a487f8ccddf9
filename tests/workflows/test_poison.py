"""Poison messages: which are the same, what is shown of them, and how they are sent again."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from shared.errors import BadRequest, Conflict, NotFound, StorageUnavailable
from shared.workflows.poison import Cause, PoisonMessage, cause_of_error, keep, poison_id, redrive
from tests.workflows.poison_fakes import MemoryPoison

NOW = datetime(2026, 11, 1, 12, tzinfo=UTC)
LATER = NOW + timedelta(hours=1)
CAUSE = Cause("NotFound", "there is no workflow 'x'; GET /api/workflows lists them", NOW)


class MemoryQueues:
    """What was sent, or a storage that does not take it."""

    def __init__(self, *, away: bool = False) -> None:
        self.sent: list[tuple[str, str]] = []
        self._away = away

    async def send(self, queue: str, text: str) -> None:
        if self._away:
            raise StorageUnavailable("queue storage did not answer")
        self.sent.append((queue, text))


def message(body: str = "churn", cause: Cause | None = CAUSE) -> PoisonMessage:
    queue = "workflow-refresh"
    return PoisonMessage(poison_id(queue, body), queue, body, cause, first_at=NOW, last_at=NOW)


async def kept(store: MemoryPoison, body: str = "churn") -> PoisonMessage:
    return await keep("workflow-refresh", body, store=store, now=NOW)


# Identity


def test_the_id_is_of_queue_and_body() -> None:
    assert poison_id("q", "body") == "35feb5c3788f18986ca028a3780f8e80"
    assert len({poison_id("q", "body"), poison_id("p", "body"), poison_id("q", "body ")}) == 3


@pytest.mark.parametrize("body", ["", "\ud800", "\x00\x1f", "x" * 65_536], ids=["empty", "surrogate", "control", "64K"])
def test_every_body_has_an_id(body: str) -> None:
    assert len(poison_id("q", body)) == 32


# Joining


async def test_a_message_is_kept_with_the_cause_that_its_attempts_left() -> None:
    store = MemoryPoison()
    await store.note_cause("workflow-refresh", "churn", CAUSE)

    found = await kept(store)

    assert found.cause == CAUSE
    assert await store.list() == [found]


async def test_another_queues_cause_is_not_taken() -> None:
    store = MemoryPoison()
    await store.note_cause("aml-events", "churn", CAUSE)

    assert (await kept(store)).cause is None


async def test_a_message_delivered_twice_is_one_with_its_count() -> None:
    store = MemoryPoison()
    await keep("workflow-refresh", "churn", store=store, now=NOW)
    await keep("workflow-refresh", "churn", store=store, now=LATER)

    [found] = await store.list()

    assert (found.count, found.first_at, found.last_at) == (2, NOW, LATER)


def test_the_newest_cause_stays_and_none_takes_none_away() -> None:
    newer = replace(CAUSE, message="newer", at=LATER)

    assert message().again(message(cause=newer)).cause == newer
    assert message().again(message(cause=None)).cause == CAUSE


# Causes


def test_an_error_of_ours_is_its_own_cause() -> None:
    cause = cause_of_error(BadRequest("workflow is missing"), NOW)

    assert cause == Cause("BadRequest", "workflow is missing", NOW)


def test_any_other_error_leaves_its_type_and_no_text() -> None:
    cause = cause_of_error(KeyError("sentinel of the body"), NOW)

    assert cause.code == "InternalError"
    assert "something failed in this app that should not (KeyError)" in cause.message
    assert "sentinel" not in cause.message


# What is shown


def test_what_is_shown() -> None:
    assert message().render() == {
        "id": poison_id("workflow-refresh", "churn"),
        "queue": "workflow-refresh",
        "code": "NotFound",
        "message": "there is no workflow 'x'; GET /api/workflows lists them",
        "firstAt": "2026-11-01T12:00:00.000Z",
        "lastAt": "2026-11-01T12:00:00.000Z",
        "count": 1,
        "body": "churn",
    }


def test_of_a_body_at_most_two_hundred_characters_are_shown() -> None:
    assert message("x" * 65_536).render()["body"] == "x" * 200


def test_without_a_cause_the_message_says_what_that_means() -> None:
    shown = message(cause=None).render()

    assert shown["code"] == "CauseUnknown"
    for part in ("could not hand the message over", "dequeueCount", "no text", "the process ended", "redrive"):
        assert part in shown["message"]


# Sending again


async def test_redrive_sends_the_same_body_to_the_same_queue_and_forgets_it() -> None:
    store, queues = MemoryPoison(), MemoryQueues()
    found = await kept(store, "{ as it  is }\n")

    assert await redrive(found.id, store=store, queues=queues) == found

    assert queues.sent == [("workflow-refresh", "{ as it  is }\n")]
    assert await store.list() == []


async def test_what_could_not_be_sent_is_kept() -> None:
    store = MemoryPoison()
    found = await kept(store)

    with pytest.raises(StorageUnavailable):
        await redrive(found.id, store=store, queues=MemoryQueues(away=True))

    assert await store.list() == [found]


@pytest.mark.parametrize("body", ["\ud800", "a\x00b", "\x1b", "\ufffe"], ids=["surrogate", "null", "escape", "fffe"])
async def test_a_body_that_no_queue_takes_is_kept_and_the_caller_told_why(body: str) -> None:
    store, queues = MemoryPoison(), MemoryQueues()
    found = await kept(store, body)

    with pytest.raises(Conflict, match="Base64"):
        await redrive(found.id, store=store, queues=queues)

    assert (queues.sent, await store.list()) == ([], [found])


@pytest.mark.parametrize("unknown", ["0" * 32, "", "../x", "x" * 500])
async def test_an_unknown_id_is_told_what_to_do(unknown: str) -> None:
    with pytest.raises(NotFound, match="GET /api/poison lists") as raised:
        await redrive(unknown, store=MemoryPoison(), queues=MemoryQueues())

    assert len(raised.value.message) < 300
