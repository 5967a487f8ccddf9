"""When is a run's output held?"""

import pytest
from pydantic import ValidationError

from shared.entities.quality import Contents, Quality, reasons_to_hold
from shared.entities.schema import FoundColumn, Schema, Wanted, decide_schema
from shared.entities.values import EdmType


def schema(primary: str = "id", **types: EdmType) -> Schema:
    columns = [FoundColumn(name, 1, kind) for name, kind in {"id": EdmType.STRING, **types}.items()]
    return decide_schema([columns], Wanted(primary, "id", {}))


def contents(rows: int = 100, rejected: int = 0, **types: EdmType) -> Contents:
    return Contents(rows, rejected, schema(**types))


PLAIN = contents(a=EdmType.INT32)


@pytest.mark.parametrize(
    ("quality", "imported", "published", "reasons"),
    [
        ({}, PLAIN, None, []),
        ({}, contents(0), None, ["0 rows were imported, fewer than minRows (1)"]),
        ({"minRows": 0}, contents(0), None, []),
        ({"minRows": None}, contents(0), None, []),
        ({"minRows": 101}, PLAIN, None, ["100 rows were imported, fewer than minRows (101)"]),
        ({}, contents(99, 1), None, []),
        ({}, contents(98, 2), None, ["2 of 100 rows were rejected, more than maxRejectedRatio (0.01)"]),
        ({"maxRejectedRatio": None}, contents(1, 99), None, []),
        (
            {"maxRejectedRatio": 0},
            contents(99, 1),
            None,
            ["1 of 100 rows were rejected, more than maxRejectedRatio (0.0)"],
        ),
        ({}, contents(150), contents(100), []),
        (
            {},
            contents(151),
            contents(100),
            ["151 rows after 100 change their number by more than maxRowCountChangeRatio (0.5)"],
        ),
        ({}, contents(50), contents(100), []),
        (
            {},
            contents(49),
            contents(100),
            ["49 rows after 100 change their number by more than maxRowCountChangeRatio (0.5)"],
        ),
        ({"maxRowCountChangeRatio": None}, contents(1000), contents(1), []),
        ({}, contents(1000), contents(0), []),
        ({}, contents(a=EdmType.INT32, b=EdmType.STRING), PLAIN, []),
        ({}, contents(a=EdmType.INT64), PLAIN, []),
        ({}, contents(a=EdmType.DOUBLE), PLAIN, []),
        ({}, contents(), PLAIN, ["the column a is gone, and schemaChange is additive"]),
        (
            {},
            contents(a=EdmType.STRING),
            PLAIN,
            ["the column a was Edm.Int32 and is Edm.String, and schemaChange is additive"],
        ),
        (
            {},
            PLAIN,
            contents(a=EdmType.DOUBLE),
            ["the column a was Edm.Double and is Edm.Int32, and schemaChange is additive"],
        ),
        (
            {"schemaChange": "none"},
            contents(a=EdmType.INT64, b=EdmType.STRING),
            PLAIN,
            [f"the column {name} is new or changed, and schemaChange is none" for name in "ab"],
        ),
        ({"schemaChange": "none"}, PLAIN, PLAIN, []),
        ({"schemaChange": "any"}, contents(), PLAIN, []),
    ],
)
def test_what_is_held_and_why(
    quality: dict[str, object], imported: Contents, published: Contents | None, reasons: list[str]
) -> None:
    assert reasons_to_hold(Quality.model_validate(quality), imported, published, is_pinned=False) == reasons


def test_another_key_is_held() -> None:
    before = Contents(1, 0, schema(a=EdmType.STRING))
    after = Contents(1, 0, schema("a", a=EdmType.STRING))

    assert reasons_to_hold(Quality(), after, before, is_pinned=False) == [
        "primary key or customer id is another column than in the published snapshot"
    ]


def test_a_pinned_entity_holds_every_run() -> None:
    assert reasons_to_hold(Quality(), PLAIN, PLAIN, is_pinned=True) == [
        "the entity is pinned since a rollback: unpin it, or publish this run by hand"
    ]


@pytest.mark.parametrize(
    "quality", [{"minRows": -1}, {"maxRejectedRatio": 1.1}, {"schemaChange": "some"}, {"minrows": 1}, {"minRows": "1"}]
)
def test_rules_that_make_no_sense_are_refused(quality: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        Quality.model_validate(quality)
