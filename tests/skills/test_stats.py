"""How a skill is doing."""

from datetime import UTC, datetime

import pytest

from shared.skills.stats import SkillStats


def test_a_skill_that_was_not_called_has_no_latency() -> None:
    stats = SkillStats(datetime(2026, 12, 1, tzinfo=UTC))

    assert stats.snapshot() == {
        "since": "2026-12-01T00:00:00Z",
        "records": 0,
        "remembered": 0,
        "calls": 0,
        "retries": 0,
        "pushBacks": 0,
        "errors": {},
        "latencyMs": {"p50": None, "p90": None, "p95": None, "p99": None},
    }


def test_latencies_are_percentiles_in_milliseconds() -> None:
    stats = SkillStats()
    for milliseconds in range(100):
        stats.call(milliseconds / 1000)

    assert stats.snapshot()["latencyMs"] == {"p50": 50, "p90": 90, "p95": 95, "p99": 99}
    assert stats.percentile(1.0) == pytest.approx(0.099)


def test_only_the_last_thousand_calls_give_the_percentiles() -> None:
    stats = SkillStats()
    for seconds in [9.0] * 1000 + [1.0] * 1000:
        stats.call(seconds)

    assert stats.calls == 2000
    assert stats.percentile(0.99) == 1.0


def test_what_never_reached_the_endpoint_is_no_call() -> None:
    stats = SkillStats()
    stats.call(None)

    assert (stats.calls, stats.percentile(0.5)) == (0, None)


def test_errors_are_counted_by_kind() -> None:
    stats = SkillStats()
    for code in ("A", "B", "A"):
        stats.error(code)
    stats.not_called("NoInputs")

    assert stats.snapshot()["errors"] == {"A": 2, "B": 1, "NoInputs": 1}
    assert stats.records == 1
