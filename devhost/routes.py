"""Which function a path leads to: route templates, their precedence, and the values they take from a path."""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from urllib.parse import unquote_to_bytes

from devhost.constraints import Check, make_check
from devhost.errors import StartError

RESERVED = ("admin", "runtime")
# A hole: {name}, {*name}, with constraints, a default or `?`. Braces of a regex are doubled.
HOLE = re.compile(r"\{((?:[^{}]|\{\{|\}\})+)\}(?!\})")
PART = re.compile(r":([A-Za-z]+)(?:\(((?:[^()]|\\.|\([^()]*\))*)\))?")


@dataclass(frozen=True)
class Hole:
    name: str
    catch_all: bool = False
    optional: bool = False
    default: str | None = None
    checks: tuple[Check, ...] = ()

    @property
    def may_be_absent(self) -> bool:
        return self.optional or self.catch_all or self.default is not None


Segment = Sequence[str | Hole]  # what stands between two slashes: text and holes


@dataclass(frozen=True)
class Route:
    function: str
    template: str
    segments: tuple[Segment, ...]
    methods: tuple[str, ...] = ()  # none: all

    def match(self, path: str) -> dict[str, str | None] | None:
        """The route values; a hole left empty is None. No match: None. `path` is decoded, with its slash."""
        found = match_segments(self.segments, path.removeprefix("/"))
        if found is None:
            return None
        holes = [part for segment in self.segments for part in segment if isinstance(part, Hole)]
        values = {hole.name: found.get(hole.name, hole.default) for hole in holes}
        return values if all(passes(hole, values[hole.name]) for hole in holes) else None


@dataclass(frozen=True)
class Match:
    function: str
    values: Mapping[str, str | None]


class Router:
    def __init__(self, routes: Iterable[Route]) -> None:
        self.routes = sorted(routes, key=precedence)

    def find(self, method: str, path: str) -> Match | None:
        """The method is part of the match, so a wrong one is no match at all."""
        for route in self.routes:
            if route.methods and method not in route.methods:
                continue
            values = route.match(path)
            if values is not None:
                return Match(route.function, values)
        return None


def make_route(function: str, template: str, methods: Iterable[str] = (), prefix: str = "") -> Route:
    bare = template.strip("/")
    if bare.lower().startswith(RESERVED):
        raise StartError(f"function '{function}': route '{template}' conflicts with a built-in route")
    whole = "/".join(part for part in (prefix.strip("/"), bare) if part)
    try:
        segments = parse_template(whole)
    except (ValueError, re.error) as error:
        raise StartError(f"function '{function}': route '{template}': {error}") from error
    return Route(function, whole, segments, tuple(method.upper() for method in methods))


def refuse_conflicts(routes: Sequence[Route]) -> None:
    """Two functions with one template need methods of their own."""
    for index, route in enumerate(routes):
        for other in routes[:index]:
            if route.template.lower() != other.template.lower():
                continue
            if not route.methods or not other.methods or set(route.methods) & set(other.methods):
                raise StartError(
                    f"function '{route.function}': its route '{route.template}' conflicts with "
                    f"the route of function '{other.function}'"
                )


def precedence(route: Route) -> list[tuple[int, int, str]]:
    """Sort key: segment by segment text (by alphabet) before holes, more constraints first; longer first."""

    def rank(segment: Segment) -> tuple[int, int, str]:
        head = segment[0]
        if isinstance(head, str):
            return (0, 0, head.lower())
        return (1, -len(head.checks), "")

    ends_open = any(isinstance(part, Hole) and part.catch_all for segment in route.segments for part in segment)
    # A catch-all after a plain hole: the real host leaves such a tie to an unstable sort.
    return [*map(rank, route.segments), (2, int(ends_open), "")]


def parse_template(template: str) -> tuple[Segment, ...]:
    segments = tuple(tuple(parse_segment(text)) for text in split_template(template))
    holes = [part for segment in segments for part in segment if isinstance(part, Hole)]
    names = [hole.name.lower() for hole in holes]
    if len(set(names)) < len(names):
        raise ValueError("a parameter name occurs twice")
    if any(hole.catch_all for hole in holes[:-1]) or (holes and holes[-1].catch_all and len(segments[-1]) > 1):
        raise ValueError("a catch-all stands alone in the last segment")
    if holes and holes[-1].catch_all and not isinstance(segments[-1][0], Hole):
        raise ValueError("a catch-all stands alone in the last segment")
    return segments


def split_template(template: str) -> list[str]:
    """At slashes, but not at one inside a hole's regex."""
    if not template:
        return []
    masked = HOLE.sub(lambda hole: "\0" * len(hole[0]), template)
    cuts = [-1, *(index for index, char in enumerate(masked) if char == "/"), len(template)]
    pieces = [template[start + 1 : end] for start, end in pairwise(cuts)]
    if not all(pieces):
        raise ValueError("two slashes in a row")
    return pieces


def parse_segment(text: str) -> list[str | Hole]:
    parts: list[str | Hole] = []
    end = 0
    for hole in HOLE.finditer(text):
        parts += literal(text[end : hole.start()])
        if parts and isinstance(parts[-1], Hole):
            raise ValueError("two parameters without text between them")
        parts.append(parse_hole(hole[1]))
        end = hole.end()
    return parts + literal(text[end:])


def literal(text: str) -> list[str | Hole]:
    plain = text.replace("{{", "").replace("}}", "")
    if "{" in plain or "}" in plain or "?" in plain:
        raise ValueError(f"'{text}' has a brace or a question mark out of place")
    return [text.replace("{{", "{").replace("}}", "}")] if text else []


def parse_hole(text: str) -> Hole:
    inner = text.replace("{{", "{").replace("}}", "}")
    match = re.match(r"(\*{0,2})([^:=?*/{}]+)", inner)
    if match is None:
        raise ValueError(f"'{{{text}}}' is not a parameter")
    rest = inner[match.end() :]
    checks: list[Check] = []
    while constraint := PART.match(rest):
        checks.append(make_check(constraint[1], constraint[2]))
        rest = rest[constraint.end() :]
    if rest not in ("", "?") and not rest.startswith("="):
        raise ValueError(f"'{{{text}}}' is not a parameter")
    default = rest[1:] if rest.startswith("=") else None
    return Hole(match[2], bool(match[1]), rest == "?", default, tuple(checks))


def match_segments(segments: Sequence[Segment], path: str) -> dict[str, str] | None:
    values: dict[str, str] = {}
    rest: str | None = path or None  # None: nothing left; a trailing slash leaves nothing either
    for segment in segments:
        head = segment[0]
        if isinstance(head, Hole) and head.catch_all:
            return values | ({head.name: rest} if rest else {})
        if rest is None:
            if len(segment) > 1 or not isinstance(head, Hole) or not head.may_be_absent:
                return None
            continue
        piece, slash, rest = rest.partition("/")
        found = match_segment(segment, piece)
        if found is None:
            return None
        values |= found
        rest = rest if slash and rest else None
    return values if rest is None else None


def match_segment(segment: Segment, text: str) -> dict[str, str] | None:
    head = segment[0]
    if len(segment) == 1:
        if isinstance(head, str):
            return {} if head.lower() == text.lower() else None
        return {head.name: text} if text else None
    last = segment[-1]
    found = match_parts(segment, text)
    if found is None and isinstance(last, Hole) and last.optional and segment[-2] == ".":
        found = match_parts(segment[:-2], text)  # {name}.{extension?}: the dot goes with the extension
    return found


def match_parts(parts: Segment, text: str) -> dict[str, str] | None:
    """Holes take as much as they can, from the left; none is empty."""
    holes = [part for part in parts if isinstance(part, Hole)]
    pattern = "".join(re.escape(part) if isinstance(part, str) else "(.+)" for part in parts)
    match = re.fullmatch(pattern, text, re.IGNORECASE | re.DOTALL)
    return match and dict(zip((hole.name for hole in holes), match.groups(), strict=True))


def passes(hole: Hole, value: str | None) -> bool:
    if value is None:
        return hole.optional or not hole.checks
    return all(check(value) for check in hole.checks)


def decode_path(raw: bytes) -> str:
    """As the real host's server does: once, but `%2F` stays; bytes that are not UTF-8 stay encoded."""
    pieces = re.split(rb"(%2[fF])", raw)
    text = "".join(piece.decode() if index % 2 else decode_piece(piece) for index, piece in enumerate(pieces))
    return remove_dot_segments(text)


def decode_piece(piece: bytes) -> str:
    try:
        return unquote_to_bytes(piece).decode("utf-8")
    except UnicodeDecodeError:
        return piece.decode("latin-1")


def remove_dot_segments(path: str) -> str:
    if "/." not in path:
        return path
    kept: list[str] = []
    pieces = path.split("/")
    for piece in pieces:
        if piece == "..":
            del kept[max(1, len(kept) - 1) :]
        elif piece != ".":
            kept.append(piece)
    if pieces[-1] in (".", ".."):
        kept.append("")
    return "/".join(kept)
