"""What the edges saw of a run, as they tell it to `shared.workflows.lifecycle`."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from shared.workflows.runs import ImportProgress, RunError, RunJob, RunOutput


@dataclass(frozen=True, slots=True)
class Began:
    """Its turn has come. The workflow is taken as it is at this moment."""

    definition: dict[str, Any]
    pipeline_version: str | None


@dataclass(frozen=True, slots=True)
class Working:
    """Somebody is at a long step until then, or will have said so again."""

    until: datetime


@dataclass(frozen=True, slots=True)
class Rested:
    """Nobody is at a long step any more."""


@dataclass(frozen=True, slots=True)
class LookAgain:
    """When the next look is due, if nothing happens before."""

    at: datetime


@dataclass(frozen=True, slots=True)
class Exported:
    input: str
    path: str


@dataclass(frozen=True, slots=True)
class Submitting:
    """A job is about to be sent; saved before it is."""

    pipeline_id: str
    output: RunOutput


@dataclass(frozen=True, slots=True)
class JobSeen:
    """The job as it is now. Of a failed one the reason is still to be fetched: it comes as `JobFailed`."""

    job: RunJob


@dataclass(frozen=True, slots=True)
class NeverSent:
    """Nobody knows a job that should be canceled, long after it could have been sent."""


@dataclass(frozen=True, slots=True)
class JobFailed:
    """A job that ended without success, with its reason."""

    job: RunJob
    error: RunError


@dataclass(frozen=True, slots=True)
class ImportPlanned:
    snapshot: str
    parts: int
    plan: str
    """Where the plan lies."""


@dataclass(frozen=True, slots=True)
class PartsSent:
    """Those that are not done were sent, or sent again."""


@dataclass(frozen=True, slots=True)
class PartsSeen:
    progress: ImportProgress


@dataclass(frozen=True, slots=True)
class Judged:
    """The snapshot, with all its parts, may be published, or is held for `reasons`."""

    reasons: Sequence[str]


@dataclass(frozen=True, slots=True)
class Published:
    pass


@dataclass(frozen=True, slots=True)
class PublishRefused:
    """A rollback came first: the run is held."""

    reasons: Sequence[str]


@dataclass(frozen=True, slots=True)
class CancelRequested:
    pass


@dataclass(frozen=True, slots=True)
class Discarded:
    pass


@dataclass(frozen=True, slots=True)
class PublishRequested:
    pass


@dataclass(frozen=True, slots=True)
class Failed:
    """A step failed for good."""

    error: RunError


@dataclass(frozen=True, slots=True)
class FailedForNow:
    """A step failed and may pass."""

    error: RunError
    retry_after: float | None = None


@dataclass(frozen=True, slots=True)
class Announced:
    """What stood at these places of the timeline has been told."""

    places: Sequence[int]


@dataclass(frozen=True, slots=True)
class Noted:
    """Something about the run that changes nothing of it."""

    note: str


@dataclass(frozen=True, slots=True)
class TimePassed:
    """Nothing happened but time."""

    timeout: timedelta


type Fact = (
    Began
    | Working
    | Rested
    | LookAgain
    | Exported
    | Submitting
    | JobSeen
    | NeverSent
    | JobFailed
    | ImportPlanned
    | PartsSent
    | PartsSeen
    | Judged
    | Published
    | PublishRefused
    | CancelRequested
    | Discarded
    | PublishRequested
    | Failed
    | FailedForNow
    | Announced
    | Noted
    | TimePassed
)
