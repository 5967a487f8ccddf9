"""XSD dayTimeDuration, strictly."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.duration import format_duration, parse_duration

REFUSED = [
    "",
    "P",
    "PT",
    "P1DT",
    "P1M",
    "P1Y",
    "P1W",
    "-PT5S",
    "+PT5S",
    "PT-5S",
    "1S",
    "T5S",
    "PT1S2M",
    "PT1M1H",
    "P5S",
    "PT1D",
    "PT1.S",
    "PT.5S",
    "PT1.5M",
    "P1.5D",
    "PT1,5S",
    "pt5s",
    "PT5s",
    "PT5S ",
    " PT5S",
    "PT5S\n",
    "PT 5S",
    "PT٥S",
    "PT1e3S",
    "30",
    "00:00:30",
    "PT" + "0" * 80 + "5S",
]


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("PT30S", 30),
        ("PT1M30S", 90),
        ("PT0.9S", 0.9),
        ("PT1.250S", 1.25),
        ("PT2H", 7200),
        ("PT1H1S", 3601),
        ("P1D", 86400),
        ("P1DT2H3M4.5S", 93784.5),
        ("P0D", 0),
        ("PT0S", 0),
        ("PT007S", 7),
        ("PT230S", 230),
    ],
)
def test_a_duration_is_its_seconds(text: str, seconds: float) -> None:
    assert parse_duration(text) == seconds


@pytest.mark.parametrize("text", REFUSED)
def test_what_is_no_duration_is_refused_with_an_example(text: str) -> None:
    with pytest.raises(ValueError, match="is not an XSD dayTimeDuration such as PT30S"):
        parse_duration(text)


def test_a_refusal_does_not_repeat_an_endless_text() -> None:
    with pytest.raises(ValueError, match="dayTimeDuration") as refused:
        parse_duration("P" * 10_000)

    assert len(str(refused.value)) < 200


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0, "PT0S"),
        (0.0004, "PT0S"),
        (1, "PT1S"),
        (60, "PT1M"),
        (90, "PT1M30S"),
        (225, "PT3M45S"),
        (86400, "P1D"),
        (86460.25, "P1DT1M0.25S"),
        (59.9996, "PT1M"),
    ],
)
def test_seconds_are_written_in_their_shortest_form(seconds: float, text: str) -> None:
    assert format_duration(seconds) == text


@given(st.integers(0, 10**10))
def test_what_is_written_reads_back(milliseconds: int) -> None:
    assert parse_duration(format_duration(milliseconds / 1000)) == pytest.approx(milliseconds / 1000, abs=1e-6)


@given(st.from_regex(r"[PTDHMS0-9.\-]{0,12}", fullmatch=True))
def test_any_text_is_seconds_or_refused(text: str) -> None:
    try:
        seconds = parse_duration(text)
    except ValueError:
        return
    assert seconds >= 0
    assert text[-1] in "DHMS"
    assert text.count("M") <= 1
