"""How .NET writes a duration in host.json and schedules: `[d.]hh:mm[:ss[.fff]]`, or whole days."""

import re
from datetime import timedelta

DAYS = re.compile(r"[0-9]{1,7}")
CLOCK = re.compile(r"(?:([0-9]{1,7})\.)?([0-9]{1,2}):([0-9]{1,2})(?::([0-9]{1,2})(\.[0-9]{1,7})?)?")


def parse_timespan(text: str) -> timedelta:
    if DAYS.fullmatch(text):
        return timedelta(days=int(text))
    match = CLOCK.fullmatch(text)
    if match is None:
        raise ValueError(f"'{text}' is not a time span (hh:mm:ss)")
    days, hours, minutes, seconds, fraction = match.groups()
    if int(hours) > 23 or int(minutes) > 59 or int(seconds or 0) > 59:
        raise ValueError(f"'{text}' is not a time span: hours end at 23, minutes and seconds at 59")
    return timedelta(
        days=int(days or 0),
        hours=int(hours),
        minutes=int(minutes),
        seconds=int(seconds or 0) + float(fraction or 0),
    )
