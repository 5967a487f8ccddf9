"""Runs at every place of their way, and the facts that bring them there."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta

from shared.workflows.facts import (
    Began,
    CancelRequested,
    Exported,
    Fact,
    Failed,
    ImportPlanned,
    JobSeen,
    Judged,
    PartsSeen,
    PartsSent,
    Published,
    Submitting,
)
from shared.workflows.lifecycle import apply
from shared.workflows.runs import ImportProgress, Run, RunError, RunJob, RunOutput, Trigger, TriggerKind, new_run
from tests.workflows.fakes import document, stored_workflow

NOON = datetime(2026, 11, 21, 12, tzinfo=UTC)
MINUTE = timedelta(minutes=1)
HOUR = timedelta(hours=1)
TIMEOUT = timedelta(hours=6)
ERROR = RunError("WorkspaceForbidden", "no right to submit")
BUSY = RunError("WorkspaceUnavailable", "429")
OUTPUT = RunOutput("workspaceblobstore", "outputs/value/run-1/")
BEGAN = Began(document(), "4")
SUBMITTING = Submitting("component:3", OUTPUT)
PLANNED = ImportPlanned("snapshot-1", 2, "runs/run-1/plan.json")


def job(status: str, **members: object) -> RunJob:
    return replace(RunJob("run-1", status), **members)  # type: ignore[arg-type]


GOOD: Sequence[Fact] = [
    BEGAN,
    Exported("prior", "azureml://datastores/d/paths/p"),
    SUBMITTING,
    JobSeen(job("NotStarted")),
    JobSeen(job("Queued")),
    JobSeen(job("Running")),
    JobSeen(job("Completed")),
    PLANNED,
    PartsSent(),
    PartsSeen(ImportProgress(2, 1, 10)),
    PartsSeen(ImportProgress(2, 2, 20)),
    Judged([]),
    Published(),
]
UP_TO: dict[str, Sequence[Fact]] = {
    "queued": [],
    "begun": GOOD[:1],
    "submitting": GOOD[:3],
    "running": GOOD[:6],
    "importing": GOOD[:7],
    "planned": GOOD[:8],
    "sent": GOOD[:9],
    "imported": GOOD[:11],
    "publishing": GOOD[:12],
    "held": [*GOOD[:11], Judged(["too few rows"])],
    "succeeded": GOOD,
    "failed": [Failed(ERROR)],
    "canceled": [CancelRequested()],
}
TERMINAL = ["succeeded", "failed", "canceled"]


def fresh() -> Run:
    return new_run("run-1", stored_workflow("churn"), Trigger(TriggerKind.HTTP), NOON)


def after(facts: Sequence[Fact], run: Run | None = None, now: datetime = NOON) -> Run:
    run = run or fresh()
    for fact in facts:
        run = apply(run, fact, now)
    return run


def at(place: str) -> Run:
    return after(UP_TO[place])
