"""What a run is called, and how it begins."""

import re
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.workflows.runs import RunStatus, Trigger, TriggerKind, new_run, new_run_id
from tests.workflows.fakes import stored_workflow

NOON = datetime(2026, 11, 21, 12, tzinfo=UTC)


@given(st.from_regex(r"[A-Za-z][A-Za-z0-9_-]{0,62}", fullmatch=True))
def test_a_runs_id_is_a_jobs_name(workflow: str) -> None:
    run_id = new_run_id(workflow, NOON)

    assert re.fullmatch(r"[a-zA-Z0-9][a-zA-Z0-9\-_]{0,254}", run_id)
    assert run_id.startswith(f"brg-{workflow.lower()}-20261121T120000-")


def test_no_two_runs_have_the_same_id() -> None:
    assert len({new_run_id("churn", NOON) for _ in range(100)}) == 100


@pytest.mark.parametrize(
    ("trigger", "note"),
    [
        (Trigger(TriggerKind.HTTP), "on demand"),
        (Trigger(TriggerKind.QUEUE), "by a queue message"),
        (Trigger(TriggerKind.SAVE), "by saving the workflow"),
        (Trigger(TriggerKind.SCHEDULE, "2026-11-21T06:00:00Z"), "scheduled for 2026-11-21T06:00:00Z"),
    ],
)
def test_a_new_run_is_queued_and_says_why(trigger: Trigger, note: str) -> None:
    run = new_run("run-1", stored_workflow("churn"), trigger, NOON)

    assert [(entry.status, entry.at, entry.note) for entry in run.timeline] == [(RunStatus.QUEUED, NOON, note)]


@pytest.mark.parametrize("status", RunStatus)
def test_a_status_is_active_terminal_or_held(status: RunStatus) -> None:
    assert status.is_active + status.is_terminal + (status is RunStatus.HELD) == 1
