"""Timer triggers: when each fires next, whether it missed a turn, and that it never overlaps itself."""

import asyncio
import json
import logging
from collections.abc import Callable, Coroutine, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta, tzinfo
from typing import Any

from devhost.calls import BY_HOST, Caller
from devhost.functions import Function, TimerTrigger
from devhost.ncrontab import Schedule
from devhost.protos import RpcRetryOptions, TypedData
from devhost.statuses import NEVER, Status, Statuses
from devhost.waiting import first_of

log = logging.getLogger("Host.Triggers.Timer")

LONGEST_WAIT = timedelta(minutes=1)  # so that a laptop that slept finds its timers soon after
RETRY_FOREVER = -1


@dataclass(frozen=True)
class Clock:
    zone: tzinfo
    now: Callable[[], datetime]
    sleep: Callable[[float], Coroutine[Any, Any, None]] = asyncio.sleep


@dataclass(frozen=True)
class Start:
    """How a timer stands when the host starts; `write` says that the store should know."""

    status: Status
    past_due: bool = False
    write: bool = False


class Timer:
    def __init__(
        self,
        function: Function,
        schedule: Schedule,
        caller: Caller,
        statuses: Statuses,
        clock: Clock,
    ) -> None:
        if not isinstance(function.trigger, TimerTrigger):
            raise TypeError(f"{function.name} is no timer")
        self._function = function
        self._schedule = schedule
        self._caller = caller
        self._clock = clock
        self._run_on_startup = function.trigger.run_on_startup
        # Persisting each turn of a timer that fires more than once a minute would cost more than it saves.
        monitored = function.trigger.use_monitor and not schedule.is_within_minutes
        self._statuses = statuses if monitored else None

    async def run(self, stop: asyncio.Event) -> None:
        """Until `stop`, a call in flight included; a function that fails never stops its schedule."""
        status = await self._start()
        while await self._wait_until(status.next, stop):
            status = await self._turn(status)

    async def run_by_hand(self) -> None:
        await self._call(await self._stored(), past_due=False, reason=BY_HOST, details={})

    async def _start(self) -> Status:
        now = self._now()
        start = start_from(await self._stored(), self._schedule, now, self._clock.zone)
        if start.write:
            await self._store(start.status)
        log.info("The next occurrence of '%s' is %s", self._function.name, start.status.next.isoformat())
        if start.past_due:
            details = {
                "UnscheduledInvocationReason": "IsPastDue",
                "OriginalSchedule": start.status.next.isoformat(),
            }
            return await self._turn(start.status, past_due=True, details=details)
        if self._run_on_startup:
            return await self._turn(start.status, details={"UnscheduledInvocationReason": "RunOnStartup"})
        return start.status

    async def _turn(
        self, status: Status, *, past_due: bool = False, details: Mapping[str, str] | None = None
    ) -> Status:
        fired = self._now()
        reason = f"Timer fired at {fired.isoformat()}"
        await self._call(status if self._statuses else None, past_due, reason, details or {})
        # A tick that came early must not name its own moment as the next one.
        moment = fired if details else max(fired, status.next)
        following = Status(moment, self._schedule.next(moment, self._clock.zone), moment)
        await self._store(following)
        return following

    async def _stored(self) -> Status | None:
        try:
            return await self._statuses.read(self._function.name) if self._statuses else None
        except Exception as error:  # noqa: BLE001 - a timer starts anew rather than not at all
            log.error("The status of '%s' cannot be read: %s", self._function.name, error)
            return None

    async def _store(self, status: Status) -> None:
        try:
            if self._statuses:
                await self._statuses.write(self._function.name, status)
        except Exception as error:  # noqa: BLE001 - storage that is away must not end the schedule
            log.error("The status of '%s' is not stored: %s", self._function.name, error)

    async def _call(self, status: Status | None, past_due: bool, reason: str, details: Mapping[str, str]) -> None:
        data = timer_info(status, past_due)
        attempt = 0
        while True:
            outcome = await self._caller.call(self._function, data, reason, details=details, retry=attempt)
            policy = self._function.retry
            if outcome.failure is None or policy is None or is_last(policy, attempt):
                return
            await self._clock.sleep(retry_delay(policy, attempt).total_seconds())
            attempt += 1

    def _now(self) -> datetime:
        return self._clock.now().astimezone(self._clock.zone)

    async def _wait_until(self, moment: datetime, stop: asyncio.Event) -> bool:
        """False if stopped before."""
        while not stop.is_set() and (rest := moment - self._clock.now()) > timedelta(0):
            await first_of(self._clock.sleep(min(rest, LONGEST_WAIT).total_seconds()), stop.wait())
        return not stop.is_set()


def start_from(stored: Status | None, schedule: Schedule, now: datetime, zone: tzinfo) -> Start:
    """A missed turn is one call at once, past due; a schedule that changed since begins anew."""
    if stored is None:
        return Start(Status(NEVER, schedule.next(now, zone), now), write=True)
    basis = stored.last if stored.last != NEVER else stored.updated if stored.updated != NEVER else now
    expected = schedule.next(basis, zone)
    if stored.next != expected:
        if now > expected:
            expected, basis = schedule.next(now, zone), now
        return Start(Status(NEVER, expected, basis), write=True)
    return Start(stored, past_due=now > stored.next)


def timer_info(status: Status | None, past_due: bool) -> TypedData:
    return TypedData(
        json=json.dumps(
            {
                "Schedule": {"AdjustForDST": True},
                "ScheduleStatus": status.to_json() if status else None,
                "IsPastDue": past_due,
            }
        )
    )


def is_last(policy: RpcRetryOptions, attempt: int) -> bool:
    return policy.max_retry_count != RETRY_FOREVER and attempt >= policy.max_retry_count


def retry_delay(policy: RpcRetryOptions, attempt: int) -> timedelta:
    if policy.delay_interval is not None:
        return policy.delay_interval
    shortest, longest = policy.minimum_interval or timedelta(0), policy.maximum_interval or timedelta.max
    return min(longest, shortest * 2 ** min(attempt, 30)) if shortest < longest else longest
