"""A collector of telemetry for one machine: takes OTLP over HTTP, as an OpenTelemetry Collector would, and keeps it.

Source: OTLP 1.9, OTLP/HTTP with binary protobuf: `POST /v1/traces`, `POST /v1/metrics`.
"""

import gzip
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

KINDS = ("unspecified", "internal", "server", "client", "producer", "consumer")


@dataclass(frozen=True)
class CollectedSpan:
    """Ids are hexadecimal; times are seconds."""

    trace: str
    id: str
    parent: str
    """Empty for the first of its process."""
    name: str
    kind: str
    began: float
    ended: float
    attributes: Mapping[str, Any]
    links: Sequence[tuple[str, str]]
    """Trace and span."""
    error: str | None
    """The status's description; None where it did not fail."""


@dataclass(frozen=True)
class CollectedMetric:
    name: str
    unit: str
    points: Sequence[tuple[Mapping[str, Any], float]]
    """Attributes, and the value; of a histogram the count."""


@dataclass
class Collected:
    """What came so far."""

    spans: list[CollectedSpan] = field(default_factory=list)
    metrics: list[CollectedMetric] = field(default_factory=list)
    resources: list[Mapping[str, Any]] = field(default_factory=list)
    bodies: list[bytes] = field(default_factory=list)
    """As they came, to be searched for what must not be there."""

    def take(self, path: str, body: bytes) -> None:
        self.bodies.append(body)
        if path == "/v1/traces":
            self._take_spans(ExportTraceServiceRequest.FromString(body))
        elif path == "/v1/metrics":
            self._take_metrics(ExportMetricsServiceRequest.FromString(body))

    def latest(self, metric: str) -> dict[str, float]:
        """The newest value for each set of attributes, which are written `name=value` with commas."""
        found = {}
        for collected in self.metrics:
            if collected.name == metric:
                for attributes, value in collected.points:
                    found[",".join(f"{name}={attributes[name]}" for name in sorted(attributes))] = value
        return found

    def _take_spans(self, request: ExportTraceServiceRequest) -> None:
        for resource in request.resource_spans:
            self.resources.append(_attributes(resource.resource.attributes))
            for scope in resource.scope_spans:
                self.spans.extend(map(_span, scope.spans))

    def _take_metrics(self, request: ExportMetricsServiceRequest) -> None:
        for resource in request.resource_metrics:
            for scope in resource.scope_metrics:
                self.metrics.extend(map(_metric, scope.metrics))


@contextmanager
def collecting() -> Iterator[tuple[str, Collected]]:
    """A collector on a free port: its address, and what it has."""
    collected = Collected()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:  # its name is http.server's
            body = self.rfile.read(int(self.headers["Content-Length"]))
            body = gzip.decompress(body) if self.headers.get("Content-Encoding") == "gzip" else body
            collected.take(self.path, body)
            # Application Insights' own way says what it took, and its exporter reads that.
            is_track = self.path.endswith("/track")
            answer = b'{"itemsReceived": 1, "itemsAccepted": 1, "errors": []}' if is_track else b""
            self.send_response(200)
            self.send_header("Content-Type", "application/json" if is_track else "application/x-protobuf")
            self.send_header("Content-Length", str(len(answer)))
            self.end_headers()
            self.wfile.write(answer)

        def log_message(self, *words: object) -> None:
            return

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    serving = threading.Thread(target=server.serve_forever, daemon=True)
    serving.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}", collected
    finally:
        server.shutdown()
        server.server_close()
        serving.join()


def _span(span: Any) -> CollectedSpan:
    return CollectedSpan(
        trace=span.trace_id.hex(),
        id=span.span_id.hex(),
        parent=span.parent_span_id.hex(),
        name=span.name,
        kind=KINDS[span.kind],
        began=span.start_time_unix_nano / 1e9,
        ended=span.end_time_unix_nano / 1e9,
        attributes=_attributes(span.attributes),
        links=[(link.trace_id.hex(), link.span_id.hex()) for link in span.links],
        error=span.status.message or "error" if span.status.code == 2 else None,
    )


def _metric(metric: Any) -> CollectedMetric:
    data = getattr(metric, metric.WhichOneof("data"))
    points = [(_attributes(point.attributes), _value(point)) for point in data.data_points]
    return CollectedMetric(metric.name, metric.unit, points)


def _value(point: Any) -> float:
    if hasattr(point, "bucket_counts"):
        return float(point.count)
    return float(getattr(point, point.WhichOneof("value")))


def _attributes(pairs: Any) -> dict[str, Any]:
    return {pair.key: getattr(pair.value, pair.value.WhichOneof("value")) for pair in pairs}
