"""How a run moves: the one transition table. Pure; the edges act, and report what they saw as facts.

    queued → running → importing → publishing → succeeded
       └────────┴──────────┴───────────┴──→ failed · canceled          importing → held → publishing · canceled

`next_step` says what to do, `apply` what a fact makes of the run. A fact that comes late, twice or out of order
changes nothing.
"""

from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from enum import Enum

from shared.workflows.facts import (
    Announced,
    Began,
    CancelRequested,
    Discarded,
    Exported,
    Fact,
    Failed,
    FailedForNow,
    ImportPlanned,
    JobFailed,
    JobSeen,
    Judged,
    LookAgain,
    NeverSent,
    Noted,
    PartsSeen,
    PartsSent,
    Published,
    PublishRefused,
    PublishRequested,
    Rested,
    Submitting,
    TimePassed,
    Working,
)
from shared.workflows.runs import ImportProgress, Retrying, Run, RunError, RunJob, RunStatus, TimelineEntry

RETRY_FIRST = timedelta(seconds=5)
RETRY_CAP = timedelta(minutes=5)
RETRY_AFTER_CAP = timedelta(hours=1)
"""How long a `Retry-After` is obeyed."""
CANCEL_GRACE = timedelta(minutes=5)
"""How long Azure ML has to confirm a cancellation before the run ends without it."""
HELD_FOR = timedelta(days=7)


class Step(Enum):
    """What brings a run on."""

    BEGIN = "begin"
    """When its turn has come."""
    REUSE_JOB = "reuse job"
    EXPORT = "export"
    PREPARE_JOB = "prepare job"
    """Say which job is about to be sent; saved before it is."""
    SUBMIT = "submit"
    WATCH_JOB = "watch job"
    CANCEL_JOB = "cancel job"
    PLAN_IMPORT = "plan import"
    SEND_PARTS = "send parts"
    WATCH_PARTS = "watch parts"
    PUBLISH = "publish"
    NONE = "none"
    """Nothing, or not yet."""


LONG_STEPS = frozenset({Step.EXPORT, Step.PLAN_IMPORT})
"""As long as the data is large: nobody else begins them while somebody is at them."""


_JOB_ENDED = frozenset({"completed", "failed", "canceled"})
"""All others are under way, those that Azure ML may add too."""
_JOB_RUNNING = frozenset({"running", "finalizing"})
_BEFORE_IMPORT = (RunStatus.QUEUED, RunStatus.RUNNING)


def next_step(run: Run, now: datetime, *, exports: Sequence[str] = ()) -> Step:
    """What to do for `run` at `now`; `exports` are the inputs that take one of our entities."""
    if run.retrying is not None and now < run.retrying.next_at:
        return Step.NONE
    if run.working_until is not None and now < run.working_until:
        return Step.NONE
    match run.status:
        case RunStatus.QUEUED | RunStatus.RUNNING if run.cancel_requested_at is not None:
            return Step.CANCEL_JOB
        case RunStatus.QUEUED if run.began_at is None:
            return Step.BEGIN
        case RunStatus.QUEUED if run.source is not None:
            return Step.REUSE_JOB
        case RunStatus.QUEUED if any(name not in run.exported for name in exports):
            return Step.EXPORT
        case RunStatus.QUEUED:
            return Step.SUBMIT if run.submitting else Step.PREPARE_JOB
        case RunStatus.RUNNING:
            return Step.WATCH_JOB
        case RunStatus.IMPORTING:
            return _import_step(run)
        case RunStatus.PUBLISHING:
            return Step.PUBLISH
        case _:
            return Step.NONE


def _import_step(run: Run) -> Step:
    if run.snapshot is None:
        return Step.PLAN_IMPORT
    return Step.SEND_PARTS if run.sent_at is None else Step.WATCH_PARTS


def apply(run: Run, fact: Fact, now: datetime) -> Run:
    """Where the run stands once `fact` is known. Terminal runs never move; that they are told of moves nothing."""
    match fact:
        case Announced():
            return _announced(run, fact)
        case Noted():
            return _noted(run, fact, now)
    if run.status.is_terminal:
        return run
    moved = _APPLY[type(fact)](run, fact, now)
    return moved if moved is run else replace(moved, updated_at=now)


def _announced(run: Run, fact: Announced) -> Run:
    left = tuple(place for place in run.announcing if place not in fact.places)
    return run if left == run.announcing else replace(run, announcing=left)


def _noted(run: Run, fact: Noted, now: datetime) -> Run:
    """Once, however often it is said."""
    if any(entry.note == fact.note for entry in run.timeline):
        return run
    return replace(run, timeline=(*run.timeline, TimelineEntry(run.status, now, fact.note)))


def _began(run: Run, fact: Began, now: datetime) -> Run:
    if run.status is not RunStatus.QUEUED or run.began_at is not None:
        return run
    return replace(run, began_at=now, definition=fact.definition, pipeline_version=fact.pipeline_version, retrying=None)


def _working(run: Run, fact: Working, now: datetime) -> Run:
    return replace(run, working_until=fact.until) if run.status.is_active else run


def _rested(run: Run, fact: Rested, now: datetime) -> Run:
    return replace(run, working_until=None) if run.working_until is not None else run


def _look_again(run: Run, fact: LookAgain, now: datetime) -> Run:
    return replace(run, wake_at=fact.at)


def _exported(run: Run, fact: Exported, now: datetime) -> Run:
    if run.status is not RunStatus.QUEUED or fact.input in run.exported:
        return run
    return replace(run, exported={**run.exported, fact.input: fact.path}, retrying=None)


def _submitting(run: Run, fact: Submitting, now: datetime) -> Run:
    """The first stays: what is sent again is the same job of the same version."""
    if run.status is not RunStatus.QUEUED or run.submitting:
        return run
    return replace(run, submitting=True, pipeline_id=fact.pipeline_id, output=fact.output, submitted_at=now)


def _job_seen(run: Run, fact: JobSeen, now: datetime) -> Run:
    if run.status not in _BEFORE_IMPORT:
        return run
    run = _with_job(run, fact.job, now)
    status = fact.job.status.lower()
    if run.cancel_requested_at is not None and status in _JOB_ENDED:
        return _ended_by_cancel(run, now)
    match status:
        case "completed":
            return run.with_status(RunStatus.IMPORTING, now)
        case "canceled":
            return run.with_status(RunStatus.CANCELED, now, "the job was canceled in Azure Machine Learning")
        case _:
            return run


def _with_job(run: Run, job: RunJob, now: datetime) -> Run:
    if run.status is RunStatus.QUEUED:
        run = run.with_status(RunStatus.RUNNING, now, f"job {job.name}")
    known = run.job or job
    since = known.running_since or job.running_since
    if since is None and job.status.lower() in _JOB_RUNNING:
        since = now
    seen = replace(job, studio_url=job.studio_url or known.studio_url, running_since=since, seen_at=now)
    return replace(run, job=seen, submitted_at=run.submitted_at or now, retrying=None)


def _job_failed(run: Run, fact: JobFailed, now: datetime) -> Run:
    if run.status not in _BEFORE_IMPORT:
        return run
    run = _with_job(run, fact.job, now)
    return _ended_by_cancel(run, now) if run.cancel_requested_at is not None else _fail(run, fact.error, now)


def _never_sent(run: Run, fact: NeverSent, now: datetime) -> Run:
    is_late = run.cancel_requested_at is None or run.job is not None or run.status not in _BEFORE_IMPORT
    return run if is_late else _ended_by_cancel(run, now, "on request; no job had been sent")


def _import_planned(run: Run, fact: ImportPlanned, now: datetime) -> Run:
    if run.status is not RunStatus.IMPORTING or run.snapshot is not None:
        return run
    progress = ImportProgress(parts=fact.parts)
    return replace(run, snapshot=fact.snapshot, plan=fact.plan, imported=progress, retrying=None)


def _parts_sent(run: Run, fact: PartsSent, now: datetime) -> Run:
    if run.status is not RunStatus.IMPORTING or run.snapshot is None:
        return run
    return replace(run, sent_at=now, retrying=None)


def _parts_seen(run: Run, fact: PartsSeen, now: datetime) -> Run:
    """Progress only grows; older news is no news."""
    if run.status is not RunStatus.IMPORTING or run.imported is None:
        return run
    if fact.progress.parts_done < run.imported.parts_done:
        return run
    return replace(run, imported=fact.progress, retrying=None)


def _judged(run: Run, fact: Judged, now: datetime) -> Run:
    if run.status is not RunStatus.IMPORTING or not _is_imported(run):
        return run
    return _hold(run, fact.reasons, now) if fact.reasons else run.with_status(RunStatus.PUBLISHING, now)


def _hold(run: Run, reasons: Sequence[str], now: datetime) -> Run:
    return replace(run.with_status(RunStatus.HELD, now, "; ".join(reasons)), held_for=tuple(reasons))


def _is_imported(run: Run) -> bool:
    return run.imported is not None and run.imported.parts_done >= run.imported.parts


def _published(run: Run, fact: Published, now: datetime) -> Run:
    return run.with_status(RunStatus.SUCCEEDED, now) if run.status is RunStatus.PUBLISHING else run


def _publish_refused(run: Run, fact: PublishRefused, now: datetime) -> Run:
    return _hold(run, fact.reasons, now) if run.status is RunStatus.PUBLISHING else run


def _cancel_requested(run: Run, fact: CancelRequested, now: datetime) -> Run:
    """A job may already have been sent: then the run ends when Azure ML says so."""
    if run.cancel_requested_at is not None or run.status is RunStatus.PUBLISHING:
        return run
    run = replace(run, cancel_requested_at=now, retrying=None)
    if run.status is RunStatus.RUNNING or (run.status is RunStatus.QUEUED and run.submitting):
        return run
    return run.with_status(RunStatus.CANCELED, now, "on request")


def _discarded(run: Run, fact: Discarded, now: datetime) -> Run:
    return run.with_status(RunStatus.CANCELED, now, "discarded") if run.status is RunStatus.HELD else run


def _publish_requested(run: Run, fact: PublishRequested, now: datetime) -> Run:
    if run.status is not RunStatus.HELD:
        return run
    return replace(run.with_status(RunStatus.PUBLISHING, now, "on request"), by_hand=True)


def _failed(run: Run, fact: Failed, now: datetime) -> Run:
    """Nothing is done for a held run that could fail: the news is late. A lack of time stays the reason."""
    return run if run.status is RunStatus.HELD else _fail(run, run.error or fact.error, now)


def _fail(run: Run, error: RunError, now: datetime) -> Run:
    return replace(run.with_status(RunStatus.FAILED, now, error.message), error=error)


def _failed_for_now(run: Run, fact: FailedForNow, now: datetime) -> Run:
    """Told again before the next attempt was due, it is the same failure."""
    if not run.status.is_active or (run.retrying and now < run.retrying.next_at):
        return run
    attempts = run.retrying.attempts + 1 if run.retrying else 1
    since = run.retrying.since if run.retrying else now
    asked = timedelta(seconds=min(fact.retry_after or 0, RETRY_AFTER_CAP.total_seconds()))
    wait = max(retry_delay(attempts), asked)
    return replace(run, retrying=Retrying(attempts, since, now + wait, fact.error.code, fact.error.message))


def retry_delay(attempts: int) -> timedelta:
    """Doubling from 5 s up to 5 min."""
    doubled: timedelta = RETRY_FIRST * 2 ** min(attempts - 1, 10)
    return min(doubled, RETRY_CAP)


def _time_passed(run: Run, fact: TimePassed, now: datetime) -> Run:
    """Publishing has no time limit: it is one write, and may have happened."""
    if run.cancel_requested_at is not None:
        return _end_cancellation(run, run.cancel_requested_at, now)
    match run.status:
        case RunStatus.QUEUED | RunStatus.RUNNING if run.began_at and now - run.began_at >= fact.timeout:
            return _time_out(run, fact.timeout, now)
        case RunStatus.IMPORTING if now - run.entered_at >= fact.timeout:
            error = RunError("RunTimedOut", f"the output was not imported after {_span(fact.timeout)}")
            return _fail(run, error, now)
        case RunStatus.HELD if now - run.entered_at >= HELD_FOR:
            return run.with_status(RunStatus.CANCELED, now, "held for 7 days and not published")
        case _:
            return run


def _end_cancellation(run: Run, requested_at: datetime, now: datetime) -> Run:
    if now - requested_at < CANCEL_GRACE:
        return run
    return _ended_by_cancel(run, now, "Azure Machine Learning did not confirm the cancellation")


def _ended_by_cancel(run: Run, now: datetime, note: str = "on request") -> Run:
    """A cancellation for lack of time ends as the failure it is."""
    return _fail(run, run.error, now) if run.error is not None else run.with_status(RunStatus.CANCELED, now, note)


def _time_out(run: Run, timeout: timedelta, now: datetime) -> Run:
    """A job that may have been sent is canceled before the run ends."""
    queued, running = time_spent(run, now)
    message = (
        f"not done after {_span(timeout)}: {_span(queued)} waiting in Azure Machine Learning's queue, {_span(running)} "
        "running; raise the workflow's timeout, or give the compute more nodes"
    )
    error = RunError("RunTimedOut", message)
    if run.status is RunStatus.RUNNING or run.submitting:
        return replace(run, cancel_requested_at=now, error=error, retrying=None)
    return _fail(run, error, now)


def time_spent(run: Run, now: datetime) -> tuple[timedelta, timedelta]:
    """How long the job waited, and how long it ran."""
    if run.submitted_at is None:
        return timedelta(), timedelta()
    began = run.job.running_since if run.job else None
    if began is None:
        return now - run.submitted_at, timedelta()
    return max(began - run.submitted_at, timedelta()), max(now - began, timedelta())


def _span(span: timedelta) -> str:
    minutes = round(span.total_seconds() / 60)
    return f"{minutes // 60} h {minutes % 60:02d} min" if minutes >= 60 else f"{minutes} min"


_APPLY: dict[type, Callable[..., Run]] = {
    Began: _began,
    Working: _working,
    Rested: _rested,
    LookAgain: _look_again,
    Exported: _exported,
    Submitting: _submitting,
    JobSeen: _job_seen,
    NeverSent: _never_sent,
    JobFailed: _job_failed,
    ImportPlanned: _import_planned,
    PartsSent: _parts_sent,
    PartsSeen: _parts_seen,
    Judged: _judged,
    Published: _published,
    PublishRefused: _publish_refused,
    CancelRequested: _cancel_requested,
    Discarded: _discarded,
    PublishRequested: _publish_requested,
    Failed: _failed,
    FailedForNow: _failed_for_now,
    TimePassed: _time_passed,
}
