"""Data requests: which are read how, and where the others break."""

from contextlib import suppress
from urllib.parse import quote

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from shared.entities.odata.parsing import Order
from shared.entities.odata.requests import LONGEST_BODY, DataRequest, Query, parse_request
from shared.entities.odata.syntax import Binary, Literal, Name, Syntax
from shared.errors import BadRequest, NotSupported, PayloadTooLarge

ID = "ce759201f786d590bf2134bff576c369"


def customer(text: str) -> Syntax:
    return Binary("eq", Name("CustomerId"), Literal(text))


BY_CUSTOMER = DataRequest("Value", query=Query(filter=customer(ID)))


def asks(**query: object) -> DataRequest:
    return DataRequest("Value", query=Query(**query))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("path", "query", "expected"),
    [
        ("", "", DataRequest()),
        ("/", "$format=json", DataRequest()),
        ("$metadata", "", DataRequest(is_metadata=True)),
        ("%24metadata", "$format=xml", DataRequest(is_metadata=True)),
        ("Value", "", DataRequest("Value")),
        (
            "Value",
            "$SELECT=a, B&orderby=b desc,a&$skip=7",
            asks(select=(Name("a"), Name("B")), orderby=(Order("b", descending=True), Order("a")), skip=7),
        ),
        ("Value", "select=*&$count=true", asks(select=(Name("*"),), with_count=True)),
        ("/Value/", "", DataRequest("Value")),
        ("Value/$count", "", DataRequest("Value", is_count=True)),
        ("Value/%24count", "", DataRequest("Value", is_count=True)),
        ("Value('x')", "", DataRequest("Value", key={"": "x"})),
        ("Value(%27O%27%27Neil%27)", "", DataRequest("Value", key={"": "O'Neil"})),
        ("Value('a/b(c)?d')".replace("?", "%253F"), "", DataRequest("Value", key={"": "a/b(c)%3Fd"})),
        ("Value('a)(?%20''b''%3F)')", "", DataRequest("Value", key={"": "a)(? 'b'?)"})),
        ("Value(CustomerId='x?y',order='z?')", "", DataRequest("Value", key={"CustomerId": "x?y", "order": "z?"})),
        ("Value('x')%3F%24select%3Da", "", DataRequest("Value", {"": "x"}, query=Query(select=(Name("a"),)))),
        ("Value(CustomerId='x', order = 'y')", "", DataRequest("Value", key={"CustomerId": "x", "order": "y"})),
        ("Value", "$top=5&code=secret&x=1", asks(top=5)),
        ("Value", "search=a&index=1&ROOT=b&expand=c&apply=d&id=7&@p='x'&top=5", asks(top=5)),
        ("Value%3Fid%3D7&top=5", "", asks(top=5)),
        ("Value", "TOP=0&$format=json&$count=false", asks(top=0)),
        ("Value", "$skiptoken=abc_-", asks(token="abc_-")),
        ("Value", f"$filter=CustomerId%20eq%20'{ID}'", BY_CUSTOMER),
        ("Value", f"%24filter=CustomerId+eq+%27{ID}%27", BY_CUSTOMER),
        ("Value", f"filter=CustomerId eq '{ID}'", BY_CUSTOMER),
        ("Value", f"filter%3DCustomerId%20eq%20'{ID}'", BY_CUSTOMER),
        (
            "Value",
            "top%3D3&%24filter=CustomerId eq 'a%3Db'",
            asks(filter=customer("a=b"), top=3),
        ),
        # The address that Customer Insights documents, raw and as a host may decode it.
        (f"Value%3Ffilter%3DCustomerId%20eq%20'{ID}'", "", BY_CUSTOMER),
        (f"Value%3ffilter%3dCustomerId%20eq%20%27{ID}%27", "", BY_CUSTOMER),
        (f"Value?filter=CustomerId eq '{ID}'", "", BY_CUSTOMER),
        (f"Value?filter=CustomerId%20eq%20'{ID}'", "", BY_CUSTOMER),
        (f"Value%3Ffilter%3DCustomerId%20eq%20'{ID}'", "code=k", BY_CUSTOMER),
        (f"Value%3Ffilter%3DCustomerId%20eq%20'{ID}'%26top%3D3", "", asks(filter=customer(ID), top=3)),
        (f"Value%3F$top%3D3&$filter%3DCustomerId%20eq%20'{ID}'", "", asks(filter=customer(ID), top=3)),
        (
            "Value%3Ffilter%3DCustomerId%20eq%20'a%26b%3Dc'",
            "",
            asks(filter=customer("a&b=c")),
        ),
    ],
)
def test_requests_that_are_served(path: str, query: str, expected: DataRequest) -> None:
    assert parse_request(path, query) == expected


@pytest.mark.parametrize(
    ("path", "query"),
    [
        ("$batch", ""),
        ("$all", ""),
        ("Value('x')/score", ""),
        ("Value('x')/$count", ""),
        ("Value/Other", ""),
        ("Value/$query", ""),
        ("Value", "$expand=a"),
        ("Value", "$SEARCH=a"),
        ("Value", "$id=Value('x')"),
        ("Value", "$index=1"),
        ("Value", "$apply=aggregate(a)"),
        ("Value", "$compute=a"),
        ("Value", "$select=a/b"),
        ("Value", "$orderby=tolower(a)"),
        ("Value", "$orderby=a add 1"),
        ("Value", "$filter=a has 'x'"),
        ("Value", "$filter=a/any(x:x eq 1)"),
        ("Value", "$filter=$it eq 1"),
        ("Value", "$filter=a eq @b"),
        ("Value", "$filter=a eq duration'P1D'"),
        ("Value", "$filter=a eq 13:20:00"),
    ],
)
def test_what_is_odata_but_not_served_is_501(path: str, query: str) -> None:
    with pytest.raises(NotSupported, match="not supported") as raised:
        parse_request(path, query)
    assert raised.value.status == 501


@pytest.mark.parametrize(
    ("path", "query", "message"),
    [
        ("1a", "", "the path is not"),
        ("Val ue", "", "the path is not"),
        ("Value(x)", "", "the key cannot be read at position 0"),
        ("Value('x)", "", "the key cannot be read at position 0"),
        ("Value()", "", "the key cannot be read at position 0"),
        ("Value(a='x',)", "", "the key cannot be read at position"),
        ("Value(a='x' b='y')", "", "the key cannot be read at position 0"),
        ("Value", "$top=-1", r"\$top is not a whole number"),
        ("Value", "$top=x", r"\$top is not a whole number"),
        ("Value", "$top=1&top=2", r"\$top is given more than once"),
        ("Value", "$fliter=x", "there is no query option '\\$fliter'"),
        ("Value", "$skip=-1", r"\$skip is not a whole number"),
        ("Value", "$count=yes", r"\$count is true or false"),
        ("Value", "$format=yaml", r"\$format is json, csv or a media type"),
        ("Value", "$select=", r"\$select cannot be read at position 0: expected a property"),
        ("Value", "$select=a b", r"\$select cannot be read at position 2: expected ,"),
        ("Value", "$orderby=a up", r"\$orderby cannot be read at position 2: expected asc, desc"),
        ("Value", "$filter=", r"position 0: expected a property"),
        ("Value", "$filter=CustomerId is 'x'", r"position 11: expected an operator or the end"),
        ("Value", "$filter=CustomerId equals 'x'", r"position 11: expected an operator or the end"),
        ("Value", "$filter=a eqq 1", r"position 2: expected an operator or the end \(did you mean"),
        ("Value", "$filter=CustomerId eq", "position 13: expected a property"),
        ("Value", "$filter=CustomerId eq 'O'Neil'", r"position 17: expected an operator"),
        ("Value", "$filter=CustomerId eq 'x", "position 14: expected a text in single quotes"),
        ("Value", "$filter=(a eq 1", "position 7: expected an operator or \\)"),
        ("Value", "$filter=a in 1", "position 5: expected \\( and a list"),
        ("Value", "$filter=a in (b)", "position 6: expected a literal"),
        ("Value", "$filter=f(a b)", "position 4: expected , or \\)"),
        ("Value", "$filter=a eq 1e999", "position 5: 1e999 is beyond Edm.Double"),
        ("Value", "$filter=a eq 9223372036854775808", "position 5: 9223372036854775808 is beyond Edm.Int64"),
        ("Value", "$filter=a eq 2026-02-30", "position 5: there is no time"),
        ("Value", "$filter=a eq 1;", "position 6: expected a word"),
        ("Value", f"$filter={'(' * 100}a", "more than 64 levels deep"),
        ("Value", f"$filter={'not ' * 100}a", "more than 64 levels deep"),
        ("Value", f"$filter={'1 add ' * 100}a", "more than 64 levels deep"),
        ("Value", f"$filter=a eq '{'x' * 8200}'", r"\$filter has more than 8192 characters"),
        ("Value" + "x" * 33_000, "", "more than 32000 characters"),
    ],
)
def test_what_is_malformed_is_400_with_its_position(path: str, query: str, message: str) -> None:
    with pytest.raises(BadRequest, match=message):
        parse_request(path, query)


def test_a_query_in_the_body_may_be_longer() -> None:
    items = ",".join(f"'{number}'" for number in range(4000))

    found = parse_request("Value/$query", "$top=3", body=f"$filter=CustomerId%20in%20({items})&$count=true")

    assert (found.entity, found.query.top, found.query.with_count) == ("Value", 3, True)
    with pytest.raises(PayloadTooLarge):
        parse_request("Value/$query", body="$filter=" + "x" * LONGEST_BODY)
    with pytest.raises(BadRequest, match="at most 2000 operators"):
        parse_request("Value/$query", body=f"$filter={' or '.join(['a'] * 3000)}")
    with pytest.raises(BadRequest, match="at most 5000 literals"):
        parse_request("Value/$query", body=f"$filter=a in ({','.join(['1'] * 5001)})")


def test_only_a_query_is_posted() -> None:
    with pytest.raises(NotSupported, match="POST is not supported"):
        parse_request("Value", body="$top=1")
    with pytest.raises(BadRequest, match="more than once"):
        parse_request("Value/$query", "$top=1", body="$top=2")


@given(st.text(st.characters(exclude_categories=["Cs"]), max_size=40))
@example("%41")
@example("'&=? +#/")
def test_any_text_can_be_asked_for(text: str) -> None:
    literal = "'" + text.replace("'", "''") + "'"
    encoded = quote(f"CustomerId eq {literal}", safe="")

    for path, query in (
        ("Value", f"$filter={encoded}"),
        (f"Value%3Ffilter%3D{encoded}", ""),
        (f"Value?filter=CustomerId eq {literal}", ""),
    ):
        assert parse_request(path, query).query.filter == customer(text)


@given(st.text("ab' eqCustomerId()=,-+1.5TZ:and in not $@/", max_size=40))
def test_no_filter_breaks_the_parser(text: str) -> None:
    with suppress(BadRequest, NotSupported):
        parse_request("Value", f"$filter={quote(text)}&$orderby={quote(text)}&$select={quote(text)}")
