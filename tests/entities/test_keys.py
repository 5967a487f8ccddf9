"""RowKeys and PartitionKeys over all of Unicode."""

import re

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from shared.entities.keys import (
    LONGEST_ROW_KEY,
    check_buckets,
    customer_range,
    escape,
    needs_no_escape,
    partition_key,
    partition_keys,
    row_key,
    split_row_key,
    unescape,
    utf16_units,
)

TEXTS = st.text(st.characters(), min_size=1, max_size=20) | st.text("a|~0}{ /\\#?%'\t\x7f\x85é", min_size=1, max_size=6)
FORBIDDEN = re.compile(r"[\x00-\x1f\x7f-\x9f/\\#?%'\ud800-\udfff\ufffe\uffff]")


def utf16(text: str) -> list[int]:
    """The units by which Table storage orders keys."""
    data = text.encode("utf-16-be", "surrogatepass")
    return [int.from_bytes(data[at : at + 2]) for at in range(0, len(data), 2)]


@given(TEXTS)
def test_escaping_is_reversible_and_valid_in_table_storage(text: str) -> None:
    escaped = escape(text)

    assert unescape(escaped) == text
    assert not FORBIDDEN.search(escaped)
    assert "|" not in escaped


@given(TEXTS, TEXTS)
def test_two_ids_never_share_an_escaped_form(one: str, other: str) -> None:
    assert (escape(one) == escape(other)) == (one == other)


@given(TEXTS, TEXTS)
def test_a_row_key_gives_back_its_ids(customer: str, primary: str) -> None:
    assert split_row_key(row_key(customer, primary)) == (customer, primary)
    assert split_row_key(row_key(customer, None)) == (customer, None)


@given(TEXTS, TEXTS, TEXTS)
@example("a", "a ", "x")
@example("a", "a|", "x")
@example("a", "a}", "x")
@example("a", "a\ud800", "x")
def test_a_customers_range_holds_all_of_its_rows_and_no_others(customer: str, other: str, primary: str) -> None:
    for order in (utf16, lambda text: list(text.encode("utf-8", "surrogatepass"))):
        for is_one_column, rest in ((True, None), (False, primary)):
            keys = customer_range(customer, is_one_column=is_one_column)
            low, high = order(keys.low), order(keys.high)

            assert low <= order(row_key(customer, rest)) < high
            assert (low <= order(row_key(other, rest)) < high) == (other == customer)


@pytest.mark.parametrize(
    ("customer", "primary", "key"),
    [
        ("00001", None, "00001"),
        ("00001", "7", "00001|7"),
        ("a/b", "c#d", "a~002Fb|c~0023d"),
        ("O'Neil", "100%", "O~0027Neil|100~0025"),
        ("a|b", "~", "a~007Cb|~007E"),
        ("ünï 中 🙂", "x", "ünï 中 🙂|x"),
    ],
)
def test_keys_stay_readable(customer: str, primary: str | None, key: str) -> None:
    assert row_key(customer, primary) == key


@pytest.mark.parametrize("char", ["x", "é", "🙂", "/"])
def test_a_row_key_has_at_most_512_utf16_units(char: str) -> None:
    units = utf16_units(escape(char))
    longest = char * (LONGEST_ROW_KEY // units)

    assert utf16_units(row_key(longest, None)) <= LONGEST_ROW_KEY
    with pytest.raises(ValueError, match="too long"):
        row_key(longest + char, None)


@given(TEXTS, st.integers(0, 15))
def test_a_bucket_splits_in_two_where_their_count_doubles(customer: str, exponent: int) -> None:
    buckets = 2**exponent

    before, after = (int(partition_key(customer, count), 16) for count in (buckets, 2 * buckets))

    assert 0 <= before < buckets
    assert after in (before, before + buckets)
    assert len(partition_key(customer, buckets)) == 4


def test_a_bucket_never_changes_between_releases() -> None:
    assert [partition_key(customer, 64) for customer in ("00001", "00002", "ünï", "🙂")] == [
        "0023",
        "0019",
        "002a",
        "0029",
    ]


@pytest.mark.parametrize("buckets", [0, -1, 3, 96, 0x20000])
def test_other_counts_than_powers_of_two_are_refused(buckets: int) -> None:
    with pytest.raises(ValueError, match="power of two"):
        check_buckets(buckets)


@given(
    ids=st.lists(st.text(st.characters(codec="utf-8")), min_size=1, max_size=4),
    buckets=st.sampled_from([1, 16, 65_536]),
)
def test_ids_in_utf_8_have_the_keys_of_texts(ids: list[str], buckets: int) -> None:
    encoded = [text.encode() for text in ids]

    assert partition_keys(encoded, buckets) == [partition_key(text, buckets) for text in ids]
    assert needs_no_escape(b"".join(encoded)) == all(escape(text) == text for text in ids)
