"""Where does a reader go on? What a `$skiptoken` says: the snapshot, the options of the first page, and the place.

Anyone can write one, so it is read as strictly as a request, and opens nothing that a request could not.
"""

import base64
import json
import zlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from shared.errors import BadRequest

_CARRIED = ("filter", "select", "orderby", "format")
_LARGEST = 200_000
"""Bytes of a token's contents."""
_LONGEST = 7_000
"""Characters of a token: servers refuse an address much longer than this."""


@dataclass(frozen=True, slots=True)
class Cursor:
    table: str
    """The snapshot's."""
    place: str | int
    """Where the next page starts: a token of the table, or a number of a query's rows."""
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
        carried = {name: self.options[name] for name in _CARRIED if name in self.options}
        members = [self.table, self.place, self.left, self.size, self.count, self.now.isoformat(), carried]
        packed = zlib.compress(json.dumps(members, separators=(",", ":")).encode(), 9)
        text = base64.urlsafe_b64encode(packed).decode().rstrip("=")
        if len(text) > _LONGEST:
            raise BadRequest(
                "the answer has more than one page, and the filter is too long for their links: "
                "ask with fewer values, for fewer rows ($top), or for larger pages (Prefer: odata.maxpagesize=5000)",
                target="$filter",
            )
        return text


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
    is_sound = isinstance(table, str) and (isinstance(place, str) or _is_count(place))
    if not is_sound or not all(each is None or _is_count(each) for each in (left, count)):
        raise ValueError
    if not _is_count(size) or not 1 <= size <= most or not isinstance(options, dict):
        raise ValueError
    if not all(name in _CARRIED and isinstance(value, str) for name, value in options.items()):
        raise ValueError
    return Cursor(table, place, left, size, count, _time(now), options)


def _is_count(value: object) -> bool:
    return type(value) is int and 0 <= value < 2**53


def _time(text: str) -> datetime:
    time = datetime.fromisoformat(text)
    if time.tzinfo is None:
        raise ValueError
    return time
