"""NCRONTAB: what an expression means, and when it comes next."""

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from devhost.ncrontab import FIELDS, Cron, Every, parse_field, parse_schedule

PACIFIC = ZoneInfo("America/Los_Angeles")
FALL_BACK = datetime(2018, 11, 4, tzinfo=UTC)  # 01:00-01:59 comes twice, -07:00 and then -08:00
SPRING_FORWARD = datetime(2018, 3, 11, tzinfo=UTC)  # 02:00-02:59 does not come


def naive(text: str) -> datetime:
    return datetime.fromisoformat(text)


@pytest.mark.parametrize(
    ("expression", "now", "following"),
    [
        ("* * * * * *", "2026-01-01T00:00:00", "2026-01-01T00:00:01"),
        ("*/15 * * * * *", "2026-01-01T00:00:46", "2026-01-01T00:01:00"),
        ("0 */5 * * * *", "2026-01-01T00:05:00", "2026-01-01T00:10:00"),
        ("0 0 * * * *", "2026-01-01T23:30:00", "2026-01-02T00:00:00"),
        ("0 30 9 * * 1-5", "2026-11-20T09:30:00", "2026-11-23T09:30:00"),  # Friday, then Monday
        ("0 0 0 31 * *", "2026-01-31T00:00:00", "2026-03-31T00:00:00"),
        ("0 0 0 29 2 *", "2026-01-01T00:00:00", "2028-02-29T00:00:00"),
        ("0 0 0 29 2 Mon", "2026-01-01T00:00:00", "2044-02-29T00:00:00"),
        ("59 59 23 31 12 *", "2026-12-31T23:59:59", "2027-12-31T23:59:59"),
        ("0 0 0 1 Ja,july *", "2026-01-01T00:00:00", "2026-07-01T00:00:00"),
        ("30 9 * * *", "2026-01-01T09:30:00", "2026-01-02T09:30:00"),  # five fields: at second 0
    ],
)
def test_next_occurrence_is_the_first_later_moment_that_fits(expression: str, now: str, following: str) -> None:
    schedule = parse_schedule(expression)

    assert isinstance(schedule, Cron)
    assert schedule.after(naive(now)) == naive(following)


def test_day_and_day_of_week_must_both_fit_unlike_in_cron() -> None:
    schedule = parse_schedule("0 0 0 13 * Fri")

    assert isinstance(schedule, Cron)
    assert schedule.after(naive("2026-04-01T00:00:00")) == naive("2026-11-13T00:00:00")


@pytest.mark.parametrize(
    ("text", "values"),
    [
        ("*", tuple(range(60))),
        ("5", (5,)),
        ("5,7,5", (5, 7)),
        ("5-8", (5, 6, 7, 8)),
        ("8-5", (5, 6, 7, 8)),
        ("50/4", (50, 54, 58)),
        ("10-20/5", (10, 15, 20)),
        ("*/25,1", (0, 1, 25, 50)),
        ("*/0", tuple(range(60))),
    ],
)
def test_field_means_these_values(text: str, values: tuple[int, ...]) -> None:
    assert parse_field(text, *FIELDS[1]) == values


@pytest.mark.parametrize(
    "expression",
    [
        *("", "* * * *", "* * * * * * *", "hourly", "60 * * * * *", "* * 24 * * *", "* * * 0 * *", "* * * 32 * *"),
        *("* * * * 13 *", "* * * * * 7", "* * * * * 0-7", "* * * * * Mxn", "0 0 0 30 2 *", "*/ * * * * *"),
        *("1,,2 * * * * *", "/5 * * * * *", "-1 * * * * *", "? * * * * *", "00:00:00", "24:00:00", "1:61:00"),
    ],
)
def test_expression_that_means_nothing_is_refused(expression: str) -> None:
    with pytest.raises(ValueError, match=r"'|never|time"):
        parse_schedule(expression)


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("00:00:05", 5), ("01:30:00", 5400), ("1.00:00:00", 86400), ("2", 172800), ("00:00:00.5", 0.5)],
)
def test_time_span_is_a_constant_interval(text: str, seconds: float) -> None:
    assert parse_schedule(text) == Every(timedelta(seconds=seconds))


@pytest.mark.parametrize(
    ("expression", "within_minutes"),
    [
        ("*/10 * * * * *", True),
        ("0,30 * * * * *", True),
        ("0 * * * * *", False),
        ("*/10 */2 * * * *", False),
        ("*/10 * * * * 1", False),
        ("00:00:59", True),
        ("00:01:00", False),
    ],
)
def test_no_status_is_kept_when_it_always_fires_more_than_once_a_minute(expression: str, within_minutes: bool) -> None:
    assert parse_schedule(expression).is_within_minutes is within_minutes


def fires(expression: str, start: datetime, count: int) -> list[str]:
    schedule, moments, now = parse_schedule(expression), [], start
    for _ in range(count):
        now = schedule.next(now, PACIFIC)
        moments.append(now.strftime("%d %H:%M%z"))
    return moments


def test_interval_goes_on_through_the_hour_that_comes_twice() -> None:
    start = FALL_BACK.replace(hour=7, minute=30)  # 00:30-07:00

    assert fires("0 */30 * * * *", start, 6) == [
        *("04 01:00-0700", "04 01:30-0700"),
        *("04 01:00-0800", "04 01:30-0800"),
        *("04 02:00-0800", "04 02:30-0800"),
    ]


@pytest.mark.parametrize("hour", [7, 9])  # 00:10-07:00 and 01:10-08:00: before, and in the second of the two
def test_point_in_time_fires_once_in_the_hour_that_comes_twice(hour: int) -> None:
    start = FALL_BACK.replace(hour=hour, minute=10)

    first = ["04 01:30-0700"] if hour == 7 else []
    assert fires("0 30 1 * * *", start, len(first) + 1) == [*first, "05 01:30-0800"]


def test_point_in_time_that_the_clock_skips_fires_an_hour_later() -> None:
    start = SPRING_FORWARD.replace(hour=8)  # 00:00-08:00

    assert fires("0 30 2 * * *", start, 2) == ["11 03:30-0700", "12 02:30-0700"]


def field_text(low: int, high: int) -> st.SearchStrategy[str]:
    value = st.integers(low, high)
    item = st.one_of(
        st.just("*"),
        value.map(str),
        st.tuples(value, value).map(lambda pair: f"{pair[0]}-{pair[1]}"),
        st.tuples(value, st.integers(1, 70)).map(lambda pair: f"{pair[0]}/{pair[1]}"),
        st.integers(1, 70).map(lambda step: f"*/{step}"),
    )
    return st.lists(item, min_size=1, max_size=3).map(",".join)


# Days that every month has, so that each expression comes within weeks.
EXPRESSIONS = st.tuples(
    field_text(0, 59), field_text(0, 59), field_text(0, 23), field_text(1, 28), field_text(1, 12), field_text(0, 6)
).map(" ".join)
MOMENTS = st.datetimes(datetime(2000, 1, 1), datetime(2100, 1, 1))  # noqa: DTZ001


@settings(max_examples=150, deadline=None)
@given(EXPRESSIONS, MOMENTS)
def test_next_occurrence_is_later_and_fits_every_field(expression: str, now: datetime) -> None:
    cron = parse_schedule(expression)
    assert isinstance(cron, Cron)

    following = cron.after(now)

    assert following > now
    assert cron.fits_day(following.date())
    assert following.hour in cron.hours
    assert following.minute in cron.minutes
    assert following.second in cron.seconds


@settings(max_examples=60, deadline=None)
@given(EXPRESSIONS, MOMENTS)
def test_no_moment_between_now_and_the_next_occurrence_fits(expression: str, now: datetime) -> None:
    cron = parse_schedule(expression)
    assert isinstance(cron, Cron)
    following = cron.after(now)

    between = now.replace(microsecond=0) + timedelta(seconds=1)
    for _ in range(2000):
        if between >= following:
            break
        parts_fit = between.second in cron.seconds and between.minute in cron.minutes and between.hour in cron.hours
        assert not (parts_fit and cron.fits_day(between.date()))
        between += timedelta(seconds=1)


@settings(max_examples=150, deadline=None)
@given(EXPRESSIONS, MOMENTS)
def test_in_any_zone_the_next_fire_is_really_later(expression: str, now: datetime) -> None:
    schedule = parse_schedule(expression)
    moment = now.replace(tzinfo=UTC)

    following = schedule.next(moment, PACIFIC)

    assert following.timestamp() > moment.timestamp()


@settings(max_examples=200)
@given(st.text(max_size=30))
def test_any_text_is_a_schedule_or_a_value_error(text: str) -> None:
    try:
        schedule = parse_schedule(text)
    except ValueError:
        return
    assert isinstance(schedule, Cron | Every)
