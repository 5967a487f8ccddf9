"""The window's decisions, with the time handed in."""

from collections import deque

import pytest

from shared.aml.limiter import (
    FIRST_WINDOW,
    NARROWEST_WINDOW,
    PROBE_INTERVAL,
    SILENT_ATTEMPTS,
    WIDEST_WINDOW,
    Outcome,
    Window,
)

ROUND_TRIP = 0.1


class Load:
    """As many callers as there are places, at an endpoint that takes a tenth of a second."""

    def __init__(self, window: Window) -> None:
        self.window = window
        self.now = 0.0
        self._started: deque[float] = deque()
        self._fill()

    def round_trip(self, outcome: Outcome = Outcome.ANSWERED) -> float:
        """Every call in flight ends alike, and another takes its place; the window's size after it."""
        self.now = max(self.now + ROUND_TRIP, self.window.opens_at if not self._started else 0.0)
        self._fill()
        for _ in range(len(self._started)):
            self.window.end(outcome, started=self._started.popleft(), now=self.now)
            self._fill()
        return self.window.size

    def round_trips(self, count: int, outcome: Outcome = Outcome.ANSWERED) -> list[float]:
        return [self.round_trip(outcome) for _ in range(count)]

    def _fill(self) -> None:
        while self.window.may_start(self.now):
            self.window.start(self.now)
            self._started.append(self.now)


def single_call(window: Window, now: float, outcome: Outcome = Outcome.ANSWERED) -> float:
    """The time after it."""
    assert window.may_start(now)
    window.start(now)
    window.end(outcome, started=now, now=now + ROUND_TRIP)
    return now + ROUND_TRIP


def silence(window: Window, now: float = 0.0, attempts: int = SILENT_ATTEMPTS) -> None:
    for _ in range(attempts):
        window.start(now)
        window.end(Outcome.UNREACHED, started=now, now=now)


def test_window_starts_at_two() -> None:
    window = Window()

    window.start(0)
    window.start(0)

    assert window.size == FIRST_WINDOW == 2
    assert not window.may_start(0)


def test_window_doubles_a_round_trip_until_the_first_push_back() -> None:
    load = Load(Window())

    assert load.round_trips(5) == [4, 8, 16, 32, 64]


def test_after_a_push_back_the_window_grows_by_one_a_round_trip() -> None:
    load = Load(Window())
    load.round_trips(4)

    assert load.round_trip(Outcome.PUSHED_BACK) == 16
    load.round_trip()  # the calls that were in flight beyond the new window
    before = load.window.size
    sizes = load.round_trips(3)

    assert sizes == pytest.approx([before + 1, before + 2, before + 3], abs=0.4)


@pytest.mark.parametrize("outcome", [Outcome.PUSHED_BACK, Outcome.TIMED_OUT])
def test_window_halves_once_a_round_trip_however_many_calls_of_it_fail(outcome: Outcome) -> None:
    load = Load(Window())
    load.round_trips(3)

    assert load.round_trip(outcome) == 8


@pytest.mark.parametrize("outcome", [Outcome.UNREACHED, Outcome.ABORTED])
def test_what_is_no_sign_of_load_does_not_halve_the_window(outcome: Outcome) -> None:
    assert Load(Window()).round_trip(outcome) == FIRST_WINDOW


def test_a_window_that_is_not_used_does_not_grow() -> None:
    window, now = Window(), 0.0

    for _ in range(50):
        now = single_call(window, now)

    assert window.size == FIRST_WINDOW


def test_window_stays_within_its_bounds() -> None:
    load = Load(Window())

    assert load.round_trips(12)[-1] == WIDEST_WINDOW
    assert load.round_trips(60, Outcome.PUSHED_BACK)[-1] == NARROWEST_WINDOW


def test_push_backs_in_a_row_space_single_calls_out() -> None:
    window = Window()
    now = single_call(window, single_call(window, 0.0, Outcome.PUSHED_BACK), Outcome.PUSHED_BACK)
    assert window.size == 0.5

    assert not window.may_start(now)
    assert window.may_start(window.opens_at)
    window.start(window.opens_at)
    assert not window.may_start(window.opens_at)


def test_a_single_push_back_at_one_call_is_no_reason_to_pause() -> None:
    window, now = Window(), 0.0

    for outcome in (Outcome.PUSHED_BACK, Outcome.ANSWERED, Outcome.PUSHED_BACK):
        now = single_call(window, now, outcome)

    assert window.size == 1
    assert window.may_start(now)


@pytest.mark.parametrize(("seconds", "opens"), [(3.0, 3.0), (0.0, 0.0), (3600.0, 3600.0)])
def test_retry_after_pauses_every_call(seconds: float, opens: float) -> None:
    window = Window()
    window.start(0)

    window.end(Outcome.PUSHED_BACK, started=0, now=0, retry_after=seconds)

    assert window.opens_at == opens
    assert window.may_start(opens)
    assert opens == 0 or not window.may_start(opens - 0.01)


def test_a_shorter_retry_after_does_not_lift_a_longer_one() -> None:
    window = Window()
    window.start(0)
    window.start(0)

    window.end(Outcome.PUSHED_BACK, started=0, now=0, retry_after=10)
    window.end(Outcome.PUSHED_BACK, started=0, now=1, retry_after=2)

    assert window.opens_at == 10


def test_window_closes_after_twenty_attempts_in_a_row_without_an_answer() -> None:
    window = Window()

    silence(window)

    assert window.is_closed
    assert not window.may_start(PROBE_INTERVAL - 0.01)


def test_nineteen_are_not_enough() -> None:
    window = Window()

    silence(window, attempts=SILENT_ATTEMPTS - 1)

    assert not window.is_closed


def test_an_answer_in_between_keeps_it_open() -> None:
    window = Window()

    silence(window, attempts=SILENT_ATTEMPTS - 1)
    single_call(window, 0.0)
    silence(window, attempts=SILENT_ATTEMPTS - 1)

    assert not window.is_closed


@pytest.mark.parametrize("outcome", [Outcome.TIMED_OUT, Outcome.UNREACHED, Outcome.ABORTED])
def test_a_closed_window_lets_one_probe_through_every_ten_seconds(outcome: Outcome) -> None:
    window = Window()
    silence(window)
    starts: list[float] = []

    for tick in range(600):
        now = tick / 10
        if window.may_start(now):
            starts.append(now)
            window.start(now)
            assert not window.may_start(now)
            window.end(outcome, started=now, now=now)

    assert starts == [10, 20, 30, 40, 50]


@pytest.mark.parametrize("outcome", [Outcome.ANSWERED, Outcome.PUSHED_BACK])
def test_a_probe_that_is_answered_reopens_the_window_with_one_call(outcome: Outcome) -> None:
    window = Window()
    silence(window)
    window.start(PROBE_INTERVAL)

    window.end(outcome, started=PROBE_INTERVAL, now=PROBE_INTERVAL)

    assert not window.is_closed
    assert window.may_start(PROBE_INTERVAL)
    assert 1 <= window.size <= 2


def test_an_attempt_aborted_early_says_nothing() -> None:
    window = Window()

    for _ in range(100):
        window.start(0)
        window.end(Outcome.ABORTED, started=0, now=0.5)

    assert window.silent == 0


def test_an_endpoint_that_hangs_beyond_its_callers_deadlines_closes_as_well() -> None:
    window = Window()

    for _ in range(SILENT_ATTEMPTS):
        window.start(0)
        window.end(Outcome.ABORTED, started=0, now=27)

    assert window.is_closed


def test_an_attempt_is_overdue_only_by_the_endpoints_own_measure() -> None:
    window = Window()
    for _ in range(100):
        window.start(0)
        window.end(Outcome.ANSWERED, started=0, now=20)

    window.start(0)
    window.end(Outcome.ABORTED, started=0, now=27)

    assert window.silent == 0


def test_a_place_given_back_is_as_if_it_was_never_taken() -> None:
    window = Window()
    silence(window)
    window.start(PROBE_INTERVAL)

    window.give_back()

    assert window.in_flight == 0
    assert window.may_start(PROBE_INTERVAL)


def test_a_known_capacity_bounds_the_window() -> None:
    window = Window()
    window.share_capacity(5)

    assert Load(window).round_trips(10)[-1] == 5


def test_a_push_back_counts_at_once_however_long_the_window_was_at_its_capacity() -> None:
    window = Window()
    window.share_capacity(8)
    load = Load(window)
    load.round_trips(50)

    assert load.round_trip(Outcome.PUSHED_BACK) == 4


def test_a_share_below_one_spaces_calls_out() -> None:
    window = Window()
    window.share_capacity(0.5)

    now = single_call(window, 0.0)

    assert not window.may_start(now)
    assert window.may_start(window.opens_at)


def test_a_capacity_that_is_no_longer_known_lifts_the_bound() -> None:
    window = Window()
    window.share_capacity(1)

    window.share_capacity(None)

    assert window.size == FIRST_WINDOW
