"""What a run is called, and how it begins."""

import re
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.workflows.facts import FailedForNow
from shared.workflows.runs import RunStatus, Trigger, TriggerKind, new_run, new_run_id, render_run
from tests.workflows.fakes import stored_workflow
from tests.workflows.lifecycle_runs import BUSY, after, at

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
        (
            Trigger(TriggerKind.SCHEDULE, "2026-11-21T06:00:00Z", late_seconds=130 * 60 + 59),
            "scheduled for 2026-11-21T06:00:00Z, 2 h 10 min late",
        ),
        (
            Trigger(TriggerKind.SCHEDULE, "2026-11-19T06:00:00Z", late_seconds=2 * 86400 + 6 * 3600),
            "scheduled for 2026-11-19T06:00:00Z, 2 d 6 h late",
        ),
    ],
)
def test_a_new_run_is_queued_and_says_why(trigger: Trigger, note: str) -> None:
    run = new_run("run-1", stored_workflow("churn"), trigger, NOON)

    assert [(entry.status, entry.at, entry.note) for entry in run.timeline] == [(RunStatus.QUEUED, NOON, note)]


@pytest.mark.parametrize("status", RunStatus)
def test_a_status_is_active_terminal_or_held(status: RunStatus) -> None:
    assert status.is_active + status.is_terminal + (status is RunStatus.HELD) == 1


def test_a_queued_run_is_told_without_what_does_not_apply() -> None:
    trigger = Trigger(TriggerKind.SCHEDULE, "2026-11-21T06:00:00Z")

    assert render_run(new_run("run-1", stored_workflow("churn"), trigger, NOON)) == {
        "id": "run-1",
        "workflow": "churn",
        "status": "queued",
        "trigger": {"kind": "schedule", "slot": "2026-11-21T06:00:00Z"},
        "createdAt": "2026-11-21T12:00:00.000Z",
        "updatedAt": "2026-11-21T12:00:00.000Z",
        "timeline": [
            {"status": "queued", "at": "2026-11-21T12:00:00.000Z", "note": "scheduled for 2026-11-21T06:00:00Z"}
        ],
    }


def test_an_ended_run_tells_its_job_its_output_its_import_and_its_snapshot() -> None:
    told = render_run(at("succeeded"))

    assert told["job"] == {"name": "run-1", "status": "Completed"}
    assert told["output"] == {"datastore": "workspaceblobstore", "path": "outputs/value/run-1/"}
    assert told["import"] == {"parts": 2, "partsDone": 2, "rows": 20, "rejected": 0}
    assert told["snapshot"] == "snapshot-1"
    assert [entry["status"] for entry in told["timeline"]][-2:] == ["publishing", "succeeded"]
    assert not {"error", "retrying", "heldFor", "cancelRequestedAt", "importOf"} & told.keys()


def test_a_run_tells_what_went_wrong_and_what_it_waits_for() -> None:
    assert render_run(at("failed"))["error"] == {"code": "WorkspaceForbidden", "message": "no right to submit"}
    assert render_run(at("held"))["heldFor"] == ["too few rows"]
    assert render_run(after([FailedForNow(BUSY)]))["retrying"] == {
        "attempts": 1,
        "since": "2026-11-21T12:00:00.000Z",
        "nextAt": "2026-11-21T12:00:05.000Z",
        "code": "WorkspaceUnavailable",
        "message": "429",
    }
