"""What is a run? One execution of a workflow: its definition as it started, its job, its import, its timeline."""

import secrets
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from enum import StrEnum
from typing import Any


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


@dataclass(frozen=True, slots=True)
class RunJob:
    """Azure ML's job, as last seen."""

    name: str
    status: str = "NotStarted"
    studio_url: str | None = None
    running_since: datetime | None = None
    seen_at: datetime | None = None


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
    timeline: Sequence[TimelineEntry] = ()
    pipeline_id: str | None = None
    """The component's version that this run executes."""
    exported: dict[str, str] = field(default_factory=dict)
    """Required data of our own entities, by input: where it was exported to."""
    submitting: bool = False
    """A job may have been sent: look it up before sending another."""
    job: RunJob | None = None
    submitted_at: datetime | None = None
    imported: ImportProgress | None = None
    snapshot: str | None = None
    held_for: Sequence[str] = ()
    cancel_requested_at: datetime | None = None
    retrying: Retrying | None = None
    error: RunError | None = None

    def with_status(self, status: RunStatus, now: datetime, note: str | None = None) -> "Run":
        """Moved on, with an entry in the timeline; what was retried is over."""
        entry = TimelineEntry(status, now, note)
        return replace(self, status=status, updated_at=now, timeline=(*self.timeline, entry), retrying=None)


def new_run_id(workflow: str, now: datetime) -> str:
    """Also the job's name: readable, unique, valid for Azure ML (letters, digits, - and _; at most 255)."""
    return f"brg-{workflow.lower()}-{now:%Y%m%dT%H%M%S}-{secrets.token_hex(3)}"


def new_run(run_id: str, workflow: str, trigger: Trigger, definition: dict[str, Any], now: datetime) -> Run:
    run = Run(run_id, workflow, RunStatus.QUEUED, trigger, definition, now, now)
    return replace(run, timeline=(TimelineEntry(RunStatus.QUEUED, now, _started_by(trigger)),))


def _started_by(trigger: Trigger) -> str:
    match trigger.kind:
        case TriggerKind.SCHEDULE:
            return f"scheduled for {trigger.slot}"
        case TriggerKind.QUEUE:
            return "by a queue message"
        case TriggerKind.SAVE:
            return "by saving the workflow"
        case TriggerKind.HTTP:
            return "on demand"
