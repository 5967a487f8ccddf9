"""Do the queues exist, does anybody read them, and do the timers come?"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Protocol

from shared.operations.doctor import commands
from shared.operations.doctor.commands import FunctionApp
from shared.operations.doctor.findings import Check, Finding, failed, ok, skipped, warning
from shared.operations.doctor.looks import Fault
from shared.workflows.queues import (
    ADVANCE_QUEUE,
    ANNOUNCE_QUEUE,
    EVENTS_QUEUE,
    NOTIFY_QUEUE,
    PART_QUEUE,
    REFRESH_QUEUE,
)

_READ = (REFRESH_QUEUE, ADVANCE_QUEUE, PART_QUEUE, EVENTS_QUEUE, NOTIFY_QUEUE)
QUEUES = (*(name for queue in _READ for name in (queue, f"{queue}-poison")), ANNOUNCE_QUEUE)
SLOW = timedelta(minutes=10)
"""A message that anybody could have had for so long: nobody reads the queue, or not fast enough."""
TICK = "schedule_tick"
SWEEP = "sweep"
LATE = {TICK: timedelta(minutes=5), SWEEP: timedelta(hours=26)}
"""How long after its last beat a timer counts as dead: a few minutes for each minute, a day and two hours for each day."""


class Heartbeats(Protocol):
    """When did each timer last end well? Every method raises StorageUnavailable."""

    async def beat(self, timer: str, now: datetime) -> None: ...

    async def last(self) -> Mapping[str, datetime]:
        """By timer; those that ever did."""


@dataclass(frozen=True, slots=True)
class QueueState:
    """A queue that is there."""

    depth: int
    """Messages, those too that somebody has in hand: about so many."""
    oldest_at: datetime | None
    """When the first message that anybody could take now was sent."""


def queue_findings(
    queue: str, state: QueueState | Fault | None, account: str, now: datetime, app: FunctionApp, *, by_identity: bool
) -> list[Finding]:
    """`state`: None where there is no such queue."""
    if isinstance(state, Fault):
        if state.is_late:
            return [skipped(Check.QUEUE_EXISTS, queue, state.message)]
        command = commands.show_network(account)
        unseen = failed(Check.QUEUE_EXISTS, queue, state.message, "see the check storage.read of the queues", command)
        return [unseen, skipped(Check.QUEUE_DEPTH, queue, "not looked at: the queue was not reached")]
    if state is None:
        message = f"there is no queue {queue} in {account or 'the host account'}: what is sent to it before fails"
        command = commands.create_queue(queue, account, by_identity=by_identity)
        return [
            failed(Check.QUEUE_EXISTS, queue, message, "make it", command),
            skipped(Check.QUEUE_DEPTH, queue, "not looked at: there is no such queue"),
        ]
    return [ok(Check.QUEUE_EXISTS, queue, "it is there"), _depth(queue, state, now, app)]


def _depth(queue: str, state: QueueState, now: datetime, app: FunctionApp) -> Finding:
    if state.oldest_at is None:
        waiting = "no message" if state.depth == 0 else f"{state.depth} messages, all in hand or for later"
        return ok(Check.QUEUE_DEPTH, queue, waiting)
    age = now - state.oldest_at
    message = f"about {state.depth} messages, of which the first that waits was sent {duration(age)} ago"
    if age <= SLOW or queue == ANNOUNCE_QUEUE:  # whether others read theirs is not ours to judge
        return ok(Check.QUEUE_DEPTH, queue, message)
    cure = "see whether its function runs (GET /api/health lists the functions, Application Insights their errors)"
    return warning(Check.QUEUE_DEPTH, queue, message, cure, app.restart())


def poison_finding(kept: Sequence[str] | Fault) -> Finding:
    """`kept`: the codes of the poison messages."""
    if isinstance(kept, Fault):
        return skipped(Check.QUEUE_POISON, "poison messages", f"not looked at: {kept.message}")
    if not kept:
        return ok(Check.QUEUE_POISON, "poison messages", "none")
    causes = ", ".join(sorted(set(kept))[:10])
    cure = "GET /api/poison has each with its cause; mend that, then POST /api/poison/{id}/redrive"
    return warning(Check.QUEUE_POISON, "poison messages", f"{len(kept)} failed for good ({causes})", cure)


def timer_findings(last: Mapping[str, datetime] | Fault, now: datetime, app: FunctionApp) -> list[Finding]:
    return [_timer(Check.TIMER_TICK, TICK, last, now, app), _timer(Check.TIMER_SWEEP, SWEEP, last, now, app)]


def _timer(check: Check, timer: str, last: Mapping[str, datetime] | Fault, now: datetime, app: FunctionApp) -> Finding:
    if isinstance(last, Fault):
        return skipped(check, timer, f"not looked at: {last.message}")
    cure = "see its errors in the log, and whether the app has an instance awake for its timers"
    at = last.get(timer)
    if at is None and timer == SWEEP:
        return skipped(check, timer, "it has not come yet in this app's storage; it comes once a day")
    if at is None:
        return warning(check, timer, "it has not ended well yet, as in an app that has just been deployed", cure)
    message = f"it last ended well {duration(now - at)} ago"
    if now - at <= LATE[timer]:
        return ok(check, timer, message)
    return failed(check, timer, f"{message}; more than {duration(LATE[timer])} is too long", cure, app.restart())


def duration(span: timedelta) -> str:
    """`12 s`, `3 min`, `2 h`, `5 d`."""
    seconds = max(0, int(span.total_seconds()))
    for unit, size in (("d", 86400), ("h", 3600), ("min", 60)):
        if seconds >= 2 * size:
            return f"{seconds // size} {unit}"
    return f"{seconds} s"
