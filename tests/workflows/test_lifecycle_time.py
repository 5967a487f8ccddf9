"""How a run ends that is canceled or out of time, and how it waits after a failure."""

from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.workflows.facts import (
    CancelRequested,
    Fact,
    Failed,
    FailedForNow,
    JobFailed,
    JobSeen,
    Published,
    PublishRequested,
    TimePassed,
)
from shared.workflows.lifecycle import (
    CANCEL_GRACE,
    HELD_FOR,
    RETRY_AFTER_CAP,
    RETRY_CAP,
    Step,
    apply,
    next_step,
    retry_delay,
)
from shared.workflows.runs import Run, RunStatus
from tests.workflows.lifecycle_runs import (
    BEGAN,
    BUSY,
    ERROR,
    GOOD,
    HOUR,
    MINUTE,
    NOON,
    SUBMITTING,
    TIMEOUT,
    after,
    at,
    fresh,
    job,
)


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
    assert timed_out("begun").status is RunStatus.FAILED


def test_the_time_that_a_run_waits_for_its_turn_does_not_count() -> None:
    assert timed_out("queued") == at("queued")

    begun = apply(at("queued"), BEGAN, NOON + TIMEOUT)

    assert apply(begun, TimePassed(TIMEOUT), NOON + 2 * TIMEOUT - MINUTE) is begun
    assert apply(begun, TimePassed(TIMEOUT), NOON + 2 * TIMEOUT).status is RunStatus.FAILED


def test_the_time_queued_is_told_apart_from_the_time_running() -> None:
    run = apply(at("begun"), SUBMITTING, NOON + 10 * MINUTE)
    run = apply(run, JobSeen(job("Queued")), NOON + 20 * MINUTE)
    run = apply(run, JobSeen(job("Running")), NOON + 4 * HOUR)
    run = apply(run, JobSeen(job("Running")), NOON + 5 * HOUR)

    run = apply(run, TimePassed(TIMEOUT), NOON + TIMEOUT)

    assert run.error is not None
    assert "not done after 6 h 00 min: 3 h 50 min waiting" in run.error.message
    assert "2 h 00 min running" in run.error.message


def test_a_job_queued_for_ever_ran_no_time() -> None:
    run = after([*GOOD[:5], TimePassed(TIMEOUT)], now=NOON)
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
    run = after(GOOD[6:7], at("running"), NOON + 5 * HOUR)

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
        assert next_step(run, run.retrying.next_at) is Step.BEGIN
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


@pytest.mark.parametrize("fact", [GOOD[0], GOOD[1], JobSeen(job("Queued")), CancelRequested()])
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
