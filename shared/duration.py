"""How long? XSD dayTimeDuration, strictly: `P[nD][T[nH][nM][n[.n]S]]`.

Source: XML Schema 1.1 part 2, 3.4.27; the subset that Azure AI Search takes has no sign here, for no
parameter of ours can be negative.
"""

import re

_DURATION = re.compile(
    r"P(?=.)(?:(?P<days>[0-9]+)D)?"
    r"(?:T(?=.)(?:(?P<hours>[0-9]+)H)?(?:(?P<minutes>[0-9]+)M)?(?:(?P<seconds>[0-9]+(?:\.[0-9]+)?)S)?)?"
)
_UNITS = {"days": 86400, "hours": 3600, "minutes": 60, "seconds": 1}
_LONGEST = 64


def parse_duration(text: str) -> float:
    """Seconds in `text`. Raises ValueError, with the reason, for anything that is no dayTimeDuration."""
    match = _DURATION.fullmatch(text) if len(text) <= _LONGEST else None
    if match is None:
        raise ValueError(f"{text[:_LONGEST]!r} is not an XSD dayTimeDuration such as PT30S, PT1M30S or P1DT2H")
    return sum(float(match[unit] or 0) * seconds for unit, seconds in _UNITS.items())


def format_duration(seconds: float) -> str:
    """`seconds` (not negative, rounded to milliseconds) in its shortest form: 90 is `PT1M30S`, 0 is `PT0S`."""
    milliseconds = round(seconds * 1000)
    days, rest = divmod(milliseconds, 86_400_000)
    hours, rest = divmod(rest, 3_600_000)
    minutes, rest = divmod(rest, 60_000)
    whole, fraction = divmod(rest, 1000)
    second_text = f"{whole}.{fraction:03d}".rstrip("0") if fraction else str(whole)
    time = f"{f'{hours}H' if hours else ''}{f'{minutes}M' if minutes else ''}"
    time += f"{second_text}S" if rest else ""
    day = f"{days}D" if days else ""
    return f"P{day}{f'T{time}' if time else ''}" if day or time else "PT0S"
