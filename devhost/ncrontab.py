"""When a timer fires: NCRONTAB expressions, constant intervals, and clock changes. Pure."""

from calendar import monthrange
from dataclasses import dataclass
from datetime import date, datetime, timedelta, tzinfo
from functools import cached_property
from itertools import pairwise

from devhost.timespan import parse_timespan

MONTHS = [
    *("january", "february", "march", "april", "may", "june"),
    *("july", "august", "september", "october", "november", "december"),
]
DAYS = ["sunday", "monday", "tuesday", "wednesday", "thursday", "friday", "saturday"]
# name, lowest, highest, names of the values
FIELDS: tuple[tuple[str, int, int, list[str]], ...] = (
    ("second", 0, 59, []),
    ("minute", 0, 59, []),
    ("hour", 0, 23, []),
    ("day", 1, 31, []),
    ("month", 1, 12, MONTHS),
    ("day of week", 0, 6, DAYS),
)
# The calendar repeats itself every 400 years, and a rare date (29 February on a Monday) comes within 40.
HORIZON = 400
LONGEST = timedelta(days=1_000_000)


@dataclass(frozen=True)
class Cron:
    """Six sets of values; a moment fits if each of its parts is in its set: also day **and** day of week."""

    seconds: tuple[int, ...]
    minutes: tuple[int, ...]
    hours: tuple[int, ...]
    days: tuple[int, ...]
    months: tuple[int, ...]
    weekdays: tuple[int, ...]

    def fits_day(self, day: date) -> bool:
        return day.month in self.months and day.day in self.days and day.isoweekday() % 7 in self.weekdays

    def after(self, moment: datetime) -> datetime:
        """The first moment later than `moment` (whole seconds, no zone); ValueError if there is none."""
        start = moment.replace(microsecond=0) + timedelta(seconds=1)
        if self.fits_day(start.date()):
            time = self._time_from(start.hour, start.minute, start.second)
            if time is not None:
                return start.replace(hour=time[0], minute=time[1], second=time[2])
        day = self._day_after(start.date())
        return datetime(day.year, day.month, day.day, self.hours[0], self.minutes[0], self.seconds[0])  # noqa: DTZ001

    def _time_from(self, hour: int, minute: int, second: int) -> tuple[int, int, int] | None:
        for h in (h for h in self.hours if h >= hour):
            for m in (m for m in self.minutes if h > hour or m >= minute):
                for s in (s for s in self.seconds if (h, m) > (hour, minute) or s >= second):
                    return h, m, s
        return None

    def _day_after(self, day: date) -> date:
        last = min(day.year + HORIZON, date.max.year)
        for year in range(day.year, last + 1):
            for month in self.months:
                for number in self.days:
                    if (year, month, number) <= (day.year, day.month, day.day) or not exists(year, month, number):
                        continue
                    if self.fits_day(date(year, month, number)):
                        return date(year, month, number)
        raise ValueError("the schedule never comes: no date fits its day, month and day of week")

    @cached_property
    def is_interval(self) -> bool:
        """Whether it repeats within a clock change: two neighbours in seconds, minutes or hours."""
        return any(b - a == 1 for field in (self.seconds, self.minutes, self.hours) for a, b in pairwise(field))

    @cached_property
    def is_within_minutes(self) -> bool:
        """Whether it always fires more than once a minute: then no status is kept."""
        rest = (self.minutes, self.hours, self.days, self.months, self.weekdays)
        whole = all(len(field) == high - low + 1 for field, (_, low, high, _) in zip(rest, FIELDS[1:], strict=True))
        return whole and len(self.seconds) > 1

    def next(self, now: datetime, zone: tzinfo) -> datetime:
        return next_in_zone(self, now, zone)


@dataclass(frozen=True)
class Every:
    """A constant interval, counted from the last call."""

    interval: timedelta

    @property
    def is_within_minutes(self) -> bool:
        return self.interval < timedelta(minutes=1)

    def next(self, now: datetime, zone: tzinfo) -> datetime:
        return (now + self.interval).astimezone(zone)


Schedule = Cron | Every


def parse_schedule(expression: str) -> Schedule:
    """ValueError says which field is wrong."""
    words = expression.split()
    if len(words) in (5, 6):
        return parse_cron(words)
    try:
        interval = parse_timespan(expression.strip())
    except ValueError:
        raise ValueError(
            f"'{expression}' is neither an NCRONTAB expression of 6 (or 5) fields nor a time span"
        ) from None
    if not timedelta(0) < interval <= LONGEST:
        raise ValueError(f"'{expression}' is no time that a timer can wait")
    return Every(interval)


def parse_cron(words: list[str]) -> Cron:
    if len(words) == 5:
        words = ["0", *words]
    cron = Cron(*(parse_field(word, *field) for word, field in zip(words, FIELDS, strict=True)))
    cron.after(datetime(2000, 1, 1))  # noqa: DTZ001 - refuses 30 February at start, not at the first wait
    return cron


def parse_field(text: str, name: str, low: int, high: int, names: list[str]) -> tuple[int, ...]:
    values: set[int] = set()
    for item in text.split(","):
        try:
            values.update(parse_item(item, low, high, names))
        except ValueError as error:
            raise ValueError(f"{name} '{text}': {error}") from None
    return tuple(sorted(values))


def parse_item(item: str, low: int, high: int, names: list[str]) -> range:
    base, slash, step_text = item.partition("/")
    step = max(1, whole(step_text)) if slash else 1
    if base == "*":
        return range(low, high + 1, step)
    first_text, dash, last_text = base.partition("-")
    first = parse_value(first_text, low, high, names)
    if dash:
        first, last = sorted((first, parse_value(last_text, low, high, names)))
        return range(first, last + 1, step)
    return range(first, high + 1, step) if slash else range(first, first + 1)


def parse_value(text: str, low: int, high: int, names: list[str]) -> int:
    """A number, or the first name that begins with `text`."""
    if text and not text[0].isdigit():
        for index, each in enumerate(names):
            if each.startswith(text.lower()):
                return index + low
    value = whole(text)
    if not low <= value <= high:
        raise ValueError(f"{value} is not between {low} and {high}")
    return value


def whole(text: str) -> int:
    if not (text.isascii() and text.isdigit()):
        raise ValueError(f"'{text}' is not a value")
    return int(text)


def exists(year: int, month: int, day: int) -> bool:
    return day <= monthrange(year, month)[1]


def next_in_zone(cron: Cron, now: datetime, zone: tzinfo) -> datetime:
    """In the hour that a clock repeats, an interval goes on through it and a point in time fires once.

    The real host's rules (CronSchedule), which know no other clock change than summer time.
    """
    local = now.astimezone(zone)
    naive = cron.after(local.replace(tzinfo=None))
    # As .NET reads a local time: an ambiguous one by the later offset, one that the clock skips moved on.
    found = in_zone(naive, zone)
    if not (is_ambiguous(local) or is_ambiguous(found)):
        return found
    same_offset = found.utcoffset() == local.utcoffset()
    if not cron.is_interval and is_ambiguous(found) and same_offset:
        while is_ambiguous(in_zone(naive, zone)):
            naive = cron.after(naive)
        return in_zone(naive, zone)
    if not same_offset and (cron.is_interval or is_ambiguous(found)):
        return shift(found, offset_of(found) - offset_of(local), zone)
    return found


def in_zone(naive: datetime, zone: tzinfo) -> datetime:
    early, late = naive.replace(tzinfo=zone, fold=0), naive.replace(tzinfo=zone, fold=1)
    skipped = offset_of(early) < offset_of(late)
    return shift(early if skipped else late, timedelta(0), zone)


def is_ambiguous(moment: datetime) -> bool:
    return offset_of(moment.replace(fold=0)) > offset_of(moment.replace(fold=1))


def offset_of(moment: datetime) -> timedelta:
    return moment.utcoffset() or timedelta(0)


def shift(moment: datetime, by: timedelta, zone: tzinfo) -> datetime:
    """Along real time, not along the clock."""
    utc = (moment - offset_of(moment)).replace(tzinfo=None)
    return zone.fromutc((utc + by).replace(tzinfo=zone))
