"""What does an import change? The members of a definition that differ, by their places."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

_ABSENT: Any = object()


@dataclass(frozen=True, slots=True)
class Change:
    """A member that differs; `old` or `new` is absent where it is not there."""

    path: str
    old: Any = _ABSENT
    new: Any = _ABSENT

    def render(self) -> dict[str, Any]:
        values = {"old": self.old, "new": self.new}
        return {"path": self.path, **{name: value for name, value in values.items() if value is not _ABSENT}}


def changes(old: Mapping[str, Any], new: Mapping[str, Any]) -> tuple[Change, ...]:
    """Member by member, as deep as both have objects, or arrays of one length; in the order of names."""
    return tuple(_members(old, new, ""))


def _members(old: Mapping[str, Any], new: Mapping[str, Any], place: str) -> Iterator[Change]:
    for name in sorted({*old, *new}):
        yield from _value(old.get(name, _ABSENT), new.get(name, _ABSENT), f"{place}.{name}" if place else name)


def _value(old: Any, new: Any, place: str) -> Iterator[Change]:
    if isinstance(old, dict) and isinstance(new, dict):
        yield from _members(old, new, place)
    elif isinstance(old, list) and isinstance(new, list) and len(old) == len(new):
        for index, (one, other) in enumerate(zip(old, new, strict=True)):
            yield from _value(one, other, f"{place}[{index}]")
    elif type(old) is not type(new) or old != new:
        yield Change(place, old, new)
