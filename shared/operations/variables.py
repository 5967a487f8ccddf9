"""What of a configuration differs between environments: `${NAME}` in its texts, resolved when it is imported.

`$${` stands for `${` itself. A text that is nothing but `${NAME}` becomes the variable's value as it is, which may be a number
or a boolean as well; within a text, a value becomes part of it. Values are not resolved again.
"""

import re
from collections import defaultdict
from collections.abc import Mapping
from typing import Any

from shared.documents import MOST_FAULTS
from shared.errors import MOST_NAMED, ErrorDetail, InvalidConfiguration
from shared.wire import json_bytes

type Scalar = str | bool | int | float
type Variables = Mapping[str, Scalar]

SETTING_PREFIX = "CONFIG_"
"""Of the app settings that are variables too."""
_NAME = "[A-Za-z_][A-Za-z0-9_]{0,99}"
NAME = re.compile(_NAME)
_MARK = re.compile(rf"\$\$\{{|\$\{{({_NAME})\}}|\$\{{")


def escape(text: str) -> str:
    """A text that resolves to `text`, whatever the variables are."""
    return text.replace("${", "$${")


def escaped(value: Any) -> Any:
    """A JSON value with all its texts escaped; the names of members stay."""
    if isinstance(value, str):
        return escape(value)
    if isinstance(value, list):
        return [escaped(item) for item in value]
    if isinstance(value, dict):
        return {name: escaped(item) for name, item in value.items()}
    return value


def resolve(value: Any, variables: Variables) -> Any:
    """A JSON value with its variables resolved. Raises InvalidConfiguration: all that have no value, with their places."""
    resolution = _Resolution(variables)
    resolved = resolution.of(value, "")
    resolution.check()
    return resolved


class _Resolution:
    """One pass over a document."""

    def __init__(self, variables: Variables) -> None:
        self._variables = variables
        self._missing: dict[str, list[str]] = defaultdict(list)
        self._unread: list[str] = []
        """Places of a `${` that begins no variable."""

    def of(self, value: Any, place: str) -> Any:
        if isinstance(value, str):
            return self._text(value, place)
        if isinstance(value, list):
            return [self.of(item, f"{place}[{index}]") for index, item in enumerate(value)]
        if isinstance(value, dict):
            return {name: self.of(item, _member(place, name)) for name, item in value.items()}
        return value

    def _text(self, text: str, place: str) -> Scalar:
        if "${" not in text:
            return text
        whole = _MARK.fullmatch(text)
        if whole is not None and whole[1] in self._variables:
            return self._variables[whole[1]]
        return _MARK.sub(lambda mark: self._mark(mark, place), text)

    def _mark(self, mark: re.Match[str], place: str) -> str:
        if mark[0] == "$${":
            return "${"
        if mark[1] is None:
            self._unread.append(place)
        elif mark[1] not in self._variables:
            self._missing[mark[1]].append(place)
        else:
            value = self._variables[mark[1]]
            return value if isinstance(value, str) else json_bytes(value).decode()
        return mark[0]

    def check(self) -> None:
        """Raises InvalidConfiguration."""
        faults = [
            *(_missing(name, places) for name, places in sorted(self._missing.items())),
            *(_unread(place) for place in self._unread[:MOST_FAULTS]),
        ]
        if not faults:
            return
        names = ", ".join(sorted(self._missing)[:MOST_NAMED])
        what = f"variables without a value: {names}" if names else faults[0].message
        raise InvalidConfiguration(
            f"{what}; give them in `variables`, or as app settings {SETTING_PREFIX}<NAME>" if names else what,
            target=faults[0].target,
            details=faults,
        )


def _member(place: str, name: str) -> str:
    return f"{place}.{name[:100]}" if place else name[:100]


def _missing(name: str, places: list[str]) -> ErrorDetail:
    more = f" and {len(places) - MOST_NAMED} more" if len(places) > MOST_NAMED else ""
    where = ", ".join(dict.fromkeys(places[:MOST_NAMED]))
    return ErrorDetail("UnknownVariable", f"${{{name}}} has no value; it stands at {where}{more}", places[0])


def _unread(place: str) -> ErrorDetail:
    message = f"{place}: ${{ begins no variable, which is ${{NAME}}; write $${{ where ${{ itself is meant"
    return ErrorDetail("InvalidVariable", message, place)
