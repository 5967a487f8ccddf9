"""Runs the scenarios, several at once, and prints how long each took to recover."""

import queue
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.crash.lane import Lane, open_lane
from tests.crash.outcomes import Outcome, play, warm_up
from tests.crash.points import POINTS, SCENARIOS, Scenario
from tests.crash.relay import Loop, When

LANES = 8
"""At once; most of a scenario is waiting for a lease or a timer."""
_OUTCOMES = pytest.StashKey[Mapping[Scenario, Outcome]]()


@pytest.fixture(scope="session")
def loop() -> Iterator[Loop]:
    with Loop().running() as running:
        yield running


@pytest.fixture(scope="module")
def lane(loop: Loop) -> Iterator[Lane]:
    with open_lane(loop) as opened:
        warm_up(opened)
        yield opened


@pytest.fixture(scope="session")
def outcomes(loop: Loop, request: pytest.FixtureRequest) -> Mapping[Scenario, Outcome]:
    """Of the scenarios that this session's tests ask about."""
    asked = {item.callspec.params.get("scenario") for item in request.session.items if hasattr(item, "callspec")}
    wanted = sorted((one for one in SCENARIOS if one in asked), key=lambda one: not one.point.is_long)
    found = play_all(loop, wanted)
    request.config.stash[_OUTCOMES] = found
    return found


def play_all(loop: Loop, scenarios: list[Scenario]) -> Mapping[Scenario, Outcome]:
    waiting: queue.SimpleQueue[Scenario] = queue.SimpleQueue()
    for scenario in scenarios:
        waiting.put(scenario)
    found: dict[Scenario, Outcome] = {}

    def work() -> None:
        with open_lane(loop) as lane:
            warm_up(lane)
            while not waiting.empty():
                try:
                    scenario = waiting.get_nowait()
                except queue.Empty:
                    return
                found[scenario] = play(lane, scenario)

    with ThreadPoolExecutor(LANES) as pool:
        for lane in [pool.submit(work) for _ in range(min(LANES, len(scenarios)))]:
            lane.result()
    return found


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    outcomes = config.stash.get(_OUTCOMES, {})
    if not outcomes:
        return
    terminalreporter.section("seconds from the death of the process to the end of the run")
    terminalreporter.line(f"{'':44} {'before':>7} {'after':>7}")
    for number, point in enumerate(POINTS, 1):
        told = [_seconds(outcomes.get(Scenario(number, point, when))) for when in When]
        if told != ["", ""]:
            terminalreporter.line(f"{point.name:44} {told[0]:>7} {told[1]:>7}")


def _seconds(outcome: Outcome | None) -> str:
    if outcome is None:
        return ""
    return "failed" if outcome.failure or outcome.seconds is None else f"{outcome.seconds:.0f}"
