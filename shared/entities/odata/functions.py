"""Which functions does a filter have, and of what?"""

from dataclasses import dataclass

from shared.entities.odata.filters import NUMBERS, Kind


@dataclass(frozen=True, slots=True)
class Function:
    takes: tuple[tuple[Kind, ...], ...]
    """For each argument the kinds that it may be."""
    gives: Kind | None
    """None for the kind of the first argument."""
    constants: tuple[int, ...] = ()
    """Arguments that are the same for every row: Arrow computes with no others there."""
    optional: int = 0
    """Arguments at the end that may be left out."""


_TEXT = (Kind.TEXT,)
_TIME = (Kind.TIME,)
_WHOLE = (Kind.INTEGER,)

FUNCTIONS = {
    "contains": Function((_TEXT, _TEXT), Kind.BOOLEAN, (1,)),
    "startswith": Function((_TEXT, _TEXT), Kind.BOOLEAN, (1,)),
    "endswith": Function((_TEXT, _TEXT), Kind.BOOLEAN, (1,)),
    "indexof": Function((_TEXT, _TEXT), Kind.INTEGER, (1,)),
    "substring": Function((_TEXT, _WHOLE, _WHOLE), Kind.TEXT, (1, 2), optional=1),
    "length": Function((_TEXT,), Kind.INTEGER),
    "tolower": Function((_TEXT,), Kind.TEXT),
    "toupper": Function((_TEXT,), Kind.TEXT),
    "trim": Function((_TEXT,), Kind.TEXT),
    "concat": Function((_TEXT, _TEXT), Kind.TEXT),
    **{part: Function((_TIME,), Kind.INTEGER) for part in ("year", "month", "day", "hour", "minute", "second")},
    "date": Function((_TIME,), Kind.TIME),
    "now": Function((), Kind.TIME),
    **{name: Function((NUMBERS,), None) for name in ("round", "floor", "ceiling")},
}

ABSENT = (
    *("cast", "isof", "time", "fractionalseconds", "totaloffsetminutes", "totalseconds", "mindatetime", "maxdatetime"),
    *("matchespattern", "hassubset", "hassubsequence", "case", "ismemberofsegment"),
    *("geo.distance", "geo.length", "geo.intersects"),
)
"""OData has them, or Customer Insights does."""
