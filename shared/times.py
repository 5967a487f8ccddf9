"""A moment as all of the app writes it: RFC 3339, in UTC, ending in `Z`."""

from datetime import datetime


def rfc3339(moment: datetime, timespec: str = "auto") -> str:
    """`moment` in UTC; `timespec` as `datetime.isoformat` takes it: unless told, microseconds where there are any."""
    return moment.isoformat(timespec=timespec).replace("+00:00", "Z")
