"""Where telemetry goes: batched, and sent by threads of their own, so that no request waits for it or fails by it.

The exporters are imported by those threads too, for they take longer to load than all else of a cold start. What cannot be
sent is lost, with a word in the log. OpenTelemetry's own settings (`OTEL_…`) hold: sampling, intervals, headers, names.
"""

import logging
from collections.abc import Callable, Sequence
from typing import cast

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

type MakeSpanExporter = Callable[[], SpanExporter]
type MakeMetricExporter = Callable[[], MetricExporter]


class LateSpanExporter(SpanExporter):
    """Made by the first batch, in the thread that sends it. What is wrong with it is told once."""

    def __init__(self, make: MakeSpanExporter) -> None:
        self._made = _Late(make)

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        exporter = self._made.get()
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
            try:
                self.existing = self._make()
            except Exception as error:  # noqa: BLE001  # whatever it is, the app goes on without its telemetry
                self._failed = True
                log_event(logger, "telemetry_lost", logging.ERROR, error=type(error).__name__)
        return self.existing


def make_recorder(settings: Settings, *, version: str, instance: str) -> OpenTelemetryRecorder:
    """Begins to export. The providers are flushed when the process ends by itself."""
    resource = Resource.create(
        {
            # As the host calls itself, so that both are one role. OTEL_SERVICE_NAME goes before.
            "service.name": settings.OTEL_SERVICE_NAME or settings.WEBSITE_SITE_NAME or "aml-bridge",
            "service.version": version,
            "service.instance.id": settings.WEBSITE_INSTANCE_ID or instance,
        }
    )
    tracers, readers = TracerProvider(resource=resource), []
    for spans, metrics in _exporters(settings):
        tracers.add_span_processor(BatchSpanProcessor(spans))
        readers.append(PeriodicExportingMetricReader(metrics))
    meters = MeterProvider(readers, resource)
    return OpenTelemetryRecorder(tracers.get_tracer("aml-bridge", version), meters.get_meter("aml-bridge", version))


def _exporters(settings: Settings) -> list[tuple[LateSpanExporter, LateMetricExporter]]:
    found = []
    if settings.OTEL_EXPORTER_OTLP_ENDPOINT:
        found.append((LateSpanExporter(_otlp_spans), LateMetricExporter(_otlp_metrics)))
    if connection := settings.APPLICATIONINSIGHTS_CONNECTION_STRING:
        found.append(
            (
                LateSpanExporter(lambda: _insights_spans(connection)),
                LateMetricExporter(lambda: _insights_metrics(connection), _deltas()),
            )
        )
    return found


def _otlp_spans() -> SpanExporter:
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter

    return OTLPSpanExporter()


def _otlp_metrics() -> MetricExporter:
    from opentelemetry.exporter.otlp.proto.http.metric_exporter import OTLPMetricExporter

    return OTLPMetricExporter()


def _insights_spans(connection: str) -> SpanExporter:
    """Signs in by identity where APPLICATIONINSIGHTS_AUTHENTICATION_STRING says so; the exporter reads it as the host does.

    What could not be sent is not kept on the instance's disk: it goes with the instance.
    """
    from azure.monitor.opentelemetry.exporter import AzureMonitorTraceExporter

    return AzureMonitorTraceExporter(connection_string=connection, disable_offline_storage=True)


def _insights_metrics(connection: str) -> MetricExporter:
    from azure.monitor.opentelemetry.exporter import AzureMonitorMetricExporter

    exporter = AzureMonitorMetricExporter(connection_string=connection, disable_offline_storage=True)
    return cast(MetricExporter, exporter)


def _deltas() -> dict[type, AggregationTemporality]:
    """What happened since the last export, as Application Insights adds it up."""
    from opentelemetry.sdk.metrics import Counter, Histogram

    return {Counter: AggregationTemporality.DELTA, Histogram: AggregationTemporality.DELTA}
