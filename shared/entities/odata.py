"""What does a data request ask for? OData 4.0 URLs, as far as they are served: an entity, one row by key, `/$count`,
`$top`, `$filter=CustomerId eq '…'` and `$skiptoken`.

Also the form in which Customer Insights documents its address, `{entity}%3Ffilter%3DCustomerId%20eq%20'…'`: the query
has become part of the path there, and options have no `$`.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from urllib.parse import unquote, unquote_plus

from shared.errors import BadRequest, NotSupported

_LONGEST = 8_000
"""Characters of path and query."""
_SERVED = ("filter", "top", "skiptoken", "format", "count")
_KNOWN = (
    *_SERVED,
    "select",
    "orderby",
    "skip",
    "expand",
    "search",
    "apply",
    "compute",
    "levels",
    "index",
    "deltatoken",
)
_OPERATORS = ("ne", "gt", "ge", "lt", "le", "in", "has", "and", "or", "add", "sub", "mul", "div", "mod")
_QUERY_IN_PATH = re.compile(r"\?|%3[Ff]")
_RESOURCE = re.compile(r"(?P<entity>[A-Za-z][A-Za-z0-9_]{0,62})(?P<key>\(.*\))?(?P<rest>/.*)?", re.DOTALL)
_TEXT = r"'((?:[^']|'')*+)'"
_NAMED_KEY = re.compile(rf"\s*([^\W\d]\w*)\s*=\s*{_TEXT}\s*(?:,(?!\s*$)|$)")
_ONE_KEY = re.compile(rf"\s*{_TEXT}\s*")


@dataclass(frozen=True, slots=True)
class Comparison:
    """`<property> eq '<text>'`"""

    property: str
    text: str


@dataclass(frozen=True, slots=True)
class DataRequest:
    """One request, parsed."""

    entity: str
    key: Mapping[str, str] | None = None
    """By property; under the empty name where the key is given without one."""
    is_count: bool = False
    filter: Comparison | None = None
    top: int | None = None
    token: str | None = None


def parse_request(path: str, query: str = "") -> DataRequest:
    """`path`: what follows `data/`, as it came or percent-decoded. `query`: what follows `?`, as it came.

    Raises BadRequest with the position, NotSupported.
    """
    if len(path) + len(query) > _LONGEST:
        raise BadRequest(f"path and query have more than {_LONGEST} characters")
    place, inner = _split(path)
    options = _options([*_options_in_path(inner), *_options_in_query(query)])
    entity, key, rest = _resource(place)
    _check_options(options)
    return DataRequest(
        entity=entity,
        key=key,
        is_count=_is_count(rest),
        filter=parse_filter(options["filter"]) if "filter" in options else None,
        top=_top(options["top"]) if "top" in options else None,
        token=options.get("skiptoken"),
    )


def check_version(most: str | None) -> None:
    """`most`: the header `OData-MaxVersion`. Raises BadRequest for a reader that takes less than 4.0."""
    if most is not None and not re.fullmatch(r"\s*(?:[4-9]|[1-9][0-9]+)(?:\.[0-9]+)?\s*", most):
        raise BadRequest("OData-MaxVersion: answers are OData 4.0; ask for 4.0 or more", target="OData-MaxVersion")


def _split(path: str) -> tuple[str, str]:
    """The resource, and a query that came as part of the path; decoded."""
    found = _QUERY_IN_PATH.search(path)
    if found is None:
        return _decoded(path), ""
    is_raw = found[0] != "?" or " " not in path
    place, inner = path[: found.start()], path[found.end() :]
    return (unquote(place), unquote(inner)) if is_raw else (place, inner)


def _decoded(path: str) -> str:
    """Once. An address has no spaces: what has one is decoded already."""
    return path if " " in path else unquote(path)


def _options_in_path(text: str) -> Iterator[tuple[str, str]]:
    """Already decoded, so `&` inside a text in quotes separates nothing."""
    for option in re.findall(r"(?:[^&']|'(?:[^']|'')*+'|')++", text):
        name, _, value = option.partition("=")
        yield name, value


def _options_in_query(query: str) -> Iterator[tuple[str, str]]:
    """The `=` may be encoded too: an option that nobody recognises would be left out, and its filter with it."""
    for option in query.split("&"):
        name, _, value = unquote_plus(option).partition("=")
        if name:
            yield name, value


def _options(pairs: list[tuple[str, str]]) -> dict[str, str]:
    """By name without `$`, in lower case; what is neither ours nor begins with `$` is left out, as OData asks."""
    options: dict[str, str] = {}
    for spelled, value in pairs:
        name = spelled.strip().lower().removeprefix("$")
        if name not in _KNOWN:
            if spelled.strip().startswith("$"):
                raise BadRequest(f"there is no query option {spelled.strip()[:50]!r} in OData 4.0", target=spelled[:50])
            continue
        if name in options:
            raise BadRequest(f"${name} is given more than once", target=f"${name}")
        options[name] = value.strip()
    return options


def _check_options(options: Mapping[str, str]) -> None:
    for name, value in options.items():
        if name not in _SERVED or (name == "format" and value != "json") or (name == "count" and value != "false"):
            raise NotSupported(f"${name}={value[:50]} is not supported here", target=f"${name}")


def _resource(place: str) -> tuple[str, Mapping[str, str] | None, str]:
    found = _RESOURCE.fullmatch(place.strip("/"))
    if found is None:
        if not place.strip("/") or place.startswith("$"):
            raise NotSupported("this resource is not supported here; ask for an entity: {entity}?$filter=…")
        raise BadRequest("the path is not {entity}, {entity}('key') or {entity}/$count", target="path")
    key = None if found["key"] is None else _key(found["key"][1:-1])
    return found["entity"], key, found["rest"] or ""


def _key(text: str) -> Mapping[str, str]:
    if (only := _ONE_KEY.fullmatch(text)) is not None:
        return {"": _unquoted(only[1])}
    key: dict[str, str] = {}
    at = 0
    while (found := _NAMED_KEY.match(text, at)) is not None:
        key[found[1]] = _unquoted(found[2])
        at = found.end()
        if at == len(text):
            return key
    raise BadRequest(
        f"the key cannot be read at position {at}: write ('…') or (CustomerId='…',other='…'), quotes in it doubled",
        target="key",
    )


def _is_count(rest: str) -> bool:
    if rest not in ("", "/$count"):
        raise NotSupported(f"the path segment {rest[:50]!r} is not supported here")
    return bool(rest)


def _top(text: str) -> int:
    if not re.fullmatch(r"[0-9]{1,9}", text):
        raise BadRequest("$top is not a whole number from 0 on", target="$top")
    return int(text)


def parse_filter(text: str) -> Comparison:
    """Raises BadRequest with the position, NotSupported."""
    name = _expect(r"\s*([^\W\d]\w*)", text, 0, "a property's name")
    operator = _expect(r"\s+([A-Za-z]+)\b", text, name.end(), "eq")
    if operator[1] != "eq":
        if operator[1] in _OPERATORS:
            raise _unsupported(f"the operator {operator[1]}")
        raise _malformed(operator.start(1), "eq")
    value = _expect(rf"\s+{_TEXT}", text, operator.end(), "a text in single quotes, quotes in it doubled")
    rest = text[value.end() :]
    if (word := re.match(r"\s+(\w+)", rest)) and word[1] in _OPERATORS:
        raise _unsupported(f"the operator {word[1]}")
    if rest.strip():
        raise _malformed(value.end(), "the end")
    return Comparison(name[1], _unquoted(value[1]))


def _expect(pattern: str, text: str, at: int, what: str) -> re.Match[str]:
    found = re.compile(pattern).match(text, at)
    if found is None:
        raise _malformed(len(text) - len(text[at:].lstrip()), what)
    return found


def _malformed(at: int, expected: str) -> BadRequest:
    return BadRequest(f"$filter cannot be read at position {at}: expected {expected}", target="$filter")


def _unsupported(what: str) -> NotSupported:
    return NotSupported(f"$filter: {what} is not supported here; use CustomerId eq '…'", target="$filter")


def _unquoted(text: str) -> str:
    return text.replace("''", "'")
