"""Queues and timers: what is there, what waits, what is dead."""

from datetime import UTC, datetime, timedelta

import pytest

from shared.operations.doctor.commands import FunctionApp
from shared.operations.doctor.findings import Status
from shared.operations.doctor.looks import Fault
from shared.operations.doctor.messaging import (
    QueueState,
    duration,
    poison_finding,
    queue_findings,
    timer_findings,
)

APP = FunctionApp("bridge")
NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)
AWAY = Fault("queue storage did not answer", "StorageUnavailable")


@pytest.mark.parametrize(
    ("state", "statuses", "says"),
    [
        (QueueState(0, None), ["ok", "ok"], "no message"),
        (QueueState(3, None), ["ok", "ok"], "3 messages, all in hand or for later"),
        (QueueState(3, NOW - timedelta(seconds=40)), ["ok", "ok"], "was sent 40 s ago"),
        (QueueState(700, NOW - timedelta(minutes=10)), ["ok", "ok"], "was sent 10 min ago"),
        (QueueState(1, NOW - timedelta(minutes=11)), ["ok", "warning"], "was sent 11 min ago"),
        (None, ["failed", "skipped"], "there is no such queue"),
        (AWAY, ["failed", "skipped"], "the queue was not reached"),
        (Fault("too late", "Late", None, True), ["skipped"], "too late"),
    ],
)
def test_a_queue(state: QueueState | Fault | None, statuses: list[str], says: str) -> None:
    found = queue_findings("run-advance", state, "hosts", NOW, APP, by_identity=True)

    assert [str(finding.status) for finding in found] == statuses
    assert says in found[-1].message


@pytest.mark.parametrize(
    ("account", "by_identity", "command"),
    [
        ("hosts", True, "az storage queue create -n run-advance --account-name hosts --auth-mode login"),
        ("hosts", False, "az storage queue create -n run-advance --account-name hosts"),
        (
            "devstoreaccount1",
            False,
            'az storage queue create -n run-advance --connection-string "$AzureWebJobsStorage"',
        ),
    ],
)
def test_a_queue_that_is_missing_is_made(account: str, by_identity: bool, command: str) -> None:
    missing, _ = queue_findings("run-advance", None, account, NOW, APP, by_identity=by_identity)

    assert missing.command == command


@pytest.mark.parametrize(
    ("kept", "status", "says"),
    [
        ([], Status.OK, "none"),
        (["BadRequest", "CauseUnknown", "BadRequest"], Status.WARNING, "3 failed for good (BadRequest, CauseUnknown)"),
        (AWAY, Status.SKIPPED, "not looked at"),
    ],
)
def test_poison_messages(kept: list[str] | Fault, status: Status, says: str) -> None:
    finding = poison_finding(kept)

    assert finding.status is status
    assert says in finding.message


@pytest.mark.parametrize(
    ("tick", "sweep", "statuses"),
    [
        (timedelta(seconds=30), timedelta(hours=20), ["ok", "ok"]),
        (timedelta(minutes=5), timedelta(hours=26), ["ok", "ok"]),
        (timedelta(minutes=5, seconds=1), timedelta(hours=26, seconds=1), ["failed", "failed"]),
        (timedelta(days=3), None, ["failed", "skipped"]),
        (None, None, ["warning", "skipped"]),
    ],
)
def test_a_timer_that_comes_no_more_is_dead(
    tick: timedelta | None, sweep: timedelta | None, statuses: list[str]
) -> None:
    last = {
        name: NOW - age for name, age in (("schedule_tick", tick), ("sweep", sweep), ("other", tick)) if age is not None
    }

    assert [str(finding.status) for finding in timer_findings(last, NOW, APP)] == statuses


def test_timers_of_which_nothing_can_be_read_are_skipped() -> None:
    assert {finding.status for finding in timer_findings(AWAY, NOW, APP)} == {Status.SKIPPED}


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(-5, "0 s"), (0, "0 s"), (119, "119 s"), (120, "2 min"), (7199, "119 min"), (7200, "2 h"), (172800, "2 d")],
)
def test_a_duration(seconds: int, text: str) -> None:
    assert duration(timedelta(seconds=seconds)) == text
