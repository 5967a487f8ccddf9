"""When is a workflow due? Five-field cron in an IANA zone, and a ledger that gives each slot one outcome.

A slot is a scheduled time. A time of day that a clock change skips comes at the change; one that it repeats comes once.
Schedules whose minute or hour starts with `*` go by elapsed time instead, as Debian's cron has it: every 15 minutes
stays every 15 minutes. After downtime only the latest missed one runs, late; the others are superseded, and the
ledger says so.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from itertools import islice
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from shared.errors import BadRequest

LOOK_BACK = timedelta(days=35)
"""How far a slot that was missed may lie back."""
_LOOK_AHEAD = timedelta(days=366 * 5)
NEXT_TIMES = 5
_LONGEST_CRON = 100
_ANY_DAY = datetime(2000, 1, 1, tzinfo=UTC)


class SlotOutcome(StrEnum):
    RUN = "run"
    """It began a run of its own."""
    JOINED = "joined"
    """A run was active; the slot is served by it."""
    SUPERSEDED = "superseded"
    """A later slot had come before this one could run."""


@dataclass(frozen=True, slots=True)
class Schedule:
    """`cron` in `time_zone`, checked."""

    cron: str
    time_zone: str
    enabled: bool = True

    @classmethod
    def parse(cls, document: Mapping[str, Any], now: datetime) -> "Schedule":
        """Raises BadRequest: a cron or zone that cannot be read, a schedule that does not come in five years."""
        cron, zone = str(document.get("cron", "")), str(document.get("timeZone", "UTC"))
        _check_zone(zone)
        _check_cron(cron)
        schedule = cls(cron, zone, bool(document.get("enabled", True)))
        if not schedule.next_times(now, 1):
            raise _never(cron)
        return schedule

    def _after(self, moment: datetime) -> Iterator[datetime]:
        """The slots after `moment`, in UTC."""
        from cronsim import CronSim

        last = moment
        for slot in CronSim(self.cron, moment.astimezone(ZoneInfo(self.time_zone))):
            found = slot.astimezone(UTC)
            if found - moment > _LOOK_AHEAD:
                return
            # In the repeated hour cronsim begins with the first pass, which may be over.
            if found > last:
                yield found
                last = found

    def next_times(self, now: datetime, count: int = NEXT_TIMES) -> list[datetime]:
        return list(islice(self._after(now), count))

    def due(self, since: datetime, now: datetime) -> list[datetime]:
        """The slots in (`since`, `now`], oldest first; no older than 35 days."""
        found: list[datetime] = []
        for slot in self._after(max(since, now - LOOK_BACK)):
            if slot > now:
                break
            found.append(slot)
        return found


def _check_cron(cron: str) -> None:
    """CronSim itself also takes six fields, the first of them seconds."""
    from cronsim import CronSimError

    fields = cron.split()
    try:
        if len(fields) != 5 or len(cron) > _LONGEST_CRON:
            raise CronSimError("Wrong number of fields")
        _check_days(fields)
    except CronSimError as error:
        raise BadRequest(
            f"schedule.cron: {cron[:_LONGEST_CRON]!r} is not a cron expression of five fields "
            f"(minute hour day month weekday): {error}",
            target="schedule.cron",
        ) from error


def _check_days(fields: list[str]) -> None:
    """CronSim calls a 30th of February a bad day; it is a good one that never comes."""
    from cronsim import CronSim, CronSimError

    CronSim(" ".join([*fields[:3], "*", fields[4]]), _ANY_DAY)
    CronSim(" ".join([*fields[:2], "1", *fields[3:]]), _ANY_DAY)
    try:
        CronSim(" ".join(fields), _ANY_DAY)
    except CronSimError as error:
        raise _never(" ".join(fields)) from error


def _never(cron: str) -> BadRequest:
    return BadRequest(
        f"schedule.cron: {cron!r} never comes, at least not in the next five years", target="schedule.cron"
    )


def _check_zone(name: str) -> None:
    try:
        ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError) as error:
        raise BadRequest(
            f"schedule.timeZone: {name[:60]!r} is not an IANA time zone, such as Europe/Berlin or UTC",
            target="schedule.timeZone",
        ) from error
