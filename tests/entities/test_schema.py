"""Which properties the columns of a run's files become."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.entities.schema import (
    MOST_COLUMNS,
    FoundColumn,
    Schema,
    Wanted,
    decide_schema,
    identifier,
    parse_schema,
)
from shared.entities.values import EdmType
from shared.errors import UnusableOutput

NAMES = st.text(min_size=0, max_size=12) | st.sampled_from(["id", "ID", "PartitionKey", "rowkey", "a b", "a_b", "1"])


def decide(*names: str, primary: str = "id", customer: str = "id", **declared: EdmType) -> Schema:
    columns = [FoundColumn(name, names[: index + 1].count(name), EdmType.INT32) for index, name in enumerate(names)]
    return decide_schema([columns], Wanted(primary, customer, declared))


def properties(schema: Schema) -> list[str]:
    return [column.name for column in schema.columns]


@pytest.mark.parametrize(
    ("names", "expected"),
    [
        (["id", "score"], ["id", "score"]),
        (["id", "a b", "a-b", "a.b"], ["id", "a_b", "a_b_2", "a_b_3"]),
        (["id", "x", "X", "x"], ["id", "x", "X_2", "x_3"]),
        (["id", "PartitionKey", "rowkey", "Timestamp"], ["id", "PartitionKey_2", "rowkey_2", "Timestamp_2"]),
        (["id", "_origin", "customerid"], ["id", "_origin_2", "customerid_2"]),
        (["id", "1st", "", "%"], ["id", "_1st", "column", "column_2"]),
        (["id", "größe", "名前", "🙂x"], ["id", "größe", "名前", "_x"]),
    ],
)
def test_column_names_become_identifiers(names: list[str], expected: list[str]) -> None:
    schema = decide(*names)

    assert properties(schema) == expected
    assert [column.source for column in schema.columns] == names


@given(st.lists(NAMES, max_size=20))
def test_properties_are_valid_and_unique_without_regard_to_case(names: list[str]) -> None:
    schema = decide("id", *names)

    folded = [name.casefold() for name in schema.properties]
    assert len(set(folded)) == len(folded)
    assert not {"partitionkey", "rowkey", "timestamp", "_origin", "_large"} & set(folded)
    assert all(re.fullmatch(r"[^\W\d]\w{0,127}", name) for name in schema.properties)
    assert parse_schema(schema.document()) == schema


@given(st.text(max_size=300))
def test_an_identifier_is_stable_under_itself(source: str) -> None:
    assert identifier(identifier(source)) == identifier(source)


def test_keys_are_text_and_declared_types_win() -> None:
    schema = decide("order", "id", "score", "n", primary="order", score=EdmType.DOUBLE)

    assert schema.properties == {
        "CustomerId": EdmType.STRING,
        "order": EdmType.STRING,
        "id": EdmType.STRING,
        "score": EdmType.DOUBLE,
        "n": EdmType.INT32,
    }
    assert (schema.primary_key, schema.customer_id, schema.is_one_column) == ("order", "id", False)


@pytest.mark.parametrize("name", ["CustomerId", "customerid"])
def test_a_customer_id_of_that_name_is_the_property(name: str) -> None:
    schema = decide(name, "x", primary=name, customer=name)

    assert list(schema.properties) == ["CustomerId", "x"]
    assert schema.is_one_column


def test_the_columns_of_all_files_are_taken_each_in_its_widest_type() -> None:
    one = [FoundColumn("id", 1, EdmType.INT32), FoundColumn("a", 1, EdmType.INT32), FoundColumn("b", 1, None)]
    other = [FoundColumn("c", 1, None), FoundColumn("a", 1, EdmType.DOUBLE), FoundColumn("id", 1, EdmType.INT32)]

    schema = decide_schema([one, other], Wanted("id", "id", {}))

    assert [(column.name, column.type) for column in schema.columns] == [
        ("id", EdmType.STRING),
        ("a", EdmType.DOUBLE),
        ("b", EdmType.STRING),
        ("c", EdmType.STRING),
    ]


def test_more_columns_than_a_row_holds_are_refused() -> None:
    decide("id", *(f"c{number}" for number in range(MOST_COLUMNS - 1)))
    with pytest.raises(UnusableOutput, match="249 columns; an entity has at most 248"):
        decide("id", *(f"c{number}" for number in range(MOST_COLUMNS)))


def test_a_declared_column_that_no_file_has_is_told_with_the_names_there_are() -> None:
    with pytest.raises(UnusableOutput, match="declares 'scroe', which no file has; the columns are 'id', 'score'"):
        decide("id", "score", scroe=EdmType.DOUBLE)


def test_a_missing_key_column_is_told_with_the_names_there_are() -> None:
    with pytest.raises(UnusableOutput, match="no column 'cust'; its columns are 'id', 'score'"):
        decide("id", "score", customer="cust")
