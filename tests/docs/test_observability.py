"""Does docs/observability.md tell what the code has? Metrics, spans and attributes by `shared.signals`, events by their calls."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import function_app
from shared.signals import METRICS, Attributes, Spans

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "observability.md").read_text()
SOURCES = [ROOT / "function_app.py", *sorted((ROOT / "shared").rglob("*.py"))]
ROW = re.compile(r"^\| (?P<first>.+?) \| (?P<second>.+?) \| (?P<third>.+?) \|(?: (?P<fourth>.+?) \|)?$", re.MULTILINE)
EVENT_AT = {"log_event": 1, "log_failure": 0}
"""Which argument of a call is the event."""


def section(title: str) -> str:
    return PAGE.partition(f"\n## {title}\n")[2].partition("\n## ")[0]


def rows(title: str) -> list[re.Match[str]]:
    return [
        row for row in ROW.finditer(section(title)) if not row["first"].startswith(("---", "metric", "event", "span"))
    ]


def test_every_metric_is_told_with_its_kind_unit_and_attributes() -> None:
    told = [(row["first"], row["second"], row["third"], row["fourth"]) for row in rows("Metrics")]

    assert told == [
        (
            f"`{metric.name}`",
            f"{metric.kind}, `{metric.unit}`",
            metric.what,
            ", ".join(f"`{name}`" for name in metric.attributes),
        )
        for metric in METRICS
    ]


def test_every_span_and_every_attribute_is_told() -> None:
    spans = {found for row in rows("Traces") for found in re.findall(r"^`([a-z.]+)`", row["first"])}
    told = set(re.findall(r"`([a-z]+(?:[._][a-z_.]+)+)`", PAGE))

    assert spans == set(Spans)
    assert {str(name) for name in Attributes} <= told


def events_in(path: Path) -> Iterator[str]:
    """The constants that stand where an event does, both of `"a" if x else "b"`."""
    for node in ast.walk(ast.parse(path.read_text())):
        if not isinstance(node, ast.Call):
            continue
        name = node.func.id if isinstance(node.func, ast.Name) else getattr(node.func, "attr", "")
        if name in EVENT_AT and len(node.args) > EVENT_AT[name]:
            argument = node.args[EVENT_AT[name]]
            parts = [argument.body, argument.orelse] if isinstance(argument, ast.IfExp) else [argument]
            yield from (str(part.value) for part in parts if isinstance(part, ast.Constant))


def test_every_event_of_the_log_is_told() -> None:
    told = {row["first"].strip("`") for row in rows("Log lines")}
    logged = {event for path in SOURCES for event in events_in(path)}

    assert told == logged | {"app_not_loaded"}  # by function_app, which then has no module of ours to log with


def test_nothing_is_logged_but_events() -> None:
    """A format string would put into the line whatever it is given."""
    by_hand = [
        f"{path.relative_to(ROOT)}:{node.lineno}"
        for path in SOURCES
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Call)
        and isinstance(node.func, ast.Attribute)
        and node.func.attr in ("debug", "info", "warning", "error", "exception", "log")
        and isinstance(node.func.value, ast.Name)
        and node.func.value.id.lower().lstrip("_") in ("logger", "log", "logging")
        and path.name != "logs.py"
    ]

    assert by_hand == []


def test_the_picture_shows_spans_that_there_are() -> None:
    """`make trace` draws it anew."""
    functions = set(function_app.function_names())
    lines = (ROOT / "docs" / "trace.txt").read_text().splitlines()
    shown = {found[1] for line in lines if (found := re.match(r" *\d+ +\d+ +([a-z_.]+)", line))}

    assert {"call_skill", "run.begin", "run.part", "scoring.call"} <= shown
    assert shown <= functions | set(Spans)
