"""How is a skill doing in this process? Counts, errors by kind, latency percentiles."""

from collections import Counter, deque
from datetime import UTC, datetime
from typing import Any

from shared.times import rfc3339

_SAMPLES = 1000


class SkillStats:
    """Kept by the gateway, one for each skill; the last thousand calls give the percentiles."""

    def __init__(self, since: datetime | None = None) -> None:
        self._since = since or datetime.now(UTC)
        self._seconds: deque[float] = deque(maxlen=_SAMPLES)
        self._errors: Counter[str] = Counter()
        self.records = 0
        self.remembered = 0
        """Records answered from the result cache."""
        self.calls = 0
        self.retries = 0
        self.push_backs = 0
        """Answers 429 and 503, bare or inside a 424."""

    def call(self, seconds: float | None) -> None:
        """A call was made and took `seconds`; None if it never reached the endpoint."""
        if seconds is not None:
            self.calls += 1
            self._seconds.append(seconds)

    def error(self, code: str) -> None:
        """A record ended without enrichment."""
        self._errors[code] += 1

    def not_called(self, code: str) -> None:
        """A record ended before any call, for there was nothing to send."""
        self.records += 1
        self.error(code)

    def percentile(self, share: float) -> float | None:
        """Seconds below which `share` (0 to 1) of the last calls stayed; None before the first."""
        ordered = sorted(self._seconds)
        return ordered[min(len(ordered) - 1, int(share * len(ordered)))] if ordered else None

    def snapshot(self) -> dict[str, Any]:
        """Latencies in milliseconds."""
        latency = {
            name: self.percentile(share) for name, share in (("p50", 0.5), ("p90", 0.9), ("p95", 0.95), ("p99", 0.99))
        }
        return {
            "since": rfc3339(self._since),
            "records": self.records,
            "remembered": self.remembered,
            "calls": self.calls,
            "retries": self.retries,
            "pushBacks": self.push_backs,
            "errors": dict(self._errors),
            "latencyMs": {name: None if value is None else round(value * 1000, 1) for name, value in latency.items()},
        }
