"""Where does a reader go on? What a `$skiptoken` says: the snapshot, the options of the first page, and the place.

Anyone can write one, so it is read as strictly as a request, and opens nothing that a request could not.
"""

import base64
import json
import re
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from shared.entities.ordering import Mark
from shared.entities.schema import Schema
from shared.entities.values import EdmType, integer_type, widest
from shared.errors import BadRequest

_CARRIED = ("filter", "select", "orderby", "format")
_SURROGATE = re.compile("[\ud800-\udfff]")
_PYTHON = {EdmType.BOOLEAN: bool, EdmType.DOUBLE: float, EdmType.DATE_TIME_OFFSET: datetime}
_LARGEST = 200_000
"""Bytes of a token's contents."""
_LONGEST = 7_000
"""Characters of a token: servers refuse an address much longer than this."""


@dataclass(frozen=True, slots=True)
class Cursor:
    table: str
    """The snapshot's."""
    place: str | int | Mark
    """Where the next page starts: a token of the table, a number of a query's rows, or behind a row of an order."""
    left: int | None
    """Rows that `$top` still allows."""
    size: int
    """Rows of a page."""
    count: int | None
    """What `$count=true` found."""
    now: datetime
    """When the first page was asked for: what `now()` is in every page."""
    options: Mapping[str, str] = field(default_factory=dict)

    def text(self) -> str:
        """Raises BadRequest for options that no link can carry."""
        text = self._with(_written(self.place))
        if text is None and isinstance(self.place, Mark):  # its number takes longer to find, and less room
            text = self._with(self.place.passed)
        if text is None:
            raise BadRequest(
                "the answer has more than one page, and the filter is too long for their links: "
                "ask with fewer values, for fewer rows ($top), or for larger pages (Prefer: odata.maxpagesize=5000)",
                target="$filter",
            )
        return text

    def _with(self, place: object) -> str | None:
        """None if it is too long."""
        carried = {name: self.options[name] for name in _CARRIED if name in self.options}
        members = [self.table, place, self.left, self.size, self.count, self.now.isoformat(), carried]
        written = json.dumps(members, separators=(",", ":")).encode()
        text = base64.urlsafe_b64encode(zlib.compress(written, 9)).decode().rstrip("=")
        return text if len(written) <= _LARGEST and len(text) <= _LONGEST else None


def _written(place: str | int | Mark) -> object:
    """A time stands in a list of its own, to be told from a text."""
    if not isinstance(place, Mark):
        return place
    values = [[value.isoformat()] if isinstance(value, datetime) else value for value in place.values]
    return [values, place.position, place.passed]


def read_cursor(text: str, most: int) -> Cursor:
    """`most`: rows of a page. Raises BadRequest."""
    try:
        packed = base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
        members = json.loads(zlib.decompressobj().decompress(packed, _LARGEST))
        return _checked(members, most)
    except (ValueError, TypeError, zlib.error, RecursionError):
        raise BadRequest("$skiptoken is not one that this service gave out", target="$skiptoken") from None


def _checked(members: Any, most: int) -> Cursor:
    table, place, left, size, count, now, options = members
    if isinstance(place, list):
        place = _mark(*place)
    is_sound = isinstance(table, str) and (isinstance(place, str | Mark) or _is_count(place))
    if not is_sound or not all(each is None or _is_count(each) for each in (left, count)):
        raise ValueError
    if not _is_count(size) or not 1 <= size <= most or not isinstance(options, dict):
        raise ValueError
    if not all(name in _CARRIED and isinstance(value, str) for name, value in options.items()):
        raise ValueError
    return Cursor(table, place, left, size, count, _time(now), options)


def _mark(values: Any, position: Any, passed: Any) -> Mark:
    if not isinstance(values, list) or not _is_count(position) or not _is_count(passed):
        raise ValueError
    return Mark(tuple(_time(*value) if isinstance(value, list) else value for value in values), position, passed)


def check_place(place: str | int | Mark | None, orderby: Sequence[tuple[str, bool]], schema: Schema) -> None:
    """A mark holds a value of each of the order's properties. Raises BadRequest."""
    if isinstance(place, Mark) and not _is_of(place, [schema.properties[name] for name, _ in orderby]):
        raise BadRequest("$skiptoken is not one that this service gave out", target="$skiptoken")


def _is_of(mark: Mark, kinds: Sequence[EdmType]) -> bool:
    return len(mark.values) == len(kinds) > 0 and all(map(_fits, mark.values, kinds))


def _fits(value: object, kind: EdmType) -> bool:
    if value is None:
        return True
    if kind in (EdmType.INT32, EdmType.INT64):
        return type(value) is int and widest(integer_type(value), kind) is kind
    is_text = isinstance(value, str) and not _SURROGATE.search(value)
    return is_text if kind is EdmType.STRING else type(value) is _PYTHON[kind]


def _is_count(value: object) -> bool:
    return type(value) is int and 0 <= value < 2**53


def _time(text: str) -> datetime:
    time = datetime.fromisoformat(text)
    if time.tzinfo is None:
        raise ValueError
    return time
