"""JSON lines and arrays, in whatever chunks they come."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.entities.csvscan import CutSize
from shared.entities.jsontext import JsonRecord, array_records, is_array, scan_array, scan_lines
from shared.entities.schema import Wanted
from shared.entities.values import EdmType
from shared.errors import UnusableOutput
from tests.entities.fakes import chunked

WANTED = Wanted("id", "id", {})
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=6,
)


async def items(text: str, chunk: int) -> list[JsonRecord]:
    chunks = chunked(text.encode(), chunk)
    return [record async for some in array_records(chunks, file="f.json") for record in some]


@given(
    st.lists(st.dictionaries(st.text(max_size=4), VALUES, max_size=4), max_size=6),
    st.integers(1, 30),
    st.booleans(),
    st.sampled_from([None, 2]),
)
async def test_an_array_gives_its_objects(
    objects: list[dict[str, Any]], chunk: int, ascii_only: bool, indent: int | None
) -> None:
    text = json.dumps(objects, ensure_ascii=ascii_only, indent=indent)

    found = await items(text.encode("utf-8", "replace").decode(), chunk)

    assert [record.members for record in found] == json.loads(text.encode("utf-8", "replace"))
    assert [record.number for record in found] == list(range(1, len(objects) + 1))


@pytest.mark.parametrize(
    "text", ["", "{}", "[", "[,]", "[{}", "[{},]", "[{} {}]", '[{"a":}]', "[{}]]", "[{}] x", "[{}],", "[nan]", '["a']
)
async def test_a_broken_array_names_the_row_where_it_breaks(text: str) -> None:
    for chunk in (1, 100):
        with pytest.raises(UnusableOutput, match=r"f\.json: the JSON array breaks at row [12]"):
            await items(text, chunk)


async def test_an_item_that_is_no_object_is_told() -> None:
    found = await items('[{"id": 1}, 5, 12, "x", {"id": 2}]', 1)

    assert [record.fault for record in found] == ["", *["is no JSON object"] * 3, ""]


@pytest.mark.parametrize(
    ("text", "expected"), [("[1]", True), ("  \n[", True), ("\ufeff[", True), ('{"a":1}', False), ("", False)]
)
async def test_the_first_character_tells_an_array_from_lines(text: str, expected: bool) -> None:
    assert await is_array(chunked(text.encode(), 3)) is expected


async def test_the_columns_of_lines_are_those_of_all_objects() -> None:
    text = '{"id": 1, "a": 1, "at": "2026-01-01"}\n\nno json\n{"id": "x", "b": {"c": 1}, "a": 2.5}\r\n[1]\n{"a": null}'

    scanned = await scan_lines(chunked(text.encode(), 5), file="f.jsonl", wanted=WANTED)

    assert [(column.source, column.type) for column in scanned.columns] == [
        ("id", EdmType.STRING),
        ("a", EdmType.DOUBLE),
        ("at", EdmType.DATE_TIME_OFFSET),
        ("b", EdmType.STRING),
    ]
    assert sum(cut.records for cut in scanned.cuts) == 5


async def test_texts_that_look_like_numbers_stay_texts() -> None:
    scanned = await scan_lines(chunked(b'{"id": "1", "n": "5", "b": "true"}'), file="f.jsonl", wanted=WANTED)

    assert {column.type for column in scanned.columns} == {EdmType.STRING}


async def test_cuts_of_lines_know_their_first_line() -> None:
    text = "".join(f'{{"id": {number}}}\n' for number in range(30_000))

    scanned = await scan_lines(chunked(text.encode()), file="f", wanted=WANTED, size=CutSize(records=7000))

    assert len(scanned.cuts) > 3
    for cut in scanned.cuts:
        assert text.encode()[cut.start :].startswith(b'{"id": %d}' % (cut.first_line - 1))


@pytest.mark.parametrize("scan", [scan_lines, scan_array])
async def test_missing_key_columns_fail_with_the_names_there_are(scan: Any) -> None:
    text = '[{"a": 1}]' if scan is scan_array else '{"a": 1}'

    with pytest.raises(UnusableOutput, match="has no column 'id'; its columns are 'a'"):
        await scan(chunked(text.encode()), file="f.json", wanted=WANTED)


async def test_other_encodings_fail() -> None:
    with pytest.raises(UnusableOutput, match="line 2: the text is not UTF-8"):
        await scan_lines(chunked(b'{"id": 1}\n{"id": "\xfc"}'), file="f.jsonl", wanted=WANTED)
    with pytest.raises(UnusableOutput, match="not UTF-8"):
        await scan_array(chunked(b'[{"id": "\xfc abc"}]'), file="f.json", wanted=WANTED)


@pytest.mark.parametrize(
    ("text", "edm_type"),
    [
        ("5", EdmType.INT32),
        ("9223372036854775807", EdmType.INT64),
        ("9223372036854775808", EdmType.STRING),
        ("1.0", EdmType.DOUBLE),
        ("1e999", EdmType.STRING),
        ("NaN", EdmType.DOUBLE),
        ("-Infinity", EdmType.DOUBLE),
        ("true", EdmType.BOOLEAN),
        ('"2026-01-02"', EdmType.DATE_TIME_OFFSET),
        ('"x"', EdmType.STRING),
        ("[1]", EdmType.STRING),
        ("null", None),
    ],
)
async def test_the_type_of_a_json_value(text: str, edm_type: EdmType | None) -> None:
    scanned = await scan_lines(chunked(f'{{"id": 1, "v": {text}}}'.encode()), file="f.jsonl", wanted=WANTED)

    assert scanned.columns[1].type is edm_type
