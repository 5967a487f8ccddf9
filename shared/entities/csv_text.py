"""How does a value look in a CSV of ours? The rules that rows in memory and Arrow columns are both written by."""

from math import isfinite

FORMULA = r"^[=+\-@\t\r]"
"""A text that a spreadsheet would take for a formula: it gets `'` in front."""
QUOTED = r"^$|[\",\r\n]|^[ \t]|[ \t]$"
"""A text that stands in quotes; an empty one too, for an empty field is no value. Read by Python's `re` and by RE2, which
differ in `$`, but only before a line feed."""


def number(value: float) -> str:
    return repr(value) if isfinite(value) else not_finite(value)


def not_finite(value: float) -> str:
    return "NaN" if value != value else "INF" if value > 0 else "-INF"
