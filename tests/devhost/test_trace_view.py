"""How a trace is shown: lines that share a name, the tree, the picture."""

from typing import Any
from xml.etree import ElementTree

import pytest

from devhost.collector import CollectedSpan
from devhost.trace_view import as_svg, as_text, lines_of


def span(span_id: str, parent: str, name: str, began: float, ended: float, **members: Any) -> CollectedSpan:
    values: dict[str, Any] = {"kind": "internal", "attributes": {}, "links": [], "error": None, **members}
    return CollectedSpan("t", span_id, parent, name, values.pop("kind"), began, ended, **values)


SPANS = [
    span("1", "caller", "call_skill", 10.0, 10.5, attributes={"bridge.skill": "language"}),
    span(
        "3", "1", "scoring.call", 10.2, 10.4, kind="client", attributes={"http.response.status_code": 503}, error="<&>"
    ),
    span("2", "1", "scoring.call", 10.1, 10.3, kind="client", attributes={"http.response.status_code": 200}),
    span("4", "2", "below", 10.15, 10.2),
    span("5", "3", "below", 10.25, 10.3),
]


def test_spans_of_one_name_share_a_line_and_so_does_what_is_below_them() -> None:
    lines = lines_of(SPANS)

    assert [(line.depth, line.label) for line in lines] == [(0, "call_skill"), (1, "scoring.call ×2"), (2, "below ×2")]
    assert [round(line.seconds, 3) for line in lines] == [0.5, 0.3, 0.15]


def test_the_tree_tells_when_how_long_and_what_the_spans_agree_on() -> None:
    assert as_text("A batch", lines_of(SPANS)).splitlines() == [
        "A batch",
        "   at ms  took ms",
        "       0      500  call_skill  [skill=language]",
        "     100      300    scoring.call ×2  [error=<&>]",
        "     150      150      below ×2",
    ]


def test_the_picture_is_xml_with_a_bar_for_each_span() -> None:
    drawn = ElementTree.fromstring(as_svg([("A batch & its <calls>", lines_of(SPANS))] * 2))

    bars = [found for found in drawn.iter("{http://www.w3.org/2000/svg}rect") if found.get("rx")]
    assert len(bars) == 2 * len(SPANS)


def test_of_no_spans_there_is_no_picture() -> None:
    with pytest.raises(ValueError, match="empty"):
        as_text("Nothing", lines_of([]))
