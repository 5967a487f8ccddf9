"""The one retry policy."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.skills.definition import Gateway
from shared.skills.failures import Failure, Kind, status_failure
from shared.skills.retries import Again, RetryBudget, Tried, backoff, decide
from tests.skills.fakes import definition


def longest(_: float, most: float) -> float:
    return most


def gateway(**members: Any) -> Gateway:
    return definition(gateway=members).gateway


def next_step(
    failure: Failure,
    *,
    attempts: int = 1,
    retries: int = 0,
    lives: bool = False,
    remaining: float = 100.0,
    budget: RetryBudget | None = None,
    **members: Any,
) -> Again | None:
    tried = Tried(attempts, retries, endpoint_lives=lives)
    return decide(failure, tried, gateway(**members), budget or RetryBudget(), remaining=remaining, draw=longest)


def spent() -> RetryBudget:
    budget = RetryBudget()
    while budget.spend():
        pass
    return budget


@pytest.mark.parametrize(
    "failure",
    [
        *(status_failure(status) for status in (429, 502, 503, 504)),
        *(status_failure(424, inner=status) for status in (429, 502, 503, 504)),
        *(Failure(kind) for kind in (Kind.CONNECT, Kind.DNS, Kind.DROPPED, Kind.TOKEN_FAILED, Kind.ARM_THROTTLED)),
    ],
)
def test_what_may_pass_is_tried_again_and_counts(failure: Failure) -> None:
    assert next_step(failure) == Again(0.2, counts=True)
    assert next_step(failure, attempts=3, retries=2) is None


@pytest.mark.parametrize(
    "failure",
    [
        *(status_failure(status) for status in (400, 401, 403, 404, 408, 409, 413, 422, 500, 501, 302)),
        status_failure(424),
        status_failure(424, inner=500),
        status_failure(424, inner=400),
        *(
            Failure(kind)
            for kind in (
                Kind.TIMED_OUT,
                Kind.TLS,
                Kind.CONTENT_TYPE,
                Kind.INVALID_JSON,
                Kind.NOT_AN_OBJECT,
                Kind.ANSWER_TOO_LARGE,
                Kind.HOST_REFUSED,
                Kind.CLOSED,
                Kind.PAUSED,
            )
        ),
    ],
)
def test_what_will_not_pass_is_given_up_at_once(failure: Failure) -> None:
    assert next_step(failure, lives=True) is None


@pytest.mark.parametrize(
    ("failure", "statuses", "is_tried_again"),
    [
        (status_failure(500), [500], True),
        (status_failure(429), [500], False),
        (status_failure(429), [], False),
        (status_failure(424), [424], True),
        (status_failure(424, inner=500), [424], True),
        (status_failure(424, inner=500), [500], True),
        (status_failure(500), [424], False),
        (Failure(Kind.CONNECT), [], True),
    ],
)
def test_the_definition_says_which_statuses(failure: Failure, statuses: list[int], is_tried_again: bool) -> None:
    assert (next_step(failure, retryStatuses=statuses) is not None) is is_tried_again


def test_the_definition_says_how_often() -> None:
    tried = Tried(attempts=5, retries=4, endpoint_lives=False)

    steps = [
        decide(Failure(Kind.CONNECT), tried, gateway(retries=most), RetryBudget(), remaining=100, draw=longest)
        for most in (4, 5)
    ]

    assert steps == [None, Again(3.2, counts=True)]


@pytest.mark.parametrize("failure", [Failure(Kind.CONNECT), status_failure(429)])
def test_without_retries_nothing_is_tried_again(failure: Failure) -> None:
    tried = Tried(attempts=1, retries=0, endpoint_lives=True)

    assert decide(failure, tried, gateway(retries=0), RetryBudget(), remaining=100, draw=longest) is None


@pytest.mark.parametrize("status", [429, 503])
def test_a_push_back_of_an_endpoint_that_lives_does_not_count(status: int) -> None:
    failure = status_failure(status)

    for attempts in range(1, 10):
        again = next_step(failure, attempts=attempts, retries=2, lives=True, budget=spent())
        assert again is not None
        assert not again.counts
    assert next_step(failure, attempts=10, lives=True) is None


def test_other_failures_of_an_endpoint_that_lives_count() -> None:
    assert next_step(status_failure(502), lives=True) == Again(0.2, counts=True)


def test_the_endpoints_own_wait_is_obeyed() -> None:
    assert next_step(status_failure(503, retry_after=7)) == Again(7, counts=True)
    assert next_step(status_failure(503, retry_after=0.01)) == Again(0.2, counts=True)


@pytest.mark.parametrize(("remaining", "is_tried_again"), [(7.01, True), (7.0, False), (3, False), (-1, False)])
def test_no_attempt_begins_after_the_deadline(remaining: float, is_tried_again: bool) -> None:
    again = next_step(status_failure(503, retry_after=7), lives=True, remaining=remaining)

    assert (again is not None) is is_tried_again


@given(st.integers(1, 100))
def test_back_off_doubles_up_to_ten_seconds(attempt: int) -> None:
    assert backoff(attempt, longest) == (10.0 if attempt > 6 else 0.2 * 2 ** (attempt - 1))
    assert backoff(attempt, lambda least, _: least) == 0
    assert 0 <= backoff(attempt) <= 10


def test_a_new_budget_lets_ten_calls_be_retried() -> None:
    budget = RetryBudget()

    assert [budget.spend() for _ in range(11)] == [True] * 10 + [False]


def test_retries_are_a_fifth_of_all_calls() -> None:
    budget, first, retried = spent(), 0, 0
    while first + retried < 10_000:
        budget.earn()
        first += 1
        retried += budget.spend()

    assert retried / (first + retried) == pytest.approx(0.2, abs=0.001)


def test_a_long_good_time_saves_up_a_hundred_retries_at_most() -> None:
    budget = RetryBudget()
    for _ in range(10_000):
        budget.earn()

    assert sum(budget.spend() for _ in range(1000)) == 100


def test_an_empty_budget_gives_up_what_counts() -> None:
    assert next_step(Failure(Kind.CONNECT), budget=spent()) is None
