"""Where telemetry goes, and what happens where it cannot: nothing to the requests. Off, nothing of it is loaded."""

import asyncio
import json
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from typing import Any

import pytest

from devhost.collector import Collected, collecting
from shared import tracing
from shared.settings import Settings
from shared.signals import SCORING_CALLS, Attributes
from tests.devhost.running import Host, eventually, hosting
from tests.support.bridge import ROOT
from tests.support.ports import free_port

pytestmark = pytest.mark.slow  # processes that start and end many times over

SOON = {"OTEL_BSP_SCHEDULE_DELAY": "200", "OTEL_METRIC_EXPORT_INTERVAL": "500"}
# The exporter's own telemetry and its remote switches go to hosts of Microsoft's.
ALONE = {
    "APPLICATIONINSIGHTS_STATSBEAT_DISABLED_ALL": "true",
    "APPLICATIONINSIGHTS_CONTROLPLANE_DISABLED": "true",
    "APPLICATIONINSIGHTS_SDKSTATS_DISABLED": "true",
}
INSTRUMENTATION_KEY = "00000000-0000-0000-0000-0000000000ff"
_USE = """
import asyncio, sys
import function_app
from shared.app import Services, start_telemetry
from shared.tracing import is_on

async def use():
    services = Services({"AzureWebJobsStorage": "UseDevelopmentStorage=true"})
    for part in ("skills", "runner", "parts", "scheduler", "data", "sweep", "queues"):
        getattr(services, part)
    services._endpoints, services._row_plane
    await services._http.aclose()

start_telemetry()
assert not is_on()
asyncio.run(use())
# The API alone may be there, for azure-core uses it where it is installed.
found = [name for name in sys.modules if name.startswith(("opentelemetry.sdk", "opentelemetry.exporter", "azure.monitor"))]
print(found + [name for name in sys.modules if name.startswith("shared.telemetry")])
"""


type Bridge = Callable[..., AbstractContextManager[Host]]


@pytest.fixture
def telling(azurite: str) -> Bridge:
    """An app with these settings, whose timers are off."""
    timers = {f"AzureWebJobs_DOT_{name}_DOT_Disabled": "true" for name in ("schedule_tick", "watch_runs", "sweep")}

    @contextmanager
    def run(**env: str) -> Iterator[Host]:
        with hosting(ROOT, **{"AzureWebJobsStorage": azurite, **timers, **SOON, **ALONE, **env}) as host:
            yield host

    return run


def health(host: Host) -> float:
    """Seconds that it took."""
    began = time.monotonic()
    assert host.get("/api/health").status == 200
    return time.monotonic() - began


def test_off_no_sdk_and_no_exporter_is_loaded() -> None:
    done = subprocess.run(
        [sys.executable, "-c", _USE], cwd=ROOT, capture_output=True, text=True, timeout=60, check=False
    )

    assert done.stdout.strip() == "[]", done.stderr


@pytest.mark.parametrize(
    ("environment", "is_on"),
    [
        ({}, False),
        ({"OTEL_SERVICE_NAME": "x"}, False),
        ({"APPLICATIONINSIGHTS_CONNECTION_STRING": "", "OTEL_EXPORTER_OTLP_ENDPOINT": ""}, False),
        ({"APPLICATIONINSIGHTS_CONNECTION_STRING": "InstrumentationKey=x"}, True),
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:4318"}, True),
    ],
)
def test_telemetry_is_on_where_it_has_somewhere_to_go(environment: Mapping[str, str], is_on: bool) -> None:
    assert Settings.from_environment(environment).has_telemetry is is_on


def test_spans_and_metrics_go_to_application_insights(telling: Bridge) -> None:
    with collecting() as (address, collected):
        connection = f"InstrumentationKey={INSTRUMENTATION_KEY};IngestionEndpoint={address}/"
        with telling(APPLICATIONINSIGHTS_CONNECTION_STRING=connection) as host:
            health(host)
            [item] = eventually(lambda: items_of(collected, "health"))

    assert item["iKey"] == INSTRUMENTATION_KEY
    assert item["tags"]["ai.cloud.role"] == "aml-bridge"
    assert item["data"]["baseData"]["properties"]["faas.trigger"] == "http"
    assert item["data"]["baseData"]["properties"]["bridge.status"] == "200"
    assert host.lines("Traceback") == []


def items_of(collected: Collected, name: str) -> list[dict[str, Any]]:
    """The envelopes of spans of this name. Source: Application Insights' `track` endpoint: an array, or one a line."""
    found = []
    for body in list(collected.bodies):
        text = body.decode()
        items = json.loads(text) if text.startswith("[") else [json.loads(line) for line in text.splitlines() if line]
        found += [item for item in items if item["data"]["baseData"].get("name") == name]
    return found


@pytest.mark.parametrize(
    "setting",
    [
        {"OTEL_EXPORTER_OTLP_ENDPOINT": f"http://127.0.0.1:{free_port()}"},
        {"APPLICATIONINSIGHTS_CONNECTION_STRING": "sentinel-that-is-no-connection-string"},
    ],
    ids=["nobody-there", "no-connection-string"],
)
def test_telemetry_that_cannot_go_out_holds_up_nothing_and_fails_nothing(
    telling: Bridge, setting: dict[str, str]
) -> None:
    with telling(**setting) as host:
        health(host)
        time.sleep(1)  # the first batch is under way
        assert max(health(host) for _ in range(20)) < 2

    assert not host.lines("sentinel")


def test_a_connection_string_that_cannot_be_used_is_told_once_for_spans_and_once_for_metrics(telling: Bridge) -> None:
    with telling(APPLICATIONINSIGHTS_CONNECTION_STRING="none") as host:
        for _ in range(5):
            health(host)
            time.sleep(0.3)

    assert 1 <= len(host.lines("telemetry_lost")) <= 2


def test_a_span_that_is_not_recorded_costs_next_to_nothing() -> None:
    """The figure is in docs/observability.md; here only its order, which a loaded machine does not change."""
    tracing.install(None)
    began, times = time.process_time(), 100_000
    for number in range(times):
        with tracing.span("scoring.call", {Attributes.ATTEMPT: number}) as calling:
            calling.set(Attributes.STATUS, 200)
        tracing.count(SCORING_CALLS)

    assert (time.process_time() - began) / times < 5e-6


async def test_a_callers_decision_not_to_sample_holds(telling: Bridge) -> None:
    with collecting() as (address, collected), telling(OTEL_EXPORTER_OTLP_ENDPOINT=address) as host:
        host.get("/api/health", traceparent=f"00-{'a' * 32}-{'1' * 16}-00")
        host.get("/api/health", traceparent=f"00-{'b' * 32}-{'1' * 16}-01")
        await asyncio.to_thread(eventually, lambda: collected.spans)

    assert {span.trace for span in collected.spans} == {"b" * 32}
