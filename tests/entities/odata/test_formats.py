"""Which form an answer has: `$format` before `Accept`, by weight; page sizes; versions."""

import pytest

from shared.entities.odata.formats import Format, Metadata, check_body, check_versions, choose_format, page_size
from shared.errors import BadRequest, NotAcceptable

POWER_QUERY = (
    "application/json;odata.metadata=minimal;q=1.0,application/json;odata=minimalmetadata;q=0.9,"
    "application/atomsvc+xml;q=0.8,application/atom+xml;q=0.8,application/xml;q=0.7,text/plain;q=0.7"
)


@pytest.mark.parametrize(
    ("asked", "accept", "expected"),
    [
        (None, None, Format()),
        (None, "", Format()),
        (None, "*/*", Format()),
        (None, POWER_QUERY, Format()),
        (None, "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8", Format()),
        (None, "application/json;odata.metadata=none", Format(Metadata.NONE)),
        (None, "application/json;metadata=full;IEEE754Compatible=true", Format(Metadata.FULL, has_long_texts=True)),
        (None, "application/json;odata.metadata=verbose, application/json;q=0.1", Format()),
        (None, "text/csv", Format(is_csv=True)),
        (None, "text/csv;q=0.5, application/json;q=0.4", Format(is_csv=True)),
        (None, "*/*;q=0.5, text/csv;q=0.5", Format(is_csv=True)),
        ("json", "text/csv", Format()),
        ("CSV", "application/json", Format(is_csv=True)),
        ("application/json;odata.metadata=full", None, Format(Metadata.FULL)),
    ],
)
def test_the_form_that_is_chosen(asked: str | None, accept: str | None, expected: Format) -> None:
    assert choose_format(asked, accept) == expected


@pytest.mark.parametrize(
    ("asked", "accept"),
    [
        (None, "application/xml"),
        (None, "application/json;q=0"),
        (None, "application/json;charset=latin1"),
        (None, "gibberish"),
        ("atom", None),
        ("application/xml", "application/json"),
        ("application/json;odata.metadata=some", None),
    ],
)
def test_what_cannot_be_given_is_406(asked: str | None, accept: str | None) -> None:
    with pytest.raises(NotAcceptable):
        choose_format(asked, accept)


@pytest.mark.parametrize(
    ("prefer", "expected"),
    [
        (None, None),
        ("respond-async", None),
        ("odata.maxpagesize=50", 50),
        ('return=minimal; maxpagesize="7"', 7),
        ("respond-async, odata.maxpagesize=99999", 5000),
        ("odata.maxpagesize=0", None),
        ("odata.maxpagesize=-1", None),
    ],
)
def test_the_preferred_size_of_a_page(prefer: str | None, expected: int | None) -> None:
    assert page_size(prefer) == expected


@pytest.mark.parametrize(("most", "version"), [("3.0", None), ("x", None), (None, "3.0"), (None, "4.9")])
def test_another_version_is_refused(most: str | None, version: str | None) -> None:
    with pytest.raises(BadRequest, match="OData-"):
        check_versions(most, version)


def test_versions_from_4_on_are_taken() -> None:
    for most, version in ((None, None), ("4.0", "4.0"), ("4.01", "4.01"), ("5.0", "4.0")):
        check_versions(most, version)


def test_a_query_in_a_body_is_text() -> None:
    for content_type in (None, "text/plain", "Text/Plain;charset=utf-8", "application/x-www-form-urlencoded"):
        check_body(content_type)
    with pytest.raises(BadRequest):
        check_body("application/json")
