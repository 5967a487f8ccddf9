"""What arrives at Application Insights, by Microsoft's own exporter, and what becomes of a process whose exporter hangs."""

import json
import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from typing import Any

import pytest

from devhost.collector import Collected, collecting
from shared.signals import Attributes
from shared.telemetry.insights import KEPT_AS
from tests.support.bridge import ROOT
from tests.telemetry.test_exporting import ALONE, INSTRUMENTATION_KEY

pytestmark = pytest.mark.slow  # processes that start and end many times over

_TELL = """
import os, sys, time
from shared import tracing
from shared.settings import Settings
from shared.signals import LIMITER_CLOSED, SCORING_CALLS, SCORING_DURATION, Attributes, Kind
from shared.telemetry.exporting import make_recorder
from shared.tracing import SpanKind

tracing.install(make_recorder(Settings.from_environment(os.environ), version="1", instance="one"))
values = {attribute: "told" for attribute in Attributes}
for kind in SpanKind:
    with tracing.span(f"span.{kind.value}", values, kind=kind):
        pass
tracing.count(SCORING_CALLS, {}, 2)
tracing.count(SCORING_CALLS, {}, 3)
tracing.record(SCORING_DURATION, 4.5)
tracing.observe(LIMITER_CLOSED, lambda: [(1, {Attributes.ENDPOINT: "one"})])
while "azure.monitor.opentelemetry.exporter" not in sys.modules:  # loaded by the first batch of spans
    time.sleep(0.1)
time.sleep(1)
"""


def tell(address: str, *names: str) -> tuple[float, str]:
    """A process that tells of all there is, then ends: how long it took, and what it logged."""
    connection = f"InstrumentationKey={INSTRUMENTATION_KEY};IngestionEndpoint={address}/"
    told = {"APPLICATIONINSIGHTS_CONNECTION_STRING": connection, "OTEL_EXPORTER_OTLP_ENDPOINT": address}
    env = {**os.environ, **ALONE, "OTEL_BSP_SCHEDULE_DELAY": "200", **{name: told[name] for name in names}}
    began = time.monotonic()
    done = subprocess.run(
        [sys.executable, "-c", _TELL], cwd=ROOT, env=env, capture_output=True, text=True, timeout=90, check=False
    )
    assert done.returncode == 0, done.stderr
    return time.monotonic() - began, done.stderr


@pytest.fixture(scope="module")
def items() -> Iterator[list[dict[str, Any]]]:
    """What a process sent that ended long before its metrics were due."""
    with collecting() as (address, collected):
        _, logged = tell(address, "APPLICATIONINSIGHTS_CONNECTION_STRING")
        assert logged == ""
        yield items_of(collected)


def items_of(collected: Collected) -> list[dict[str, Any]]:
    """Source: Application Insights' `track` endpoint: an array, or one a line."""
    found: list[dict[str, Any]] = []
    for body in collected.bodies:
        text = body.decode()
        found += json.loads(text) if text.startswith("[") else [json.loads(line) for line in text.splitlines() if line]
    return found


@pytest.mark.parametrize("kind", ["internal", "client", "consumer"])
def test_a_span_keeps_its_name_and_all_its_attributes(items: list[dict[str, Any]], kind: str) -> None:
    [span] = [item["data"]["baseData"] for item in items if item["data"]["baseData"].get("name") == f"span.{kind}"]

    assert span["properties"] == {KEPT_AS.get(name, name.value): "told" for name in Attributes}


def metric(items: list[dict[str, Any]], name: str) -> dict[str, Any]:
    found: list[dict[str, Any]] = [point for item in items for point in item["data"]["baseData"].get("metrics", [])]
    [point] = [point for point in found if point["name"] == name]
    return point


def test_a_counter_is_a_sum_of_what_was_counted(items: list[dict[str, Any]]) -> None:
    point = metric(items, "bridge.scoring.calls")

    assert (point["value"], point["count"], point.get("max")) == (5, 1, None)


def test_a_gauge_is_a_sum_of_one_and_has_no_maximum(items: list[dict[str, Any]]) -> None:
    point = metric(items, "bridge.limiter.closed")

    assert (point["value"], point["count"], point.get("max")) == (1, 1, None)


def test_a_histogram_has_sum_count_and_maximum(items: list[dict[str, Any]]) -> None:
    point = metric(items, "bridge.scoring.duration")

    assert (point["value"], point["count"], point["max"]) == (4.5, 1, 4.5)


def test_the_attributes_of_a_metric_keep_their_names(items: list[dict[str, Any]]) -> None:
    [data] = [item["data"]["baseData"] for item in items if "bridge.limiter.closed" in json.dumps(item)]

    assert data["properties"] == {Attributes.ENDPOINT.value: "one"}


def test_exporters_that_hang_hold_the_end_of_a_process_up_for_seconds() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:  # takes connections, and never answers
        address = f"http://127.0.0.1:{silent.getsockname()[1]}"
        seconds, _ = tell(address, "APPLICATIONINSIGHTS_CONNECTION_STRING", "OTEL_EXPORTER_OTLP_ENDPOINT")

    assert seconds < 20  # five, and what comes before; without a bound a minute and more
