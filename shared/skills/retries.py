"""Is a failed call tried again, and when? The one retry policy; no layer below retries.

Two different things are told apart:

- A **push-back** (429, 503) of an endpoint that has answered other calls since this call's batch began says
  "not now": the call goes back into the queue, for as long as its deadline allows. Counting those would lose
  records on every endpoint that is merely busy: of calls that meet 30 % push-backs, two retries lose 2.7 %.
- Everything else that may pass (a lost connection, 502, 504, a push-back of an endpoint that answers nobody) is
  a **retry**: `retries` times at most, and only while the endpoint's retry budget lasts.
"""

import random
from collections.abc import Callable
from dataclasses import dataclass

from shared.skills.definition import Gateway
from shared.skills.failures import Failure

BACKOFF_BASE = 0.2
BACKOFF_CAP = 10.0
_BUDGET_RATIO = 0.25
"""Retries earned by a first attempt: 0.25 of these is 0.20 of all calls."""
_BUDGET_RESERVE = 10.0
_BUDGET_CEILING = 100.0
"""What a long good time may save up."""

_MOST_ATTEMPTS = 10
"""A record that is pushed back this often is the cause itself."""

type Draw = Callable[[float, float], float]


def backoff(attempt: int, draw: Draw = random.uniform) -> float:
    """Seconds before the next attempt after `attempt` of them: full jitter, doubling from 0.2 s up to 10 s."""
    return draw(0.0, min(BACKOFF_CAP, BACKOFF_BASE * 2.0 ** (attempt - 1)))


class RetryBudget:
    """Keeps retries at 20 % of an endpoint's calls, so that a failing endpoint is not sent three times its load.

    A reserve of ten lets single calls be retried at all.
    """

    def __init__(self) -> None:
        self._tokens = _BUDGET_RESERVE

    def earn(self) -> None:
        """A first attempt was made."""
        self._tokens = min(self._tokens + _BUDGET_RATIO, _BUDGET_CEILING)

    def spend(self) -> bool:
        """Take one retry; False when there is none left."""
        if self._tokens < 1.0:
            return False
        self._tokens -= 1.0
        return True


@dataclass(frozen=True, slots=True)
class Tried:
    """What is known of a call that just failed."""

    attempts: int
    """All of them, this one included."""
    retries: int
    """How many of them counted as retries."""
    endpoint_lives: bool
    """Whether the endpoint has answered any call since this one's batch began."""


@dataclass(frozen=True, slots=True)
class Again:
    """Send it again after `delay` seconds; `counts` if that is one of its retries."""

    delay: float
    counts: bool


def decide(
    failure: Failure,
    tried: Tried,
    gateway: Gateway,
    budget: RetryBudget,
    *,
    remaining: float,
    draw: Draw = random.uniform,
) -> Again | None:
    """The next step of a failed call with `remaining` seconds to its deadline; None gives it up."""
    if not _may_pass(failure, gateway) or gateway.retries == 0:
        return None
    delay = max(backoff(tried.attempts, draw), failure.retry_after or 0.0)
    if delay >= remaining:
        return None
    if failure.pushed_back and tried.endpoint_lives:
        return Again(delay, counts=False) if tried.attempts < _MOST_ATTEMPTS else None
    if tried.retries >= gateway.retries or not budget.spend():
        return None
    return Again(delay, counts=True)


def _may_pass(failure: Failure, gateway: Gateway) -> bool:
    if failure.status is None:
        return failure.kind.retryable
    return failure.status in gateway.retry_statuses or (failure.wrapped and 424 in gateway.retry_statuses)
