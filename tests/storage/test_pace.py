"""How fast rows go to an account that says it is busy; time is handed in."""

from math import inf

import pytest

from shared.storage.pace import Pace


class Account:
    """Takes `rate` rows a second, and a tenth of a second's at once; asked as fast as the pace allows."""

    def __init__(self, rate: float) -> None:
        self.now = 0.0
        self.taken = 0
        self.refused = 0
        self.pace = Pace(lambda: self.now)
        self._rate = rate
        self._tokens = rate / 10

    def ask_for(self, seconds: float, rows: int = 100) -> float:
        """Rows a second that were taken meanwhile."""
        before, until = self.taken, self.now + seconds
        while self.now < until:
            self._pass(max(self.pace.delay(rows), 0.0005))
            if self._tokens >= rows:
                self._tokens -= rows
                self.taken += rows
                self.pace.taken(rows)
            else:
                self.refused += 1
                self.pace.refused()
        return (self.taken - before) / seconds

    def slow_down(self, rate: float) -> None:
        self._rate = rate

    def _pass(self, seconds: float) -> None:
        self.now += seconds
        self._tokens = min(self._tokens + seconds * self._rate, self._rate / 10)


def test_nothing_waits_before_a_refusal() -> None:
    pace = Pace(lambda: 5.0)

    assert [pace.delay(100) for _ in range(50)] == [0.0] * 50
    assert pace.rate == inf


@pytest.mark.parametrize("rate", [2_000, 20_000])
def test_an_account_is_nearly_filled_with_few_refusals(rate: float) -> None:
    account = Account(rate)
    account.ask_for(2)
    refused = account.refused

    assert account.ask_for(10) >= 0.92 * rate
    assert (account.refused - refused) * 100 <= 0.05 * 10 * rate


def test_an_account_that_becomes_slower_and_faster_is_followed() -> None:
    account = Account(20_000)
    account.ask_for(2)
    account.slow_down(5_000)
    account.ask_for(3)
    assert account.ask_for(5) >= 0.9 * 5_000

    account.slow_down(20_000)
    account.ask_for(8)
    assert account.ask_for(5) >= 0.9 * 20_000


def test_refusals_of_one_moment_count_once() -> None:
    account = Account(20_000)
    account.ask_for(1)
    account.now += 1
    before = account.pace.rate

    for _ in range(8):
        account.pace.refused()

    assert account.pace.rate == pytest.approx(0.95 * before)


def test_a_pause_that_the_account_asks_for_holds_for_all() -> None:
    pace = Pace(lambda: 5.0)

    pace.refused(3.0)

    assert pace.delay(1) == 3.0
    assert pace.delay(1) > 3.0


def test_a_process_that_was_late_does_not_storm() -> None:
    account = Account(20_000)
    account.ask_for(1)
    account.now += 60

    at_once = 0
    while account.pace.delay(100) == 0:
        at_once += 1

    assert at_once * 100 <= 0.06 * account.pace.rate
