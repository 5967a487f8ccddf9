"""What does a request leave in a trace? The stack runs with a collector, scores a batch and runs a pipeline."""

import secrets
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from devhost.collector import Collected
from devhost.stack.client import BridgeClient
from devhost.stack.config import ROOT
from devhost.stack.parts import Part
from devhost.trace_view import as_svg, as_text, lines_of
from samples.customer_value.demo import run_demo as run_workflow_demo
from samples.language.documents import Document, documents
from samples.language.skill import NAME

_PATIENCE = 20.0
_QUIET = 2.0
"""Seconds without a new span, after which a trace is whole."""
PICTURE = ROOT / "docs" / "trace.svg"
TREE = ROOT / "docs" / "trace.txt"


def with_collector(part: Part, address: str) -> Part:
    """The part sends its telemetry there, soon enough to wait for it."""
    settings = {
        "OTEL_EXPORTER_OTLP_ENDPOINT": address,
        "OTEL_BSP_SCHEDULE_DELAY": "300",
        "OTEL_METRIC_EXPORT_INTERVAL": "1000",
    }
    return replace(part, environment=part.environment | settings)


def draw_traces(client: BridgeClient, collected: Collected) -> None:
    """Writes the picture and the tree. Raises StackError, DemoFailed."""
    skill, run = _traceparent(), _traceparent()
    first, *texts = documents()[:21]
    _score(client, [first], {})  # what a process's first call loads is no part of the picture
    _score(client, texts, {"traceparent": skill})
    run_workflow_demo(_traced(client, run))
    parts = [
        ("An indexer's batch of 20 records", _lines(collected, skill)),
        ("A run, from PUT …?run=true to published rows", _lines(collected, run)),
    ]
    PICTURE.write_text(as_svg(parts))
    TREE.write_text("\n".join(as_text(title, lines) for title, lines in parts))
    print(f"\n{TREE.read_text()}\nwritten: {PICTURE.relative_to(ROOT)}, {TREE.relative_to(ROOT)}", flush=True)


def _score(client: BridgeClient, texts: Sequence[Document], headers: dict[str, str]) -> None:
    values = [{"recordId": text.id, "data": {"text": text.content}} for text in texts]
    client.call("POST", f"/api/skills/{NAME}", {"values": values}, headers)


def _traced(client: BridgeClient, traceparent: str) -> Callable[..., tuple[Any, Mapping[str, str]]]:
    """Of the demo's requests the one that begins the run."""

    def send(method: str, path: str, body: object = None) -> tuple[Any, Mapping[str, str]]:
        return client.send(method, path, body, {"traceparent": traceparent} if "run=true" in path else {})

    return send


def _lines(collected: Collected, traceparent: str) -> Any:
    trace = traceparent.split("-")[1]
    end, seen, seen_at = time.monotonic() + _PATIENCE, 0, time.monotonic()
    while time.monotonic() < end:
        found = [span for span in collected.spans if span.trace == trace]
        if len(found) != seen:
            seen, seen_at = len(found), time.monotonic()
        if found and time.monotonic() - seen_at > _QUIET:
            break
        time.sleep(0.1)
    return lines_of([span for span in collected.spans if span.trace == trace])


def _traceparent() -> str:
    return f"00-{secrets.token_hex(16)}-{secrets.token_hex(8)}-01"
