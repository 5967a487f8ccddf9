"""Where telemetry goes: batched, and sent by threads of their own, so that no request waits for it or fails by it.

The exporters are imported by those threads too, for they take longer to load than all else of a cold start. What cannot be
sent is lost, with a word in the log. OpenTelemetry's own settings (`OTEL_…`) hold: sampling, intervals, headers, names.
"""

import atexit
import logging
import threading
import time
from collections.abc import Callable, Sequence

from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import (
    AggregationTemporality,
    MetricExporter,
    MetricExportResult,
    MetricsData,
    PeriodicExportingMetricReader,
)
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter, SpanExportResult

from shared.logs import log_event
from shared.settings import Settings
from shared.telemetry.recorder import OpenTelemetryRecorder

logger = logging.getLogger("bridge.telemetry")

_FAREWELL = 5.0
"""Seconds for what is left when the process ends."""
_MAKING = threading.Lock()
"""One at a time: two threads that import parts of one package at once may see them half made."""

type MakeSpanExporter = Callable[[], SpanExporter]
type MakeMetricExporter = Callable[[], MetricExporter]


class LateSpanExporter(SpanExporter):
    """Made by the first batch, in the thread that sends it, and with it the one for metrics: when a process ends before its
    first minute is over, it is too late to import anything. What is wrong with it is told once."""

    def __init__(self, make: MakeSpanExporter, metrics: "LateMetricExporter") -> None:
        self._made = _Late(make)
        self._metrics = metrics

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        exporter = self._made.get()
        self._metrics.make()
        return SpanExportResult.FAILURE if exporter is None else exporter.export(spans)

    def shutdown(self) -> None:
        if exporter := self._made.existing:
            exporter.shutdown()

    def force_flush(self, timeout_millis: int = 30000) -> bool:
        exporter = self._made.existing
        return exporter is None or exporter.force_flush(timeout_millis)


class LateMetricExporter(MetricExporter):
    """As `LateSpanExporter`."""

    def __init__(self, make: MakeMetricExporter, temporality: dict[type, AggregationTemporality] | None = None) -> None:
        super().__init__(preferred_temporality=temporality)
        self._made = _Late(make)

    def make(self) -> None:
        self._made.get()

    def export(self, metrics_data: MetricsData, timeout_millis: float = 10_000, **kwargs: object) -> MetricExportResult:
        exporter = self._made.get()
        return MetricExportResult.FAILURE if exporter is None else exporter.export(metrics_data, timeout_millis)

    def shutdown(self, timeout_millis: float = 30_000, **kwargs: object) -> None:
        if exporter := self._made.existing:
            exporter.shutdown(timeout_millis)

    def force_flush(self, timeout_millis: float = 10_000) -> bool:
        exporter = self._made.existing
        return exporter is None or exporter.force_flush(timeout_millis)


class _Late[T]:
    def __init__(self, make: Callable[[], T]) -> None:
        self._make = make
        self._failed = False
        self.existing: T | None = None

    def get(self) -> T | None:
        if self.existing is None and not self._failed:
            with _MAKING:
                self._make_once()
        return self.existing

    def _make_once(self) -> None:
        if self.existing is not None or self._failed:
            return
        try:
            self.existing = self._make()
        except Exception as error:  # noqa: BLE001  # whatever it is, the app goes on without its telemetry
            self._failed = True
            log_event(logger, "telemetry_lost", logging.ERROR, error=type(error).__name__)


def make_recorder(settings: Settings, *, version: str, instance: str) -> OpenTelemetryRecorder:
    """Begins to export. What is left is sent when the process ends by itself, in five seconds at most."""
    resource = Resource.create(
        {
            # As the host calls itself, so that both are one role. OTEL_SERVICE_NAME goes before.
            "service.name": settings.OTEL_SERVICE_NAME or settings.WEBSITE_SITE_NAME or "aml-bridge",
            "service.version": version,
            "service.instance.id": settings.WEBSITE_INSTANCE_ID or instance,
        }
    )
    tracers, readers = TracerProvider(resource=resource, shutdown_on_exit=False), []
    for spans, metrics in _exporters(settings, tracers):
        tracers.add_span_processor(BatchSpanProcessor(spans))
        readers.append(PeriodicExportingMetricReader(metrics))
    meters = MeterProvider(readers, resource, shutdown_on_exit=False)
    atexit.register(send_the_rest, tracers.shutdown, meters.shutdown)
    return OpenTelemetryRecorder(tracers.get_tracer("aml-bridge", version), meters.get_meter("aml-bridge", version))


def send_the_rest(*shutdowns: Callable[[], None]) -> None:
    """At the end of the process, at once, and no longer than the host may wait for it: each of them alone would give an
    exporter half a minute."""
    threads = [threading.Thread(target=shutdown, daemon=True) for shutdown in shutdowns]
    for thread in threads:
        thread.start()
    until = time.monotonic() + _FAREWELL
    for thread in threads:
        thread.join(max(0.0, until - time.monotonic()))


def _exporters(settings: Settings, tracers: TracerProvider) -> list[tuple[LateSpanExporter, LateMetricExporter]]:
    found = []
    if settings.OTEL_EXPORTER_OTLP_ENDPOINT:
        metrics = LateMetricExporter(_otlp_metrics)
        found.append((LateSpanExporter(_otlp_spans, metrics), metrics))
    if connection := settings.APPLICATIONINSIGHTS_CONNECTION_STRING:
        metrics = LateMetricExporter(lambda: _insights_metrics(connection), _deltas())
        found.append((LateSpanExporter(lambda: _insights_spans(connection, tracers), metrics), metrics))
    return found


def _otlp_spans() -> SpanExporter:
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter

    return OTLPSpanExporter()


def _otlp_metrics() -> MetricExporter:
    from opentelemetry.exporter.otlp.proto.http.metric_exporter import OTLPMetricExporter

    return OTLPMetricExporter()


def _insights_spans(connection: str, tracers: TracerProvider) -> SpanExporter:
    from shared.telemetry.insights import make_span_exporter

    return make_span_exporter(connection, tracers)


def _insights_metrics(connection: str) -> MetricExporter:
    from shared.telemetry.insights import make_metric_exporter

    return make_metric_exporter(connection)


def _deltas() -> dict[type, AggregationTemporality]:
    """What happened since the last export, as Application Insights adds it up."""
    from opentelemetry.sdk.metrics import Counter, Histogram

    return {Counter: AggregationTemporality.DELTA, Histogram: AggregationTemporality.DELTA}
