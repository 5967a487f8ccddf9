"""When a workflow is due: clock changes both ways, downtime, schedules that cannot be."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.errors import BadRequest
from shared.workflows.schedules import Schedule

NOW = datetime(2026, 1, 1, tzinfo=UTC)
BERLIN, NEW_YORK = "Europe/Berlin", "America/New_York"


def schedule(cron: str, zone: str = "UTC") -> Schedule:
    return Schedule.parse({"cron": cron, "timeZone": zone}, NOW)


def utc(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


CHANGES = [
    # A time of day that is skipped comes at the change, once.
    ("30 2 * * *", BERLIN, "2026-03-28", ["2026-03-28T01:30", "2026-03-29T01:00", "2026-03-30T00:30"]),
    ("0,30 2 * * *", BERLIN, "2026-03-29", ["2026-03-29T01:00", "2026-03-30T00:00", "2026-03-30T00:30"]),
    ("0 2,3 * * *", BERLIN, "2026-03-29", ["2026-03-29T01:00", "2026-03-30T00:00", "2026-03-30T01:00"]),
    ("30 2 * * *", NEW_YORK, "2026-03-07", ["2026-03-07T07:30", "2026-03-08T07:00", "2026-03-09T06:30"]),
    # One that is repeated comes once, the first time.
    ("30 2 * * *", BERLIN, "2026-10-24", ["2026-10-24T00:30", "2026-10-25T00:30", "2026-10-26T01:30"]),
    ("30 1 * * *", NEW_YORK, "2026-10-31", ["2026-10-31T05:30", "2026-11-01T05:30", "2026-11-02T06:30"]),
    # Others keep their local time.
    ("0 6 * * *", BERLIN, "2026-03-28", ["2026-03-28T05:00", "2026-03-29T04:00", "2026-03-30T04:00"]),
    ("0 6 * * *", NEW_YORK, "2026-10-31", ["2026-10-31T10:00", "2026-11-01T11:00", "2026-11-02T11:00"]),
    # Every hour stays every hour.
    ("0 * * * *", BERLIN, "2026-03-29", ["2026-03-29T01:00", "2026-03-29T02:00", "2026-03-29T03:00"]),
    ("0 * * * *", BERLIN, "2026-10-25", ["2026-10-25T01:00", "2026-10-25T02:00", "2026-10-25T03:00"]),
]


@pytest.mark.parametrize(("cron", "zone", "day", "slots"), CHANGES)
def test_clock_changes(cron: str, zone: str, day: str, slots: list[str]) -> None:
    times = schedule(cron, zone).next_times(utc(day), 3)

    assert times == [utc(slot) for slot in slots]


@pytest.mark.parametrize(
    ("zone", "cron", "second_pass", "next_day"),
    [
        (BERLIN, "30 2 * * *", "2026-10-25T01:10", "2026-10-26T01:30"),
        (NEW_YORK, "30 1 * * *", "2026-11-01T06:10", "2026-11-02T06:30"),
    ],
)
def test_within_the_repeated_hour_its_slot_does_not_come_again(
    zone: str, cron: str, second_pass: str, next_day: str
) -> None:
    daily, moment = schedule(cron, zone), utc(second_pass)

    assert daily.due(moment, moment + timedelta(hours=2)) == []
    assert daily.next_times(moment, 1) == [utc(next_day)]


@pytest.mark.parametrize("day", ["2026-03-29", "2026-10-25"])
def test_a_tick_each_minute_finds_each_slot_once(day: str) -> None:
    daily, found = schedule("30 2 * * *", BERLIN), []
    for minute in range(24 * 60):
        moment = utc(day) + timedelta(minutes=minute)
        found += daily.due(moment - timedelta(minutes=1), moment)

    assert len(found) == 1


def test_after_downtime_all_that_was_missed_is_due_oldest_first() -> None:
    missed = schedule("0 6 * * *").due(utc("2026-05-01T06:00"), utc("2026-05-04T06:00"))

    assert missed == [utc("2026-05-02T06:00"), utc("2026-05-03T06:00"), utc("2026-05-04T06:00")]


def test_a_slot_is_due_at_its_time_and_not_a_second_before() -> None:
    daily = schedule("0 6 * * *")

    assert daily.due(utc("2026-05-01"), utc("2026-05-01T05:59:59")) == []
    assert daily.due(utc("2026-05-01"), utc("2026-05-01T06:00")) == [utc("2026-05-01T06:00")]
    assert daily.due(utc("2026-05-01T06:00"), utc("2026-05-01T07:00")) == []


def test_downtime_is_looked_back_on_for_35_days() -> None:
    assert len(schedule("0 6 * * *").due(utc("2025-01-01"), utc("2026-05-01"))) == 35


def test_a_leap_day_comes() -> None:
    assert schedule("0 0 29 2 *").next_times(NOW, 1) == [utc("2028-02-29")]


@pytest.mark.parametrize("cron", ["0 0 30 2 *", "0 0 31 2,4,6,9,11 *", "0 0 * 2 MON#5"])
def test_a_schedule_that_never_comes_is_refused(cron: str) -> None:
    with pytest.raises(BadRequest, match="never comes") as refused:
        schedule(cron, BERLIN)

    assert refused.value.target == "schedule.cron"


@pytest.mark.parametrize(
    "cron",
    [
        "",
        "daily",
        "@daily",
        "61 * * * *",
        "* * * *",
        "0 0 0 * * *",
        "* 24 * * *",
        "0 0 32 * *",
        "0 0 0 2 *",
        "*/0 * * * *",
        "0 0 30 13 *",
        "9" * 5000 + " * * * *",
    ],
)
def test_a_cron_that_cannot_be_read_is_refused(cron: str) -> None:
    with pytest.raises(BadRequest, match="five fields") as refused:
        schedule(cron)

    assert refused.value.target == "schedule.cron"
    assert len(refused.value.message) < 300


@pytest.mark.parametrize("zone", ["", "Mars/Phobos", "europe/berlin", "../../etc/passwd", "Europe", "\0", "a" * 300])
def test_a_zone_that_does_not_exist_is_refused(zone: str) -> None:
    with pytest.raises(BadRequest, match="IANA") as refused:
        schedule("0 6 * * *", zone)

    assert refused.value.target == "schedule.timeZone"


@given(st.text(alphabet="0123456789*/,-#LW @MONJAN²٣", max_size=30))
def test_no_text_is_more_than_a_bad_request(cron: str) -> None:
    try:
        times = schedule(cron, BERLIN).next_times(NOW, 2)
    except BadRequest:
        return
    assert times == sorted(set(times))


@given(st.integers(0, 2 * 366 * 24 * 60), st.sampled_from([BERLIN, NEW_YORK, "UTC"]))
def test_what_comes_next_is_later_and_in_order(minutes: int, zone: str) -> None:
    now = NOW + timedelta(minutes=minutes)

    times = schedule("*/20 1,2,3 * * *", zone).next_times(now, 12)

    assert times == sorted(set(times))
    assert times[0] > now
