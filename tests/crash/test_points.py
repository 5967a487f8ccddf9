"""A process may die between any two lines: the run that it was at comes to the same end."""

from collections.abc import Mapping

import pytest

from tests.crash.outcomes import SOON, Outcome
from tests.crash.points import SCENARIOS, Scenario

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1200)]


@pytest.mark.parametrize("scenario", SCENARIOS, ids=lambda scenario: scenario.title.replace(" ", "-"))
def test_a_run_comes_to_its_end_though_the_process_dies(
    outcomes: Mapping[Scenario, Outcome], scenario: Scenario
) -> None:
    outcome = outcomes[scenario]

    if outcome.failure is not None:
        raise outcome.failure
    assert outcome.seconds is not None
    assert outcome.seconds < SOON
