"""Which query options were given? Names in any case, those that are served with and without `$`. Any other is refused with
a `$`; without one it is a custom option, and left out.

Source: OData 4.0 part 2, 5.1 and 5.2: only system options begin with `$`, and a service ignores custom ones.
"""

import re
from collections.abc import Iterable, Iterator, Mapping
from urllib.parse import unquote_plus

from shared.errors import BadRequest, NotSupported

_SERVED = ("filter", "select", "orderby", "top", "skip", "count", "skiptoken", "format")
_ABSENT = ("expand", "search", "apply", "compute", "id", "levels", "index", "deltatoken", "schemaversion", "root")
LONGEST_FILTER = 8_192
"""Characters of a query option in an address."""
_INTEGER = re.compile(r"[0-9]{1,15}")


def in_query(query: str) -> Iterator[tuple[str, str]]:
    """The `=` may be encoded too: an option that nobody recognises would be left out, and its filter with it."""
    for option in query.split("&"):
        name, _, value = unquote_plus(option).partition("=")
        if name:
            yield name, value


def in_path(text: str) -> Iterator[tuple[str, str]]:
    """Already decoded, so `&` inside a text in quotes separates nothing."""
    for option in re.findall(r"(?:[^&']|'(?:[^']|'')*+'|')++", text):
        name, _, value = option.partition("=")
        yield name, value


def read_options(pairs: Iterable[tuple[str, str]]) -> dict[str, str]:
    """By name without `$`, in lower case. Raises BadRequest, NotSupported."""
    options: dict[str, str] = {}
    for spelled, value in pairs:
        name = spelled.strip().lower().removeprefix("$")
        if name not in _SERVED:
            if spelled.strip().startswith("$"):
                raise _refused(name, spelled.strip()[:50])
            continue
        if name in options:
            raise BadRequest(f"${name} is given more than once", target=f"${name}")
        options[name] = value.strip()
    return options


def _refused(name: str, spelled: str) -> Exception:
    if name in _ABSENT:
        return NotSupported(f"${name} is not supported here", target=f"${name}")
    return BadRequest(f"there is no query option {spelled!r} in OData 4.0", target=spelled)


def integer(options: Mapping[str, str], name: str) -> int | None:
    """Raises BadRequest."""
    text = options.get(name)
    if text is not None and not _INTEGER.fullmatch(text):
        raise BadRequest(f"${name} is not a whole number from 0 on", target=f"${name}")
    return None if text is None else int(text)


def boolean(options: Mapping[str, str], name: str) -> bool:
    """Raises BadRequest."""
    text = options.get(name, "false").lower()
    if text not in ("true", "false"):
        raise BadRequest(f"${name} is true or false, not {text[:20]!r}", target=f"${name}")
    return text == "true"
