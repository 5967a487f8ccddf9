"""How a run moves: every status, every fact, in every order."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.workflows.lifecycle import (
    CANCEL_GRACE,
    HELD_FOR,
    RETRY_AFTER_CAP,
    RETRY_CAP,
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
    PartsSeen,
    Published,
    PublishRequested,
    Step,
    Submitting,
    TimePassed,
    apply,
    next_step,
    retry_delay,
)
from shared.workflows.runs import ImportProgress, Run, RunError, RunJob, RunStatus, Trigger, TriggerKind, new_run
from tests.workflows.fakes import stored_workflow

NOON = datetime(2026, 11, 21, 12, tzinfo=UTC)
MINUTE = timedelta(minutes=1)
HOUR = timedelta(hours=1)
TIMEOUT = timedelta(hours=6)
ERROR = RunError("WorkspaceForbidden", "no right to submit")
BUSY = RunError("WorkspaceUnavailable", "429")


def job(status: str, **members: object) -> RunJob:
    return replace(RunJob("run-1", status), **members)  # type: ignore[arg-type]


GOOD: Sequence[Fact] = [
    Exported("prior", "azureml://datastores/d/paths/p"),
    Submitting("component:3"),
    JobSeen(job("NotStarted")),
    JobSeen(job("Queued")),
    JobSeen(job("Running")),
    JobSeen(job("Completed")),
    ImportPlanned("snapshot-1", 2),
    PartsSeen(ImportProgress(2, 1, 10)),
    PartsSeen(ImportProgress(2, 2, 20)),
    Judged([]),
    Published(),
]
HELD = [*GOOD[:-2], Judged(["too few rows"])]
UP_TO: dict[str, Sequence[Fact]] = {
    "queued": [],
    "submitting": GOOD[:2],
    "running": GOOD[:5],
    "importing": GOOD[:6],
    "planned": GOOD[:7],
    "imported": GOOD[:9],
    "publishing": GOOD[:10],
    "held": HELD,
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


ONE_OF_EACH: dict[str, Fact] = {
    "exported": Exported("prior", "azureml://datastores/d/paths/p"),
    "submitting": Submitting("component:3"),
    "job queued": JobSeen(job("Queued")),
    "job running": JobSeen(job("Running")),
    "job completed": JobSeen(job("Completed")),
    "job failed, reason to come": JobSeen(job("Failed")),
    "job canceled": JobSeen(job("Canceled")),
    "job failed": JobFailed(job("Failed"), ERROR),
    "planned": ImportPlanned("snapshot-1", 2),
    "part done": PartsSeen(ImportProgress(2, 1)),
    "good": Judged([]),
    "bad": Judged(["too few rows"]),
    "published": Published(),
    "cancel": CancelRequested(),
    "discard": Discarded(),
    "publish": PublishRequested(),
    "failed": Failed(ERROR),
    "failed for now": FailedForNow(BUSY),
    "time": TimePassed(TIMEOUT),
}
_SUBMITTED = {
    "job queued": "running",
    "job running": "running",
    "job completed": "importing",
    "job failed, reason to come": "running",
    "job canceled": "canceled",
    "job failed": "failed",
    "failed": "failed",
}
MOVES: dict[str, dict[str, str]] = {
    "queued": {**_SUBMITTED, "cancel": "canceled"},
    "submitting": _SUBMITTED,
    "running": _SUBMITTED,
    "importing": {"cancel": "canceled", "failed": "failed"},
    "planned": {"cancel": "canceled", "failed": "failed"},
    "imported": {"good": "publishing", "bad": "held", "cancel": "canceled", "failed": "failed"},
    "publishing": {"published": "succeeded", "failed": "failed"},
    "held": {"publish": "publishing", "discard": "canceled", "cancel": "canceled"},
    "succeeded": {},
    "failed": {},
    "canceled": {},
}
"""What moves a run, and where to; every other fact leaves its status."""


@pytest.mark.parametrize("fact", ONE_OF_EACH)
@pytest.mark.parametrize("place", UP_TO)
def test_every_fact_at_every_status(place: str, fact: str) -> None:
    run = at(place)

    moved = apply(run, ONE_OF_EACH[fact], NOON + MINUTE)

    assert moved.status == MOVES[place].get(fact, run.status)
    assert (len(moved.timeline) > len(run.timeline)) == (moved.status != run.status)
    assert [entry.status for entry in moved.timeline][-1] == moved.status


@pytest.mark.parametrize("fact", ONE_OF_EACH)
@pytest.mark.parametrize("place", TERMINAL)
def test_a_terminal_run_never_moves(place: str, fact: str) -> None:
    run = at(place)

    assert apply(run, ONE_OF_EACH[fact], NOON + 1000 * HOUR) is run


LATE = [
    ("running", "exported"),
    ("running", "submitting"),
    ("importing", "exported"),
    ("importing", "submitting"),
    ("importing", "job running"),
    ("importing", "job failed"),
    ("imported", "planned"),
    ("imported", "part done"),
    ("publishing", "part done"),
    ("publishing", "bad"),
    ("publishing", "cancel"),
    ("held", "job completed"),
    ("held", "good"),
    ("held", "failed"),
    ("held", "failed for now"),
]


@pytest.mark.parametrize(("place", "fact"), LATE)
def test_a_late_fact_changes_nothing(place: str, fact: str) -> None:
    run = at(place)

    assert apply(run, ONE_OF_EACH[fact], NOON + MINUTE) is run


@pytest.mark.parametrize("count", range(1, len(GOOD) + 1))
def test_a_fact_told_twice_is_told_once(count: int) -> None:
    once = after(GOOD[:count])

    assert after(GOOD[count - 1 : count], once) == once


@given(st.lists(st.sampled_from(GOOD), max_size=40))
def test_the_facts_of_a_good_run_in_any_order_end_well(shuffled: list[Fact]) -> None:
    run = fresh()
    for fact in shuffled:
        moved = apply(run, fact, NOON)
        assert not run.status.is_terminal or moved is run
        run = moved

    run = after(GOOD, run)

    assert run.status is RunStatus.SUCCEEDED
    assert [entry.status.value for entry in run.timeline] == [
        "queued",
        "running",
        "importing",
        "publishing",
        "succeeded",
    ]


@given(st.lists(st.tuples(st.sampled_from(list(ONE_OF_EACH.values())), st.integers(0, 600)), max_size=40))
def test_no_order_of_any_facts_leaves_a_terminal_status(facts: list[tuple[Fact, int]]) -> None:
    run, now = fresh(), NOON
    for fact, minutes in facts:
        now += minutes * MINUTE
        moved = apply(run, fact, now)
        assert not run.status.is_terminal or moved is run
        assert moved.timeline[: len(run.timeline)] == run.timeline
        run = moved


def test_an_unfinished_import_is_not_judged() -> None:
    run = after([*GOOD[:8], Judged([])])

    assert run.status is RunStatus.IMPORTING


def test_an_empty_plan_is_imported_at_once() -> None:
    assert after([*GOOD[:6], ImportPlanned("s", 0), Judged(["no rows"])]).status is RunStatus.HELD


def test_the_first_submission_pins_the_version_and_the_time() -> None:
    run = apply(at("submitting"), Submitting("component:4"), NOON + HOUR)

    assert (run.pipeline_id, run.submitted_at) == ("component:3", NOON)


STEPS = {
    "queued": Step.SUBMIT,
    "submitting": Step.SUBMIT,
    "running": Step.WATCH_JOB,
    "importing": Step.PLAN_IMPORT,
    "planned": Step.WATCH_PARTS,
    "publishing": Step.PUBLISH,
    "held": Step.NONE,
    "succeeded": Step.NONE,
    "failed": Step.NONE,
    "canceled": Step.NONE,
}


@pytest.mark.parametrize(("place", "step"), STEPS.items())
def test_the_next_step(place: str, step: Step) -> None:
    assert next_step(at(place), NOON) is step


def test_entities_are_exported_before_the_job_is_sent() -> None:
    run = fresh()

    assert next_step(run, NOON, exports=["prior"]) is Step.EXPORT
    assert next_step(apply(run, GOOD[0], NOON), NOON, exports=["prior"]) is Step.SUBMIT


@pytest.mark.parametrize("place", ["submitting", "running"])
def test_a_job_that_may_have_been_sent_is_canceled_not_sent_again(place: str) -> None:
    run = apply(at(place), CancelRequested(), NOON)

    assert not run.status.is_terminal
    assert next_step(run, NOON, exports=["prior"]) is Step.CANCEL_JOB


@pytest.mark.parametrize("status", ["Completed", "Failed", "Canceled", "CANCELED"])
def test_a_canceled_run_ends_when_its_job_has(status: str) -> None:
    run = after([CancelRequested(), JobSeen(job("CancelRequested"))], at("running"))
    assert run.status is RunStatus.RUNNING

    assert apply(run, JobSeen(job(status)), NOON).status is RunStatus.CANCELED
    assert apply(run, JobFailed(job("Failed"), ERROR), NOON).status is RunStatus.CANCELED


def test_a_status_that_nobody_knows_ends_nothing() -> None:
    run = after([CancelRequested(), JobSeen(job("Hibernating"))], at("running"))

    assert run.status is RunStatus.RUNNING


@pytest.mark.parametrize("place", ["submitting", "running"])
def test_a_cancellation_nobody_confirms_ends_after_its_grace(place: str) -> None:
    run = apply(at(place), CancelRequested(), NOON)

    early = apply(run, TimePassed(TIMEOUT), NOON + CANCEL_GRACE - MINUTE)
    ended = apply(run, TimePassed(TIMEOUT), NOON + CANCEL_GRACE)

    assert early is run
    assert ended.status is RunStatus.CANCELED
    assert "did not confirm" in str(ended.timeline[-1].note)


def test_a_second_cancellation_does_not_prolong_the_grace() -> None:
    run = apply(at("running"), CancelRequested(), NOON)

    assert apply(run, CancelRequested(), NOON + MINUTE) is run


def timed_out(place: str = "running") -> Run:
    return apply(at(place), TimePassed(TIMEOUT), NOON + TIMEOUT)


@pytest.mark.parametrize("place", ["submitting", "running"])
def test_a_run_out_of_time_first_cancels_its_job(place: str) -> None:
    run = timed_out(place)

    assert not run.status.is_terminal
    assert run.error is not None
    assert run.error.code == "RunTimedOut"
    assert next_step(run, NOON + TIMEOUT) is Step.CANCEL_JOB


@pytest.mark.parametrize(
    "fact",
    [
        JobSeen(job("Canceled")),
        JobSeen(job("Completed")),
        JobFailed(job("Failed"), ERROR),
        Failed(ERROR),
        TimePassed(TIMEOUT),
    ],
)
def test_a_run_out_of_time_ends_as_failed_for_lack_of_it(fact: Fact) -> None:
    run = after([CancelRequested(), fact], timed_out(), NOON + TIMEOUT + CANCEL_GRACE)

    assert run.status is RunStatus.FAILED
    assert run.error is not None
    assert run.error.code == "RunTimedOut"


def test_a_run_that_sent_nothing_fails_at_once_when_its_time_is_over() -> None:
    assert timed_out("queued").status is RunStatus.FAILED


def test_the_time_queued_is_told_apart_from_the_time_running() -> None:
    run = apply(fresh(), Submitting("c"), NOON + 10 * MINUTE)
    run = apply(run, JobSeen(job("Queued")), NOON + 20 * MINUTE)
    run = apply(run, JobSeen(job("Running")), NOON + 4 * HOUR)
    run = apply(run, JobSeen(job("Running")), NOON + 5 * HOUR)

    run = apply(run, TimePassed(TIMEOUT), NOON + TIMEOUT)

    assert run.error is not None
    assert "not done after 6 h 00 min: 3 h 50 min waiting" in run.error.message
    assert "2 h 00 min running" in run.error.message


def test_a_job_queued_for_ever_ran_no_time() -> None:
    run = after([*GOOD[:4], TimePassed(TIMEOUT)], now=NOON)
    run = apply(run, TimePassed(TIMEOUT), NOON + TIMEOUT)

    assert run.error is not None
    assert "6 h 00 min waiting" in run.error.message
    assert ", 0 min running" in run.error.message


def test_the_jobs_own_start_counts_where_it_is_told() -> None:
    run = apply(at("submitting"), JobSeen(job("Running", running_since=NOON + MINUTE)), NOON + HOUR)

    assert run.job is not None
    assert run.job.running_since == NOON + MINUTE


def test_what_was_known_of_a_job_stays_known() -> None:
    run = apply(at("submitting"), JobSeen(job("Running", studio_url="https://ml.azure.com/runs/1")), NOON)

    run = apply(run, JobFailed(job("Failed"), ERROR), NOON + MINUTE)

    assert run.job is not None
    assert (run.job.status, run.job.studio_url, run.job.running_since) == (
        "Failed",
        "https://ml.azure.com/runs/1",
        NOON,
    )
    assert run.error == ERROR


def test_a_job_that_failed_before_it_was_first_seen_fails_the_run() -> None:
    run = apply(at("submitting"), JobFailed(job("Failed"), ERROR), NOON)

    assert [entry.status.value for entry in run.timeline] == ["queued", "running", "failed"]


def test_the_import_has_time_of_its_own() -> None:
    run = after(GOOD[5:6], at("running"), NOON + 5 * HOUR)

    assert apply(run, TimePassed(TIMEOUT), NOON + 10 * HOUR) is run
    assert apply(run, TimePassed(TIMEOUT), NOON + 11 * HOUR).status is RunStatus.FAILED


def test_publishing_never_times_out() -> None:
    run = at("publishing")

    assert apply(run, TimePassed(TIMEOUT), NOON + 1000 * HOUR) is run


def test_a_held_run_published_days_later_is_not_out_of_time() -> None:
    run = apply(at("held"), PublishRequested(), NOON + 6 * 24 * HOUR)

    run = after([TimePassed(TIMEOUT), Published()], run, NOON + 6 * 24 * HOUR + MINUTE)

    assert run.status is RunStatus.SUCCEEDED


def test_a_held_run_says_why_and_expires_after_7_days() -> None:
    run = at("held")
    assert run.held_for == ("too few rows",)

    assert apply(run, TimePassed(TIMEOUT), NOON + HELD_FOR - MINUTE) is run
    expired = apply(run, TimePassed(TIMEOUT), NOON + HELD_FOR)

    assert expired.status is RunStatus.CANCELED
    assert "7 days" in str(expired.timeline[-1].note)


def test_a_step_that_fails_for_now_waits_longer_each_time() -> None:
    run, now, waits = at("queued"), NOON, []
    for _ in range(9):
        run = apply(run, FailedForNow(BUSY), now)
        assert run.retrying is not None
        waits.append((run.retrying.next_at - now).total_seconds())
        assert next_step(run, run.retrying.next_at - timedelta(seconds=1)) is Step.NONE
        assert next_step(run, run.retrying.next_at) is Step.SUBMIT
        now = run.retrying.next_at

    assert waits == [5, 10, 20, 40, 80, 160, 300, 300, 300]
    assert run.retrying is not None
    assert (run.retrying.attempts, run.retrying.since) == (9, NOON)


@pytest.mark.parametrize(
    ("retry_after", "wait"),
    [(None, 5), (0, 5), (-3, 5), (90.0, 90), (float("inf"), RETRY_AFTER_CAP.total_seconds())],
)
def test_retry_after_is_obeyed(retry_after: float | None, wait: float) -> None:
    run = apply(fresh(), FailedForNow(BUSY, retry_after), NOON)

    assert run.retrying is not None
    assert run.retrying.next_at == NOON + timedelta(seconds=wait)


def test_a_failure_told_twice_counts_once() -> None:
    run = apply(fresh(), FailedForNow(BUSY), NOON)

    assert apply(run, FailedForNow(BUSY), NOON + timedelta(seconds=1)) is run


@pytest.mark.parametrize("fact", [GOOD[0], JobSeen(job("Queued")), CancelRequested()])
def test_success_ends_the_retrying(fact: Fact) -> None:
    run = apply(apply(fresh(), FailedForNow(BUSY), NOON), fact, NOON + MINUTE)

    assert run.retrying is None


def test_a_retried_run_still_runs_out_of_time() -> None:
    run = apply(at("running"), FailedForNow(BUSY), NOON)

    run = apply(run, TimePassed(TIMEOUT), NOON + TIMEOUT)

    assert next_step(run, NOON + TIMEOUT) is Step.CANCEL_JOB


@given(st.integers(1, 10_000))
def test_the_wait_has_a_ceiling(attempts: int) -> None:
    assert retry_delay(attempts) <= RETRY_CAP
