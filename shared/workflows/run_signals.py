"""What a run tells of itself as it moves: a count for each status, a span for the time in it, its rows at the end.

Told by whoever's write moved the run, so once; a process that dies just then tells nothing.
"""

from itertools import pairwise

from shared import tracing
from shared.signals import ROWS, RUNS, Attributes, Spans
from shared.workflows.runs import Run, RunStatus


def told(run: Run, before: Run | None = None) -> None:
    """`run` has been saved, in place of `before`."""
    if not tracing.is_on():
        return
    known = len(before.timeline) if before else 0
    for entry in run.timeline[known:]:
        tracing.count(RUNS, {Attributes.RUN_STATUS: entry.status.value, Attributes.WORKFLOW: run.workflow})
        if entry.status is RunStatus.SUCCEEDED:
            _tell_rows(run)
    _tell_times(run, known)


def _tell_times(run: Run, known: int) -> None:
    """The statuses that the run has left."""
    for left, entered in pairwise(run.timeline[max(known - 1, 0) :]):
        status = left.status.value
        values = {Attributes.RUN: run.id, Attributes.RUN_STATUS: status, Attributes.WORKFLOW: run.workflow}
        tracing.tell(f"{Spans.RUN_STATUS} {status}", values, left.at, entered.at, parent=run.trace)


def _tell_rows(run: Run) -> None:
    if run.imported is None:
        return
    for outcome, rows in (("imported", run.imported.rows), ("rejected", run.imported.rejected)):
        tracing.count(ROWS, {Attributes.WORKFLOW: run.workflow, Attributes.OUTCOME: outcome}, rows)
