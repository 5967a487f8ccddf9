"""What is a run? One execution of a workflow: its definition as it started, its job, its import, its timeline."""

import secrets
from dataclasses import dataclass, field, replace
from datetime import datetime
from enum import StrEnum
from typing import TYPE_CHECKING, Any

from shared import times

if TYPE_CHECKING:
    from shared.workflows.catalog import StoredWorkflow


class RunStatus(StrEnum):
    QUEUED = "queued"
    RUNNING = "running"
    IMPORTING = "importing"
    PUBLISHING = "publishing"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    CANCELED = "canceled"
    HELD = "held"
    """Imported and not published: a person decides."""

    @property
    def is_terminal(self) -> bool:
        """It never moves again."""
        return self in (RunStatus.SUCCEEDED, RunStatus.FAILED, RunStatus.CANCELED)

    @property
    def is_active(self) -> bool:
        """It moves by itself, and its workflow starts no other."""
        return not self.is_terminal and self is not RunStatus.HELD


class TriggerKind(StrEnum):
    HTTP = "http"
    QUEUE = "queue"
    SCHEDULE = "schedule"
    SAVE = "save"


@dataclass(frozen=True, slots=True)
class Trigger:
    kind: TriggerKind
    slot: str | None = None
    """The scheduled time, RFC 3339, of a scheduled run."""
    operation_id: str | None = None
    """The caller's own id for the request: the same again is the same run."""
    late_seconds: int = 0
    """How long after its slot it came, where that is worth telling."""


@dataclass(frozen=True, slots=True)
class RunJob:
    """Azure ML's job, as last seen."""

    name: str
    status: str = "NotStarted"
    studio_url: str | None = None
    running_since: datetime | None = None
    seen_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class RunOutput:
    """Where the job writes its output."""

    datastore: str
    path: str


@dataclass(frozen=True, slots=True)
class ImportProgress:
    parts: int = 0
    parts_done: int = 0
    rows: int = 0
    rejected: int = 0


@dataclass(frozen=True, slots=True)
class Retrying:
    """A step that failed and may pass: it is tried again at `next_at`."""

    attempts: int
    since: datetime
    next_at: datetime
    code: str
    message: str


@dataclass(frozen=True, slots=True)
class RunError:
    code: str
    message: str


@dataclass(frozen=True, slots=True)
class TimelineEntry:
    status: RunStatus
    at: datetime
    note: str | None = None


@dataclass(frozen=True, slots=True)
class Run:
    """A run. Changed only by `shared.workflows.lifecycle`."""

    id: str
    workflow: str
    status: RunStatus
    trigger: Trigger
    definition: dict[str, Any]
    """The workflow's document as the run began; a later edit does not reach it."""
    created_at: datetime
    updated_at: datetime
    timeline: tuple[TimelineEntry, ...] = ()
    pipeline_version: str | None = None
    """The version that the workflow was saved with; None: the newest when the job is sent."""
    source: str | None = None
    """The run whose output is imported again, without a job."""
    began_at: datetime | None = None
    """When its turn came; None while it waits for another run of its workflow."""
    wake_at: datetime | None = None
    """When it is looked at next, unless something happens before."""
    pipeline_id: str | None = None
    """The component's version that this run executes."""
    output: RunOutput | None = None
    exported: dict[str, str] = field(default_factory=dict)
    """Required data of our own entities, by input: where it was exported to."""
    submitting: bool = False
    """A job may have been sent: look it up before sending another."""
    job: RunJob | None = None
    submitted_at: datetime | None = None
    imported: ImportProgress | None = None
    plan: str | None = None
    """Where the import's plan lies."""
    sent_at: datetime | None = None
    """When the parts that were not done were last sent."""
    working_until: datetime | None = None
    """Somebody is at a long step, and says so again and again; past it nobody is."""
    snapshot: str | None = None
    by_hand: bool = False
    """A person asked to publish it."""
    held_for: tuple[str, ...] = ()
    cancel_requested_at: datetime | None = None
    retrying: Retrying | None = None
    error: RunError | None = None
    announcing: tuple[int, ...] = ()
    """What nobody has been told yet: the places in the timeline where it came to an end, or was held."""
    trace: str | None = None
    """The span that began it, as a W3C `traceparent`: all that is done for it belongs there."""

    def with_status(self, status: RunStatus, now: datetime, note: str | None = None) -> "Run":
        """Moved on, with an entry in the timeline; what was retried is over."""
        entry = TimelineEntry(status, now, note)
        is_news = status.is_terminal or status is RunStatus.HELD
        return replace(
            self,
            status=status,
            updated_at=now,
            timeline=(*self.timeline, entry),
            retrying=None,
            working_until=None,
            announcing=(*self.announcing, len(self.timeline)) if is_news else self.announcing,
        )

    @property
    def is_settled(self) -> bool:
        """It never moves again, and all has been told."""
        return self.status.is_terminal and not self.announcing

    @property
    def entered_at(self) -> datetime:
        """When it came to its status; later notes in the timeline change nothing of that."""
        entered = self.created_at
        for entry in reversed(self.timeline):
            if entry.status is not self.status:
                break
            entered = entry.at
        return entered


def new_run_id(workflow: str, now: datetime) -> str:
    """Also the job's name: readable, unique, valid for Azure ML (letters, digits, - and _; at most 255)."""
    return f"brg-{workflow.lower()}-{now:%Y%m%dT%H%M%S}-{secrets.token_hex(3)}"


def new_run(run_id: str, workflow: "StoredWorkflow", trigger: Trigger, now: datetime) -> Run:
    """Of the workflow as it is now."""
    follows = str(workflow.document["pipeline"]).endswith("@latest")
    return Run(
        run_id,
        workflow.name,
        RunStatus.QUEUED,
        trigger,
        workflow.document,
        now,
        now,
        timeline=(TimelineEntry(RunStatus.QUEUED, now, _started_by(trigger)),),
        pipeline_version=None if follows else workflow.pipeline_version,
    )


def _started_by(trigger: Trigger) -> str:
    match trigger.kind:
        case TriggerKind.SCHEDULE:
            late = f", {_duration(trigger.late_seconds)} late" if trigger.late_seconds else ""
            return f"scheduled for {trigger.slot}{late}"
        case TriggerKind.QUEUE:
            return "by a queue message"
        case TriggerKind.SAVE:
            return "by saving the workflow"
        case TriggerKind.HTTP:
            return "on demand"


def _duration(seconds: int) -> str:
    """`2 h 10 min`; at least a minute."""
    hours, minutes = divmod(max(1, seconds // 60), 60)
    days, hours = divmod(hours, 24)
    return " ".join(f"{count} {unit}" for count, unit in ((days, "d"), (hours, "h"), (minutes, "min")) if count)


def render_run(run: Run) -> dict[str, Any]:
    """As the API tells it; what does not apply is left out."""
    rendered = {
        "id": run.id,
        "workflow": run.workflow,
        "status": run.status,
        "trigger": _present(
            {"kind": run.trigger.kind, "slot": run.trigger.slot, "operationId": run.trigger.operation_id}
        ),
        "createdAt": rfc3339(run.created_at),
        "updatedAt": rfc3339(run.updated_at),
        "importOf": run.source,
        "job": run.job and _present({"name": run.job.name, "status": run.job.status, "studioUrl": run.job.studio_url}),
        "output": run.output and {"datastore": run.output.datastore, "path": run.output.path},
        "import": run.imported and _render_progress(run.imported),
        "timeline": [_render_entry(entry) for entry in run.timeline],
        "cancelRequestedAt": run.cancel_requested_at and rfc3339(run.cancel_requested_at),
        "heldFor": list(run.held_for) or None,
        "retrying": run.retrying and _render_retrying(run.retrying),
        "error": run.error and {"code": run.error.code, "message": run.error.message},
        "snapshot": run.snapshot,
    }
    return _present(rendered)


def _present(members: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in members.items() if value is not None}


def _render_progress(progress: ImportProgress) -> dict[str, int]:
    return {
        "parts": progress.parts,
        "partsDone": progress.parts_done,
        "rows": progress.rows,
        "rejected": progress.rejected,
    }


def _render_entry(entry: TimelineEntry) -> dict[str, Any]:
    return _present({"status": entry.status, "at": rfc3339(entry.at), "note": entry.note})


def _render_retrying(retrying: Retrying) -> dict[str, Any]:
    return {
        "attempts": retrying.attempts,
        "since": rfc3339(retrying.since),
        "nextAt": rfc3339(retrying.next_at),
        "code": retrying.code,
        "message": retrying.message,
    }


def rfc3339(moment: datetime) -> str:
    return times.rfc3339(moment, "milliseconds")
