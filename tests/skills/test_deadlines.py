"""Everything ends by one deadline."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.errors import BadRequest
from shared.skills.deadlines import ENVELOPE_WAIT, caller_waits, usable_seconds, waits_for
from tests.skills.fakes import definition


@pytest.mark.parametrize(
    ("deadline", "header", "waits"),
    [
        (None, None, 30),
        (None, "PT2M", 120),
        (None, " PT45S ", 45),
        (None, "PT0.5S", 0.5),
        (None, "PT300S", 225),
        (None, "P1D", 225),
        ("PT60S", None, 60),
        ("PT60S", "PT10S", 60),
        ("PT60S", "nonsense", 60),
    ],
)
def test_the_definition_says_how_long_a_caller_waits_else_the_header_else_the_default(
    deadline: str | None, header: str | None, waits: float
) -> None:
    skill = definition(gateway={"deadline": deadline})

    assert caller_waits(skill, header, ENVELOPE_WAIT) == waits


def test_no_default_is_longer_than_the_platform_waits() -> None:
    assert caller_waits(definition(), None, 1000) == 225


@pytest.mark.parametrize("header", ["", "30", "PT", "-PT5S", "P1M", "PT30", "thirty"])
def test_a_header_that_is_no_duration_is_refused(header: str) -> None:
    with pytest.raises(BadRequest, match=r"the header x-bridge-deadline: .* is not an XSD dayTimeDuration") as refused:
        caller_waits(definition(), header, ENVELOPE_WAIT)

    assert refused.value.target == "x-bridge-deadline"


def test_a_header_of_no_time_is_refused() -> None:
    with pytest.raises(BadRequest, match="says 0 s: send how long you wait, such as PT30S"):
        caller_waits(definition(), "PT0S", ENVELOPE_WAIT)


@pytest.mark.parametrize(("waits", "usable"), [(30, 27), (225, 202.5), (20, 18), (10, 8), (4, 2), (2, 1), (0.5, 0.25)])
def test_a_margin_is_kept_for_the_way_back(waits: float, usable: float) -> None:
    assert usable_seconds(waits) == usable


@given(st.floats(0.001, 225))
def test_something_is_always_left_for_the_work(waits: float) -> None:
    usable = usable_seconds(waits)

    assert waits / 2 <= usable < waits
    assert usable <= max(waits - 2, waits / 2)


@given(st.floats(1, 230))
def test_who_waits_for_an_attempt_waits_long_enough(timeout: float) -> None:
    assert usable_seconds(waits_for(timeout)) >= timeout - 1e-9
