"""A recorder that keeps what it is told."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from shared.signals import Attributes, Metric
from shared.tracing import Measurements, SpanKind, Value, Values


@dataclass
class RecordedSpan:
    name: str
    traceparent: str | None
    parent: str | None
    links: list[str]
    values: dict[Attributes, Value | None]
    error: str | None = None
    ended: int = 0

    def set(self, name: Attributes, value: Value | None) -> None:
        self.values[name] = value

    def fail(self, code: str) -> None:
        self.error = code

    def link(self, traceparent: str | None) -> None:
        self.links += [traceparent] if traceparent else []

    def end(self, at: datetime | None = None) -> None:
        self.ended += 1


@dataclass
class MemoryRecorder:
    spans: list[RecordedSpan] = field(default_factory=list)
    counts: list[tuple[str, float, dict[str, Value]]] = field(default_factory=list)
    observed: list[Callable[[], Measurements]] = field(default_factory=list)

    def start(
        self,
        name: str,
        kind: SpanKind,
        *,
        parent: str | None,
        links: Sequence[str],
        values: Values,
        at: datetime | None = None,
    ) -> RecordedSpan:
        trace = parent.split("-")[1] if parent else f"{len(self.spans) + 1:032x}"
        made = RecordedSpan(name, f"00-{trace}-{len(self.spans) + 1:016x}-01", parent, list(links), dict(values))
        self.spans.append(made)
        return made

    def count(self, metric: Metric, amount: float, values: Values) -> None:
        self.counts.append((metric.name, amount, {str(name): value for name, value in values.items()}))

    def record(self, metric: Metric, value: float, values: Values) -> None:
        self.counts.append((metric.name, value, {str(name): value for name, value in values.items()}))

    def observe(self, metric: Metric, measure: Callable[[], Measurements]) -> None:
        self.observed.append(measure)
