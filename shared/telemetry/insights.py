"""Spans and metrics as Application Insights keeps them.

Its exporter reads some of OpenTelemetry's own attributes as fields of its own and drops the others, which then stand nowhere:
the error, the status, the queue. Of a call it takes the name away, and puts the method and a path there, which we do not tell.
So these attributes go to it by names that it leaves alone.

Source: azure-monitor-opentelemetry-exporter 1.0.0b58, `_convert_span_to_envelope` and `_is_standard_attribute`.
"""

from collections.abc import Sequence
from typing import cast

from azure.monitor.opentelemetry.exporter import AzureMonitorMetricExporter, AzureMonitorTraceExporter
from opentelemetry.sdk.metrics.export import MetricExporter
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SpanExporter, SpanExportResult

from shared.signals import Attributes

KEPT_AS = {
    Attributes.ERROR: "bridge.error",
    Attributes.METHOD: "bridge.method",
    Attributes.STATUS: "bridge.status",
    Attributes.HOST: "bridge.host",
    Attributes.QUEUE: "bridge.queue",
}
"""The attributes of spans that Application Insights has by other names; those of metrics keep theirs."""
_NAMES = {attribute.value: name for attribute, name in KEPT_AS.items()}
_WAITS = {"timeout": 10, "read_timeout": 5, "retry_total": 2}
"""Seconds for a batch and for an answer. The client's own would hold a batch for an hour, and drop all that follows it."""


class InsightsSpans(SpanExporter):
    def __init__(self, exporter: SpanExporter) -> None:
        self._exporter = exporter

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        return self._exporter.export([as_kept(span) for span in spans])

    def shutdown(self) -> None:
        self._exporter.shutdown()

    def force_flush(self, timeout_millis: int = 30000) -> bool:
        return self._exporter.force_flush(timeout_millis)


def as_kept(span: ReadableSpan) -> ReadableSpan:
    """The span with its attributes by the names that Application Insights keeps."""
    return ReadableSpan(
        span.name,
        span.context,
        span.parent,
        span.resource,
        {_NAMES.get(name, name): value for name, value in (span.attributes or {}).items()},
        span.events,
        span.links,
        span.kind,
        status=span.status,
        start_time=span.start_time,
        end_time=span.end_time,
        instrumentation_scope=span.instrumentation_scope,
    )


def make_span_exporter(connection: str, provider: TracerProvider) -> SpanExporter:
    """Signs in by identity where APPLICATIONINSIGHTS_AUTHENTICATION_STRING says so; the exporter reads it as the host does.

    What could not be sent is not kept on the instance's disk: it goes with the instance. The provider is named, for the
    exporter would look for one of the whole process and log at each batch that there is none.
    """
    return InsightsSpans(
        AzureMonitorTraceExporter(
            connection_string=connection, disable_offline_storage=True, tracer_provider=provider, **_WAITS
        )
    )


def make_metric_exporter(connection: str) -> MetricExporter:
    exporter = AzureMonitorMetricExporter(connection_string=connection, disable_offline_storage=True, **_WAITS)
    return cast(MetricExporter, exporter)
