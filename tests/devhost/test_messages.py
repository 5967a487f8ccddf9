"""Queue messages: what goes in, what comes out, and the trap in between."""

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from devhost.messages import (
    Encoding,
    Message,
    UndecodableError,
    decode,
    encode,
    metadata_of,
    poison_name,
    split_output,
)
from devhost.protos import TypedData

NOON = datetime(2026, 11, 21, 12, tzinfo=UTC)
MESSAGE = Message("id-1", "receipt-1", "", 2, NOON, NOON + timedelta(days=7), NOON + timedelta(minutes=10))


@given(st.text(), st.sampled_from(["base64", "none"]))
def test_what_is_encoded_is_decoded_the_same(text: str, encoding: Encoding) -> None:
    assert decode(encode(text.encode("utf-8", "replace"), encoding), encoding) == text.encode("utf-8", "replace")


@pytest.mark.parametrize("text", ["not base64!", "abc", "aGk", "ä"])
def test_text_that_is_not_base64_is_told(text: str) -> None:
    with pytest.raises(UndecodableError):
        decode(text, "base64")


def test_base64_may_have_line_breaks() -> None:
    assert decode("aGVs\r\nbG8=", "base64") == b"hello"


def metadata(body: str) -> dict[str, Any]:
    return {
        name: json.loads(value.content) if value.kind == "json" else value.content
        for name, value in metadata_of(MESSAGE, body).items()
    }


def test_metadata_are_those_of_the_message() -> None:
    found = metadata("plain")

    assert found == {
        "QueueTrigger": "plain",
        "Id": "id-1",
        "PopReceipt": "receipt-1",
        "DequeueCount": 2,
        "InsertionTime": "2026-11-21T12:00:00+00:00",
        "ExpirationTime": "2026-11-28T12:00:00+00:00",
        "NextVisibleTime": "2026-11-21T12:10:00+00:00",
    }


@pytest.mark.parametrize(
    ("body", "name", "value"),
    [
        ('{"id": "x"}', "Id", "x"),
        ('{"ID": 7}', "Id", "7"),
        ('{"dequeueCount": true}', "DequeueCount", "True"),
        ('{"insertionTime": "2026-01-02T03:04:05Z"}', "InsertionTime", "01/02/2026 03:04:05"),
        ('{"insertionTime": "2026-01-02T03:04:05+01:00"}', "InsertionTime", "01/02/2026 02:04:05"),
        ('{"other": {"a": [1]}}', "other", {"a": [1]}),
        ('{"price": 2.50, "n": 3.0}', "price", "2.5"),
    ],
)
def test_a_json_bodys_own_properties_are_laid_over_the_metadata(body: str, name: str, value: object) -> None:
    assert metadata(body)[name] == value


@pytest.mark.parametrize("body", ['["id"]', '{"id": null}', '{"id": [1]}', '{"id": "x"', "{id: x}", '"id"', ""])
def test_other_bodies_leave_the_id_alone(body: str) -> None:
    assert metadata(body)["Id"] == "id-1"


@pytest.mark.parametrize(
    ("value", "messages"),
    [
        (TypedData(string="hello"), ["hello"]),
        (TypedData(bytes=b"\xff\x00"), [b"\xff\x00"]),
        (TypedData(json='["a", "b"]'), ["a", "b"]),
        (TypedData(string='["a", 1, true, null]'), ["a", "1", "True", ""]),
        (TypedData(string='[{"a": 1}]'), ['{\n  "a": 1\n}']),
        (TypedData(string='{"a": "ä"}'), ['{\n  "a": "ä"\n}']),
        (TypedData(json='{"id": null, "body": "x"}'), ['{\n  "id": null,\n  "body": "x"\n}']),
        (TypedData(string="[]"), []),
        (TypedData(int=5), ["5"]),
        (TypedData(string="{"), ["{"]),
    ],
)
def test_an_output_makes_these_messages(value: TypedData, messages: list[str | bytes]) -> None:
    expected = [each if isinstance(each, bytes) else each.encode() for each in messages]

    assert split_output(value) == expected


@pytest.mark.parametrize("text", ["{not json}", "[draft]"])
def test_output_that_only_looks_like_json_fails(text: str) -> None:
    with pytest.raises(ValueError, match="looks like JSON"):
        split_output(TypedData(string=text))


@pytest.mark.parametrize(
    ("queue", "poison"),
    [("jobs", "jobs-poison"), ("jobs-poison", None), ("q" * 56, "q" * 56 + "-poison"), ("q" * 57, None)],
)
def test_poison_queue_is_the_name_and_a_suffix_where_that_fits(queue: str, poison: str | None) -> None:
    assert poison_name(queue) == poison
