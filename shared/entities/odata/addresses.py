"""Which resource does a path name? The service, its metadata, an entity's rows, one by its key, or their number.

Also the form in which Customer Insights documents its address, `{entity}%3Ffilter%3DCustomerId%20eq%20'…'`: the query
has become part of the path there.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import unquote

from shared.entities.odata.literals import unquoted
from shared.errors import BadRequest, NotSupported

_QUERY_IN_PATH = re.compile(r"\?|%3[Ff]")
_WITH_KEY = re.compile(r"/?[A-Za-z][A-Za-z0-9_]*\((?:[^'?]|'(?:[^']|'')*+')*?\)")
"""In a key's quotes a `?` is the key's."""
_RESOURCE = re.compile(r"(?P<entity>[A-Za-z][A-Za-z0-9_]{0,62})(?P<key>\(.*\))?(?P<rest>/.*)?", re.DOTALL)
_TEXT = r"('(?:[^']|'')*+')"
_NAMED_KEY = re.compile(rf"\s*([^\W\d]\w*)\s*=\s*{_TEXT}\s*(?:,(?!\s*$)|$)")
_ONE_KEY = re.compile(rf"\s*{_TEXT}\s*")


@dataclass(frozen=True, slots=True)
class Address:
    entity: str = ""
    """Empty for the service itself."""
    key: Mapping[str, str] | None = None
    """By property; under the empty name where the key is given without one."""
    is_count: bool = False
    is_metadata: bool = False
    is_query: bool = False
    """`/$query`: the options come in the body."""


def split(path: str) -> tuple[str, str]:
    """The resource, and a query that came as part of the path; decoded. `path`: as it came, or decoded already."""
    keyed = _WITH_KEY.match(path)
    found = _QUERY_IN_PATH.search(path, keyed.end() if keyed else 0)
    if found is None:
        return _decoded(path), ""
    is_raw = found[0] != "?" or " " not in path
    place, inner = path[: found.start()], path[found.end() :]
    return (unquote(place), unquote(inner)) if is_raw else (place, inner)


def _decoded(path: str) -> str:
    """Once. An address has no spaces: what has one is decoded already."""
    return path if " " in path else unquote(path)


def read_address(place: str) -> Address:
    """Raises BadRequest, NotSupported."""
    place = place.strip("/")
    if not place:
        return Address()
    if place == "$metadata":
        return Address(is_metadata=True)
    if place.startswith("$"):
        raise NotSupported(
            f"the resource {place[:50]!r} is not supported here; ask for an entity: {{entity}}?$filter=…"
        )
    found = _RESOURCE.fullmatch(place)
    if found is None:
        raise BadRequest("the path is not {entity}, {entity}('key') or {entity}/$count", target="path")
    rest = found["rest"] or ""
    if rest not in ("", "/$count", "/$query") or (rest and found["key"]):
        raise NotSupported(f"the path segment {rest[:50]!r} is not supported here")
    key = None if found["key"] is None else _key(found["key"][1:-1])
    return Address(found["entity"], key, is_count=rest == "/$count", is_query=rest == "/$query")


def _key(text: str) -> Mapping[str, str]:
    if (only := _ONE_KEY.fullmatch(text)) is not None:
        return {"": unquoted(only[1])}
    key: dict[str, str] = {}
    at = 0
    while (found := _NAMED_KEY.match(text, at)) is not None:
        key[found[1]] = unquoted(found[2])
        at = found.end()
        if at == len(text):
            return key
    raise BadRequest(
        f"the key cannot be read at position {at}: write ('…') or (CustomerId='…',other='…'), quotes in it doubled",
        target="key",
    )
