"""Data requests: which are read how, and where the others break."""

from urllib.parse import quote

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from shared.entities.odata import Comparison, DataRequest, parse_filter, parse_request
from shared.errors import BadRequest, NotSupported

BY_CUSTOMER = Comparison("CustomerId", "ce759201f786d590bf2134bff576c369")
ID = BY_CUSTOMER.text


@pytest.mark.parametrize(
    ("path", "query", "expected"),
    [
        ("Value", "", DataRequest("Value")),
        ("/Value/", "", DataRequest("Value")),
        ("Value/$count", "", DataRequest("Value", is_count=True)),
        ("Value/%24count", "", DataRequest("Value", is_count=True)),
        ("Value('x')", "", DataRequest("Value", key={"": "x"})),
        ("Value(%27O%27%27Neil%27)", "", DataRequest("Value", key={"": "O'Neil"})),
        ("Value('a/b(c)?d')".replace("?", "%253F"), "", DataRequest("Value", key={"": "a/b(c)%3Fd"})),
        ("Value(CustomerId='x', order = 'y')", "", DataRequest("Value", key={"CustomerId": "x", "order": "y"})),
        ("Value", "$top=5&code=secret&x=1", DataRequest("Value", top=5)),
        ("Value", "TOP=0&$format=json&$count=false", DataRequest("Value", top=0)),
        ("Value", "$skiptoken=abc_-", DataRequest("Value", token="abc_-")),
        ("Value", f"$filter=CustomerId%20eq%20'{ID}'", DataRequest("Value", filter=BY_CUSTOMER)),
        ("Value", f"%24filter=CustomerId+eq+%27{ID}%27", DataRequest("Value", filter=BY_CUSTOMER)),
        ("Value", f"filter=CustomerId eq '{ID}'", DataRequest("Value", filter=BY_CUSTOMER)),
        ("Value", f"filter%3DCustomerId%20eq%20'{ID}'", DataRequest("Value", filter=BY_CUSTOMER)),
        (
            "Value",
            "top%3D3&%24filter=CustomerId eq 'a%3Db'",
            DataRequest("Value", filter=Comparison("CustomerId", "a=b"), top=3),
        ),
        # The address that Customer Insights documents, raw and as a host may decode it.
        (f"Value%3Ffilter%3DCustomerId%20eq%20'{ID}'", "", DataRequest("Value", filter=BY_CUSTOMER)),
        (f"Value%3ffilter%3dCustomerId%20eq%20%27{ID}%27", "", DataRequest("Value", filter=BY_CUSTOMER)),
        (f"Value?filter=CustomerId eq '{ID}'", "", DataRequest("Value", filter=BY_CUSTOMER)),
        (f"Value?filter=CustomerId%20eq%20'{ID}'", "", DataRequest("Value", filter=BY_CUSTOMER)),
        (f"Value%3Ffilter%3DCustomerId%20eq%20'{ID}'", "code=k", DataRequest("Value", filter=BY_CUSTOMER)),
        (f"Value%3Ffilter%3DCustomerId%20eq%20'{ID}'%26top%3D3", "", DataRequest("Value", filter=BY_CUSTOMER, top=3)),
        (f"Value%3F$top%3D3&$filter%3DCustomerId%20eq%20'{ID}'", "", DataRequest("Value", filter=BY_CUSTOMER, top=3)),
        (
            "Value%3Ffilter%3DCustomerId%20eq%20'a%26b%3Dc'",
            "",
            DataRequest("Value", filter=Comparison("CustomerId", "a&b=c")),
        ),
    ],
)
def test_requests_that_are_served(path: str, query: str, expected: DataRequest) -> None:
    assert parse_request(path, query) == expected


@pytest.mark.parametrize(
    ("path", "query"),
    [
        ("", ""),
        ("$metadata", ""),
        ("$batch", ""),
        ("Value('x')/score", ""),
        ("Value/Other", ""),
        ("Value", "$select=a"),
        ("Value", "orderby=a"),
        ("Value", "$skip=1"),
        ("Value", "$expand=a"),
        ("Value", "$count=true"),
        ("Value", "$format=csv"),
        ("Value", "$filter=CustomerId ne 'a'"),
        ("Value", "$filter=CustomerId in ('a')"),
        ("Value", "$filter=CustomerId eq 'a' and score gt 1"),
        ("Value", "$filter=CustomerId eq 'a' or CustomerId eq 'b'"),
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
        ("Value", "$filter=", r"position 0: expected a property"),
        ("Value", "$filter=CustomerId", "position 10: expected eq"),
        ("Value", "$filter=CustomerId is 'x'", "position 11: expected eq"),
        ("Value", "$filter=CustomerId eq x", "position 14: expected a text in single quotes"),
        ("Value", "$filter=CustomerId eq 'O'Neil'", "position 17: expected the end"),
        ("Value", "$filter=CustomerId eq 'x", "position 14: expected a text"),
        ("Value" + "x" * 9000, "", "more than 8000 characters"),
    ],
)
def test_what_is_malformed_is_400_with_its_position(path: str, query: str, message: str) -> None:
    with pytest.raises(BadRequest, match=message):
        parse_request(path, query)


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
        assert parse_request(path, query).filter == Comparison("CustomerId", text)


@given(st.text("ab' eqCustomerId()=", max_size=30))
def test_no_filter_breaks_the_parser(text: str) -> None:
    try:
        parse_filter(text)
    except (BadRequest, NotSupported):
        return
