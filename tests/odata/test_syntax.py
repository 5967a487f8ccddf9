"""What is a filter? `odata-query`, a parser that nobody here wrote, and ours agree; where they differ is listed."""

from datetime import UTC, datetime

import pytest
from hypothesis import HealthCheck, given, settings
from odata_query.exceptions import ODataException

from shared.entities.odata.binding import bind_filter
from shared.entities.odata.parsing import parse_filter
from shared.errors import BadRequest, NotSupported
from tests.odata.grammar import parse
from tests.support.filters import SCHEMA, filters

MALFORMED = (
    *("", "n eq", "eq 5", "n eq 5 and", "and n eq 5", "n eq 5 or or n eq 6", "n eq eq 5", "n eq 5 6", "n 5", "add 5"),
    *("(n eq 5", "n eq 5)", "((n eq 5)", "n eq 5;", "n eq 5,", "n eq -", "*", "n eq *", "n eq #5"),
    *(
        "name eq 'O'Neil'",
        "name eq 'ab",
        'name eq "ab"',
        "name eq 'a' 'b'",
        "n eq 0x10",
        "n eq 1.",
        "n eq .5",
        "n eq 1e",
    ),
    *("n = 5", "n == 5", "n <> 5", "n > 5", "n eq 5 && m eq 6", "n eq 5 || m eq 6", "!(n eq 5)", "n eq 5 not m eq 6"),
    *("name like 'a%'", "n between 1 and 2", "n is null", "mod(n, 2) eq 0", "upper(name) eq 'A'", "fraction(n) eq 1"),
    *("n in 1, 2", "n in (1, 2", "n in 1", "n in ()", "n in (1,, 2)"),
    *("contains(name 'a')", "contains(name, 'a'", "contains(name)", "contains(name, 'a', 'b')", "contains()"),
    *("length()", "length(name, name)", "now(at)", "substring(name)"),
    *("at eq 2026-13-01", "at eq 2026-01-32", "at eq 2026-01-31T25:00:00Z"),
)
PLAIN = (
    *("n eq 5", "N EQ 5", "n eq -5", "-n eq 5", "( n eq 5 )", "n add 1 mul 2 eq 5", "n eq 5 or n eq 6 and m eq 7"),
    *("n in (1,2)", "n in (1)", "id in ('a')", "not n in (1,2)", "not (n eq 5)", "not contains(name,'a')", "not flag"),
    *("name eq ''", "name eq 'a''b'", "contains(name,'O''Neil')", "contains( name , 'a' )", "name ne null", "flag"),
    *("at gt 2026-01-31", "at gt 2026-01-31T10:00:00Z", "at eq 2026-01-31T10:00Z", "at gt now()"),
    *("at eq 2026-01-31T10:00:00.123456+02:00", "year(at) eq 2026", "x gt 1.5e3", "x eq INF", "x eq -INF"),
    *("length(trim(concat(name,'a'))) gt 3", "substring(name,1,2) eq 'a'", "flag eq true and not mark"),
    "id eq 12345678-1234-1234-1234-123456789012",
)
THEIRS_ALONE = {
    "functions": ("fractionalseconds(at) eq 1", "mindatetime() lt at", "maxdatetime() gt at", "totalseconds(n) eq 1"),
    "patterns": ("matchesPattern(name,'a')",),
    "sets": ("hassubset(n,n)", "hassubsequence(n,n)"),
    "places": ("geo.distance(name,city) lt 1",),
    "paths": ("a/b eq 5", "tags/any(t: t eq 'a')", "tags/all(t: t eq 'a')"),
    "times of day": ("time(at) eq 10:00:00",),
    "durations": ("duration'PT1H' eq null",),
}
"""501 here: each of them is OData, and none a text that cannot be read."""
OURS_ALONE = {
    "spaces around": (" n eq 5 ", "\tn eq\t5"),
    "no space before a list": ("n in(1,2)",),
    "a name that begins like a literal": ("nullable eq 1", "trueish eq 1"),
    "a year before 1000": ("at eq 0999-01-01",),
}
OF_NEITHER = ("n has 5", "n divby 2 eq 1", "cast(n,Edm.String) eq '5'", "isof(n,Edm.Int32)", "$it eq 5", "n eq @p")
"""OData still, so 501 here."""
NAMES_TO_THEM = ("not", "eq")
"""An operator alone is a property to them; a name that is none of the entity's to us."""


def bind(text: str) -> None:
    bind_filter(parse_filter(text), SCHEMA, datetime(2026, 11, 21, tzinfo=UTC))


def flat(table: dict[str, tuple[str, ...]]) -> list[str]:
    return [text for texts in table.values() for text in texts]


@settings(max_examples=300, suppress_health_check=list(HealthCheck))
@given(filters())
def test_every_filter_of_ours_is_one_of_theirs(text: str) -> None:
    bind(text)
    parse(text)


@pytest.mark.parametrize("text", PLAIN)
def test_a_plain_filter_is_read_by_both(text: str) -> None:
    bind(text)
    parse(text)


@pytest.mark.parametrize("text", MALFORMED)
def test_what_is_malformed_is_refused_by_both(text: str) -> None:
    with pytest.raises(BadRequest):
        bind(text)
    with pytest.raises(ODataException):
        parse(text)


@pytest.mark.parametrize("text", flat(THEIRS_ALONE))
def test_what_they_alone_read_is_told_to_be_unsupported(text: str) -> None:
    parse(text)
    with pytest.raises(NotSupported):
        bind(text)


@pytest.mark.parametrize("text", flat(OURS_ALONE))
def test_what_we_alone_read_is_odata_all_the_same(text: str) -> None:
    parse_filter(text)
    with pytest.raises(ODataException):
        parse(text)


@pytest.mark.parametrize("text", OF_NEITHER)
def test_what_neither_serves_is_told_to_be_unsupported(text: str) -> None:
    with pytest.raises(NotSupported):
        bind(text)
    with pytest.raises(ODataException):
        parse(text)


@pytest.mark.parametrize("text", NAMES_TO_THEM)
def test_an_operator_alone_is_refused_here(text: str) -> None:
    parse(text)
    with pytest.raises(BadRequest):
        bind(text)
