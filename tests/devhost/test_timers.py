"""Timers on a clock that stands still until it is slept on."""

import asyncio
import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from devhost.ncrontab import parse_schedule
from devhost.protos import RpcRetryOptions
from devhost.statuses import NEVER, FileStatuses, Status
from devhost.timers import Clock, Start, Timer, start_from
from tests.devhost.fakes import FAILED, FakeStatuses, FakeTime, FakeWorker, make_caller, timer_function

NOON = datetime(2026, 11, 21, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)
HOURLY = parse_schedule("0 0 * * * *")
MINUTELY = parse_schedule("0 * * * * *")


async def run_timer(
    *,
    hours: float = 2.5,
    worker: FakeWorker | None = None,
    statuses: FakeStatuses | None = None,
    schedule: str = "0 0 * * * *",
    time: FakeTime | None = None,
    **function: Any,
) -> list[dict[str, Any]]:
    """What the function was told, from noon on for so many hours."""
    worker, statuses = worker or FakeWorker(), statuses or FakeStatuses()
    time = time or FakeTime(NOON, NOON + timedelta(hours=hours))
    clock = Clock(UTC, lambda: time.now, time.sleep)
    timer = Timer(timer_function(**function), parse_schedule(schedule), make_caller(worker), statuses, clock)
    await timer.run(time.stop)
    return [json.loads(call.data.content) for call in worker.calls]


async def test_it_fires_at_each_occurrence_and_stores_what_comes_next() -> None:
    statuses = FakeStatuses()

    told = await run_timer(statuses=statuses)

    assert [each["ScheduleStatus"]["Next"] for each in told] == [
        (NOON + HOUR).isoformat(),
        (NOON + 2 * HOUR).isoformat(),
    ]
    assert not any(each["IsPastDue"] for each in told)
    assert statuses.stored["tick"] == Status(NOON + 2 * HOUR, NOON + 3 * HOUR, NOON + 2 * HOUR)


async def test_a_new_timer_stores_its_next_turn_at_once() -> None:
    statuses = FakeStatuses()

    await run_timer(hours=0.5, statuses=statuses)

    assert statuses.stored["tick"] == Status(NEVER, NOON + HOUR, NOON)


async def test_a_function_that_fails_does_not_stop_the_schedule() -> None:
    assert len(await run_timer(worker=FakeWorker(FAILED), hours=3.5)) == 3


async def test_storage_that_is_away_does_not_stop_the_schedule() -> None:
    assert len(await run_timer(statuses=FakeStatuses(broken=True))) == 2


async def test_a_call_that_outlasts_its_next_turn_is_followed_at_once_but_not_overlapped() -> None:
    time = FakeTime(NOON, NOON + timedelta(hours=5))

    def work_for_90_minutes() -> None:
        time.now += timedelta(minutes=90)
        if time.now >= time.until:
            time.stop.set()

    told = await run_timer(worker=FakeWorker(during=work_for_90_minutes), time=time)

    # 13:00-14:30, at once 14:30-16:00, at once 16:00-17:30
    assert [each["ScheduleStatus"]["Next"][11:16] for each in told] == ["13:00", "14:00", "15:00"]


async def test_run_on_startup_fires_at_once_and_is_not_past_due() -> None:
    told = await run_timer(hours=0.5, startup=True)

    assert [each["IsPastDue"] for each in told] == [False]


@pytest.mark.parametrize(("monitor", "schedule"), [(False, "0 0 * * * *"), (True, "*/30 * * * * *")])
async def test_without_a_monitor_no_status_is_told_or_stored(monitor: bool, schedule: str) -> None:
    statuses = FakeStatuses({"tick": Status(NOON - HOUR, NOON - HOUR / 2, NOON - HOUR)})
    before = dict(statuses.stored)

    told = await run_timer(hours=1.1, monitor=monitor, schedule=schedule, statuses=statuses)

    assert told
    assert all(each["ScheduleStatus"] is None and not each["IsPastDue"] for each in told)
    assert statuses.stored == before


async def test_a_missed_turn_is_one_call_at_once_past_due() -> None:
    missed = Status(NOON - 5 * HOUR, NOON - 4 * HOUR, NOON - 5 * HOUR)
    statuses = FakeStatuses({"tick": missed})

    told = await run_timer(hours=0.5, statuses=statuses)

    assert [each["IsPastDue"] for each in told] == [True]
    assert statuses.stored["tick"] == Status(NOON, NOON + HOUR, NOON)


@pytest.mark.parametrize(
    ("stored", "start"),
    [
        (None, Start(Status(NEVER, NOON + HOUR, NOON), write=True)),
        (Status(NOON - HOUR, NOON, NOON - HOUR), Start(Status(NOON - HOUR, NOON, NOON - HOUR))),
        (
            Status(NEVER, NOON - HOUR, NOON - 1.5 * HOUR),
            Start(Status(NEVER, NOON - HOUR, NOON - 1.5 * HOUR), past_due=True),
        ),
        # The schedule changed since: its next turn is counted from the last one, or from now if that is past.
        (
            Status(NOON - HOUR / 2, NOON + 9 * HOUR, NOON - HOUR / 2),
            Start(Status(NEVER, NOON, NOON - HOUR / 2), write=True),
        ),
        (Status(NOON - 9 * HOUR, NOON - HOUR, NOON), Start(Status(NEVER, NOON + HOUR, NOON), write=True)),
        (Status(NEVER, NOON - HOUR, NEVER), Start(Status(NEVER, NOON + HOUR, NOON), write=True)),
    ],
)
def test_what_was_stored_decides_how_a_timer_starts(stored: Status | None, start: Start) -> None:
    assert start_from(stored, HOURLY, NOON, UTC) == start


@pytest.mark.parametrize(
    ("retry", "waits"),
    [
        (RpcRetryOptions(2, "fixed_delay", delay_interval=timedelta(seconds=7)), [7, 7]),
        (
            RpcRetryOptions(
                3,
                "exponential_backoff",
                minimum_interval=timedelta(seconds=2),
                maximum_interval=timedelta(seconds=5),
            ),
            [2, 4, 5],
        ),
    ],
)
async def test_a_retry_policy_is_kept_and_told(retry: RpcRetryOptions, waits: list[float]) -> None:
    time, worker = FakeTime(NOON, NOON + 1.5 * HOUR), FakeWorker(FAILED)

    await run_timer(worker=worker, time=time, retry=retry)

    assert [seconds for seconds in time.sleeps if seconds < 60] == waits
    assert [call.retry for call in worker.calls] == list(range(len(waits) + 1))


async def test_by_hand_it_is_told_the_status_and_changes_none() -> None:
    stored = {"tick": Status(NOON, NOON + HOUR, NOON)}
    worker, statuses = FakeWorker(), FakeStatuses(dict(stored))
    clock = Clock(UTC, lambda: NOON)
    timer = Timer(timer_function(), MINUTELY, make_caller(worker), statuses, clock)

    await timer.run_by_hand()

    assert json.loads(worker.calls[0].data.content)["ScheduleStatus"]["Next"] == (NOON + HOUR).isoformat()
    assert statuses.stored == stored


async def test_a_status_outlives_the_host_in_a_file_and_a_broken_file_is_none(tmp_path: Path) -> None:
    status = Status(NOON, NOON + HOUR, NOON)

    await FileStatuses(tmp_path).write("tick", status)

    assert await FileStatuses(tmp_path).read("tick") == status
    assert await FileStatuses(tmp_path).read("other") is None
    (tmp_path / "timers" / "tick.json").write_text('{"Last": "soon"')
    assert await FileStatuses(tmp_path).read("tick") is None


async def test_a_tick_that_came_early_does_not_come_twice() -> None:
    stop, statuses = asyncio.Event(), FakeStatuses()
    # At the start, when the wait is over, and then half a second back: the clock was set.
    readings = iter([NOON, NOON + HOUR, NOON + HOUR - timedelta(seconds=0.5)])
    clock = Clock(UTC, lambda: next(readings))
    caller = make_caller(FakeWorker(during=stop.set))

    await Timer(timer_function(), HOURLY, caller, statuses, clock).run(stop)

    assert statuses.stored["tick"].next == NOON + 2 * HOUR


def test_a_status_that_the_real_host_wrote_is_read() -> None:
    text = (
        '{"Last":"0001-01-01T00:00:00","Next":"2026-11-21T13:00:00+01:00",'
        '"LastUpdated":"2026-11-21T12:00:00.1234567+00:00"}'
    )

    assert Status.read(text) == Status(NEVER, NOON, NOON.replace(microsecond=123456))
