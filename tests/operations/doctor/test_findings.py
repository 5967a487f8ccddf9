"""A finding, and the report that they make."""

import pytest

from shared.operations.doctor.findings import Check, Finding, Group, Report, Status, failed, ok, skipped, warning

OK = ok(Check.SKILL_KEY, "a", "well")
WARNING = warning(Check.QUEUE_DEPTH, "b", "slow", "look")
FAILED = failed(Check.STORAGE_READ, "c", "away", "mend it", "az …")
SKIPPED = skipped(Check.TIMER_TICK, "d", "not looked at")


@pytest.mark.parametrize(
    ("findings", "status"),
    [
        ([], Status.OK),
        ([OK], Status.OK),
        ([OK, SKIPPED], Status.OK),
        ([OK, WARNING, SKIPPED], Status.WARNING),
        ([WARNING, FAILED, OK], Status.FAILED),
    ],
)
def test_a_report_is_as_good_as_its_worst(findings: list[Finding], status: Status) -> None:
    assert Report(findings, 0.4123).status is status


def test_a_report_goes_by_groups_and_holds_what_mends() -> None:
    assert Report([OK, WARNING, FAILED, SKIPPED], 0.4123).render() == {
        "status": "failed",
        "checks": [
            {
                "name": "storage.read",
                "subject": "c",
                "status": "failed",
                "message": "away",
                "cure": "mend it",
                "command": "az …",
            },
            {"name": "queues.depth", "subject": "b", "status": "warning", "message": "slow", "cure": "look"},
            {"name": "timers.scheduleTick", "subject": "d", "status": "skipped", "message": "not looked at"},
            {"name": "skills.key", "subject": "a", "status": "ok", "message": "well"},
        ],
        "durationMs": 412,
    }


@pytest.mark.parametrize("check", Check)
def test_every_check_belongs_to_a_group(check: Check) -> None:
    assert check.group in Group
