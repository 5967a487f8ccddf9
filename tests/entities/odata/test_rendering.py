"""What an answer looks like: JSON with as much about itself as asked for, CSV, metadata."""

import csv
import io
from datetime import UTC, datetime
from typing import Any
from xml.etree import ElementTree

import pytest

from shared.entities.odata.formats import Format, Metadata
from shared.entities.odata.metadata import metadata_document
from shared.entities.odata.rendering import Shape, as_csv, collection, single
from shared.entities.schema import Column, Schema
from shared.entities.values import EdmType

ROOT = "https://bridge.example/api/data"
EDM = "{http://docs.oasis-open.org/odata/ns/edm}"
SCHEMA = Schema(
    (
        Column("id", "id", 1, EdmType.STRING),
        Column("o", "o <&>\"'\x00", 1, EdmType.STRING),
        Column("big", "big", 1, EdmType.INT64),
        Column("x", "x", 1, EdmType.DOUBLE),
        Column("at", "at", 1, EdmType.DATE_TIME_OFFSET),
        Column("flag", "flag", 1, EdmType.BOOLEAN),
    ),
    "o",
    "id",
)
ONE = Schema((Column("id", "id", 1, EdmType.STRING),), "id", "id")
ROW: dict[str, Any] = {
    "CustomerId": "a",
    "id": "a",
    "o": "O'Neil/1",
    "big": 2**60,
    "x": float("inf"),
    "at": datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC),
}


def shape(form: Format | None = None, *select: str, schema: Schema = SCHEMA) -> Shape:
    return Shape(ROOT, "Value", schema, select or tuple(schema.properties), form or Format())


def test_minimal_has_context_count_values_and_link_and_every_null() -> None:
    assert collection(shape(None, "big", "x", "flag"), [ROW], 7, "https://next") == {
        "@odata.context": f"{ROOT}/$metadata#Value(big,x,flag)",
        "@odata.count": 7,
        "value": [{"big": 2**60, "x": "INF", "flag": None}],
        "@odata.nextLink": "https://next",
    }
    assert single(shape(), ROW)["@odata.context"] == f"{ROOT}/$metadata#Value/$entity"


def test_none_leaves_out_the_context_alone() -> None:
    form = Format(Metadata.NONE)

    assert collection(shape(form, "id"), [ROW], 1, "n") == {
        "@odata.count": 1,
        "value": [{"id": "a"}],
        "@odata.nextLink": "n",
    }
    assert single(shape(form, "id"), ROW) == {"id": "a"}


def test_full_says_type_and_address() -> None:
    form = shape(Format(Metadata.FULL), "big", "at", "flag")

    assert set(form.needed) == {"big", "at", "flag", "CustomerId", "o"}
    assert collection(form, [ROW], None, None)["value"] == [
        {
            "@odata.type": "#CI.Value",
            "@odata.id": f"{ROOT}/Value(CustomerId='a',o='O''Neil%2F1')",
            "big@odata.type": "#Int64",
            "big": 2**60,
            "at@odata.type": "#DateTimeOffset",
            "at": "2026-01-02T03:04:05Z",
            "flag": None,
        }
    ]


def test_long_numbers_are_texts_for_who_asks() -> None:
    body = collection(shape(Format(has_long_texts=True), "big"), [ROW], 1, None)

    assert (body["@odata.count"], body["value"]) == ("1", [{"big": str(2**60)}])


@pytest.mark.parametrize("text", ["=1+1", "+1", "-1", "@x", "\tx", "\rx"])
def test_a_text_that_begins_like_a_formula_is_none_in_csv(text: str) -> None:
    lines = list(csv.reader(io.StringIO(as_csv(shape(None, "id"), [{"id": text}]), newline="")))

    assert lines == [["id"], [f"'{text}"]]


def test_csv_is_rfc_4180() -> None:
    row = ROW | {"id": 'a,"b"\nc', "o": "", "big": -5, "x": -0.5, "flag": False}

    assert as_csv(shape(), [row, {}]) == (
        'CustomerId,id,o,big,x,at,flag\r\na,"a,""b""\nc","",-5,-0.5,2026-01-02T03:04:05Z,false\r\n,,,,,,\r\n'
    )


def test_metadata_names_keys_types_and_columns_and_escapes_them() -> None:
    tree = ElementTree.fromstring(metadata_document([("Value", SCHEMA), ("One", ONE)]))

    value, one = tree.iter(f"{EDM}EntityType")
    assert [each.get("Name") for each in value.iter(f"{EDM}PropertyRef")] == ["CustomerId", "o"]
    assert [each.get("Name") for each in one.iter(f"{EDM}PropertyRef")] == ["id"]
    found = {each.get("Name"): each for each in value.iter(f"{EDM}Property")}
    assert {name: each.get("Type") for name, each in found.items()} == {
        name: edm_type.value for name, edm_type in SCHEMA.properties.items()
    }
    assert [name for name, each in found.items() if each.get("Nullable") == "false"] == ["CustomerId", "id", "o"]
    assert found["o"][0].get("String") == "o <&>\"'\ufffd"
    assert [each.get("EntityType") for each in tree.iter(f"{EDM}EntitySet")] == ["CI.Value", "CI.One"]
