"""JSON is read strictly and without loss."""

import json
import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.errors import InvalidJson
from shared.wire import DEEPEST, answer_bytes, json_bytes, parse_json, read_json

scalars = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False)
texts = st.text(st.characters(exclude_categories=()))
values = st.recursive(
    scalars | texts,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(texts, inner, max_size=4),
    max_leaves=20,
)


@given(values)
def test_every_value_survives_the_way_out_and_back(value: Any) -> None:
    assert parse_json(json_bytes(value)) == value


@pytest.mark.parametrize("value", [2**63, 2**64, -(2**70), 10**4000, "\ud800", {"\udfff": ["\ud83d"]}, [[2**65]]])
def test_what_the_fast_writer_refuses_is_written_all_the_same(value: Any) -> None:
    assert parse_json(json_bytes(value)) == value


@pytest.mark.parametrize("text", ["NaN", "Infinity", "-Infinity", "[NaN]", '{"a": -Infinity}', "1e999", "[-1e400]"])
def test_numbers_that_json_cannot_say_are_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"is no JSON value|is too large"):
        parse_json(text)


def test_no_number_is_read_as_infinite() -> None:
    read = parse_json("1.7976931348623157e308")
    assert isinstance(read, float)
    assert math.isfinite(read)


@pytest.mark.parametrize(
    ("body", "says"),
    [
        (b'{"a": }', "line 1, column 7"),
        (b"{'a': 1}", "column 2"),
        (b"[1] 2", "Extra data"),
        (b"\xff\xfe", "byte 0 is not UTF-8"),
        (b'"caf\xe9"', "byte 4 is not UTF-8"),
        (b"1" * 5000, "4300 digits"),
        (b"[" * 100_000 + b"]" * 100_000, "nested too deeply"),
        (b'{"a":' * 100_000, "nested too deeply"),
    ],
)
def test_a_body_that_is_no_json_is_refused_with_the_place(body: bytes, says: str) -> None:
    with pytest.raises(InvalidJson, match="the body is not JSON: ") as refused:
        read_json(body)

    assert says in refused.value.message
    assert ";" not in refused.value.message
    assert len(refused.value.message) < 200


def test_an_empty_body_is_refused_with_what_to_send() -> None:
    with pytest.raises(InvalidJson, match="the body is empty; send a JSON object"):
        read_json(b"")


def test_nesting_is_read_to_the_depth_that_other_readers_take() -> None:
    deep, deeper = ("[" * levels + "]" * levels for levels in (DEEPEST, DEEPEST + 1))

    assert json_bytes(parse_json(deep)).decode() == deep
    with pytest.raises(ValueError, match="nested more than 100 levels deep"):
        parse_json(deeper)


@pytest.mark.parametrize("value", [[[1] * 50] * 50, {"a": [{"b": index} for index in range(200)]}])
def test_many_brackets_are_not_deep(value: object) -> None:
    assert parse_json(json_bytes(value)) == value


@pytest.mark.parametrize(
    ("value", "written"),
    [
        ("a\ud800b", '"a\ufffdb"'),
        ("\U0001f600", '"\U0001f600"'),
        ({"n": 2**70}, '{"n":1180591620717411303424}'),
        ("é\udfff", '"é\ufffd"'),
    ],
)
def test_an_answer_holds_only_characters(value: object, written: str) -> None:
    assert answer_bytes(value).decode() == written


def test_text_is_written_as_utf_8() -> None:
    assert json_bytes({"a": "Inglés"}) == '{"a":"Inglés"}'.encode()


def test_a_lone_surrogate_is_escaped() -> None:
    assert json.loads(json_bytes("\ud800")) == "\ud800"
