"""The recorder of `shared.tracing`, on OpenTelemetry's SDK."""

from collections.abc import Callable, Iterable, Sequence
from datetime import datetime

from opentelemetry import trace
from opentelemetry.metrics import CallbackOptions, Counter, Histogram, Meter, Observation
from opentelemetry.trace import Link, NonRecordingSpan, SpanContext, Status, StatusCode, TraceFlags, Tracer

from shared.signals import METRICS, Attributes, Kind, Metric
from shared.tracing import Measurements, SpanKind, Value, Values, is_traceparent

_KINDS = {
    SpanKind.INTERNAL: trace.SpanKind.INTERNAL,
    SpanKind.CLIENT: trace.SpanKind.CLIENT,
    SpanKind.CONSUMER: trace.SpanKind.CONSUMER,
}
_SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 120.0)
"""Bounds of a histogram's buckets; a call may take two minutes."""


class OpenTelemetrySpan:
    __slots__ = ("_span", "traceparent")

    def __init__(self, span: trace.Span) -> None:
        self._span = span
        self.traceparent: str | None = _traceparent(span.get_span_context())

    def set(self, name: Attributes, value: Value | None) -> None:
        if value is not None:
            self._span.set_attribute(name.value, value)

    def fail(self, code: str) -> None:
        self._span.set_attribute(Attributes.ERROR.value, code)
        self._span.set_status(Status(StatusCode.ERROR, code))

    def link(self, traceparent: str | None) -> None:
        if traceparent is not None and is_traceparent(traceparent):
            self._span.add_link(_context(traceparent))

    def end(self, at: datetime | None = None) -> None:
        self._span.end(_nanoseconds(at))


class OpenTelemetryRecorder:
    def __init__(self, tracer: Tracer, meter: Meter) -> None:
        self._tracer = tracer
        self._meter = meter
        self._counters: dict[str, Counter] = {
            metric.name: meter.create_counter(metric.name, metric.unit, metric.what)
            for metric in METRICS
            if metric.kind is Kind.COUNTER
        }
        self._histograms: dict[str, Histogram] = {
            metric.name: meter.create_histogram(
                metric.name, metric.unit, metric.what, explicit_bucket_boundaries_advisory=_SECONDS
            )
            for metric in METRICS
            if metric.kind is Kind.HISTOGRAM
        }

    def start(
        self,
        name: str,
        kind: SpanKind,
        *,
        parent: str | None,
        links: Sequence[str],
        values: Values,
        at: datetime | None = None,
    ) -> OpenTelemetrySpan:
        """Without a parent it begins a trace; what surrounds us in OpenTelemetry's own context is none."""
        above = NonRecordingSpan(_context(parent) if parent else trace.INVALID_SPAN_CONTEXT)
        span = self._tracer.start_span(
            name,
            trace.set_span_in_context(above),
            _KINDS[kind],
            _plain(values),
            [Link(_context(link)) for link in links],
            _nanoseconds(at),
        )
        return OpenTelemetrySpan(span)

    def count(self, metric: Metric, amount: float, values: Values) -> None:
        self._counters[metric.name].add(amount, _plain(values))

    def record(self, metric: Metric, value: float, values: Values) -> None:
        self._histograms[metric.name].record(value, _plain(values))

    def observe(self, metric: Metric, measure: Callable[[], Measurements]) -> None:
        def measured(options: CallbackOptions) -> Iterable[Observation]:
            return [Observation(value, _plain(values)) for value, values in measure()]

        self._meter.create_observable_gauge(metric.name, [measured], metric.unit, metric.what)


def _plain(values: Values) -> dict[str, Value]:
    return {name.value: value for name, value in values.items()}


def _nanoseconds(at: datetime | None) -> int | None:
    return None if at is None else int(at.timestamp() * 1_000_000) * 1000


def _context(traceparent: str) -> SpanContext:
    _, trace_id, span_id, flags = traceparent.split("-")
    return SpanContext(int(trace_id, 16), int(span_id, 16), is_remote=True, trace_flags=TraceFlags(int(flags, 16)))


def _traceparent(context: SpanContext) -> str:
    return f"00-{context.trace_id:032x}-{context.span_id:016x}-{context.trace_flags:02x}"
