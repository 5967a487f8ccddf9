"""Poison messages and their causes in Table storage."""

import asyncio
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from azure.data.tables.aio import TableServiceClient

from shared.storage.poison import TablePoison
from shared.workflows.poison import Cause, PoisonMessage, poison_id

NOW = datetime(2026, 11, 1, 12, tzinfo=UTC)
CAUSE = Cause("NotFound", "there is no workflow 'x'", NOW)
BODIES = {
    "empty": "",
    "json": '{"id": "x", "dequeueCount": "x"}',
    "64 KiB": "x" * 65_536,
    "64 KiB of controls": "".join(map(chr, range(32))) * 2048,
    "64 KiB beyond the first plane": "\U0001f600" * 16_384,
    "lone surrogates": "a\ud800b\udfff" * 100,
    "no characters": "\ufffe\uffff\x7f\x85",
    "blanks at chunks' ends": (" " * 15_999 + "\n") * 4,
}


@pytest.fixture
def poison(service: TableServiceClient) -> TablePoison:
    return TablePoison(service)


def message(body: str = "churn", cause: Cause | None = CAUSE, at: datetime = NOW) -> PoisonMessage:
    queue = "workflow-refresh"
    return PoisonMessage(poison_id(queue, body), queue, body, cause, first_at=at, last_at=at)


@pytest.mark.parametrize("body", BODIES.values(), ids=BODIES)
async def test_a_body_survives_whatever_is_in_it(poison: TablePoison, body: str) -> None:
    await poison.add(message(body))

    assert await poison.get(message(body).id) == message(body)


@pytest.mark.parametrize("body", BODIES.values(), ids=BODIES)
async def test_a_cause_is_found_by_queue_and_body(poison: TablePoison, body: str) -> None:
    await poison.note_cause("workflow-refresh", body, CAUSE)

    assert await poison.cause_of("workflow-refresh", body) == CAUSE
    assert await poison.cause_of("aml-events", body) is None


async def test_a_cause_of_any_length_and_with_any_character(poison: TablePoison) -> None:
    cause = Cause("BadRequest", "unknown member '\ud800\x00'" * 2000, NOW)
    await poison.note_cause("q", "b", cause)

    assert await poison.cause_of("q", "b") == cause


async def test_a_later_cause_takes_the_place_of_an_earlier_one(poison: TablePoison) -> None:
    later = replace(CAUSE, code="Conflict")
    await poison.note_cause("q", "b", CAUSE)
    await poison.note_cause("q", "b", later)

    assert await poison.cause_of("q", "b") == later


async def test_nothing_is_there_before_the_first_message(poison: TablePoison) -> None:
    assert await poison.list() == []
    assert await poison.get("0" * 32) is None
    assert await poison.cause_of("q", "b") is None
    assert await poison.drop_before(NOW) == 0


async def test_the_newest_comes_first(poison: TablePoison) -> None:
    for minute, body in ((1, "b"), (3, "a"), (2, "c")):
        await poison.add(message(body, at=NOW + timedelta(minutes=minute)))

    assert [found.body for found in await poison.list()] == ["a", "c", "b"]


async def test_a_message_that_comes_ten_times_at_once_is_one_with_its_count(poison: TablePoison) -> None:
    await asyncio.gather(*(poison.add(message()) for _ in range(10)))

    [found] = await poison.list()
    assert found.count == 10


async def test_a_deleted_message_is_gone_with_its_cause(poison: TablePoison) -> None:
    await poison.note_cause("workflow-refresh", "churn", CAUSE)
    await poison.add(message())

    await poison.delete(message().id)
    await poison.delete(message().id)

    assert await poison.list() == []
    assert await poison.cause_of("workflow-refresh", "churn") is None


async def test_what_is_past_its_retention_is_dropped_and_the_rest_stays(poison: TablePoison) -> None:
    old, new = NOW - timedelta(days=31), NOW - timedelta(days=29)
    for body, at in (("old", old), ("new", new), ("came again", old), ("came again", new)):
        await poison.add(message(body, at=at))
        await poison.note_cause("workflow-refresh", body, replace(CAUSE, at=at))

    assert await poison.drop_before(NOW - timedelta(days=30)) == 2

    assert {found.body for found in await poison.list()} == {"new", "came again"}
    assert await poison.cause_of("workflow-refresh", "old") is None
    assert await poison.cause_of("workflow-refresh", "new") is not None
