"""The annotation language: paths, `*`, `#`, escapes, literals, and `$(…)` inside them.

Source: Azure AI Search, "Skill context and input annotation language". A parse gives a small tree of frozen
values; `shared.skills.tree` evaluates it. Operators are the indexer's alone and refused by name.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum
from math import isfinite

from shared.errors import InvalidExpression, OperatorNotSupported
from shared.wire import parse_json

ROOT = "document"
_LONGEST = 4096
_DEEPEST = 32
_MOST_NAMES = 100
_ESCAPES = {"0": "~", "1": "/", "2": "#"}
_UNESCAPES = {"~": "~0", "/": "~1", "#": "~2"}
_ESCAPE = re.compile(r"~([012])")
_NO_ESCAPE = re.compile(r"~(?![012])")


class Wildcard(Enum):
    EACH = "*"
    """Every element of an array."""
    WHOLE = "#"
    """An array as one value."""


type Token = str | Wildcard


@dataclass(frozen=True, slots=True)
class Path:
    """`/document/pages/*/text` as its tokens after the root: `("pages", EACH, "text")`."""

    tokens: tuple[Token, ...]

    def __str__(self) -> str:
        return location(ROOT, *self.tokens)


@dataclass(frozen=True, slots=True)
class Literal:
    value: str | float | bool | None


@dataclass(frozen=True, slots=True)
class Array:
    items: "tuple[Expression, ...]"


type Expression = Path | Literal | Array


def location(*tokens: Token | int) -> str:
    """A path's text, escaped: `("document", "a/b", 0)` is `/document/a~1b/0`."""
    return "".join(f"/{_escape(token)}" for token in tokens)


def _escape(token: Token | int) -> str:
    if isinstance(token, Wildcard):
        return token.value
    return "".join(_UNESCAPES.get(character, character) for character in str(token))


def parse_path(text: str) -> Path:
    """Read `/document/…`. Raises InvalidExpression with the position of the fault."""
    if len(text) > _LONGEST:
        raise InvalidExpression(f"a path has at most {_LONGEST} characters")
    first, *rest = text.split("/")[1:] if text.startswith("/") else [""]
    if first != ROOT:
        raise InvalidExpression(f"the path {text[:200]!r} does not start with /{ROOT}")
    if len(rest) > _MOST_NAMES:
        raise InvalidExpression(f"a path has at most {_MOST_NAMES} names after /{ROOT}")
    position = len(ROOT) + 2
    tokens: list[Token] = []
    for part in rest:
        tokens.append(_parse_token(part, position, text))
        position += len(part) + 1
    if Wildcard.WHOLE in tokens[:-1]:
        raise InvalidExpression(f"in the path {text[:200]!r}, # may only stand at the end")
    return Path(tuple(tokens))


def _parse_token(part: str, position: int, text: str) -> Token:
    if part in ("*", "#"):
        return Wildcard(part)
    if not part:
        raise InvalidExpression(f"the path {text[:200]!r} has an empty name at position {position}")
    if fault := _NO_ESCAPE.search(part):
        raise InvalidExpression(
            f"the path {text[:200]!r} has a ~ at position {position + fault.start()} that is no escape: "
            "~0 is ~, ~1 is /, ~2 is #"
        )
    return _ESCAPE.sub(lambda escape: _ESCAPES[escape[1]], part)


def parse_source(text: str) -> Expression:
    """Read an input's `source`: a path, or an expression that starts with `=`.

    Raises InvalidExpression, and OperatorNotSupported where the text uses an operator.
    """
    if not text.lstrip().startswith("="):
        return parse_path(text)
    if len(text) > _LONGEST:
        raise InvalidExpression(f"an expression has at most {_LONGEST} characters")
    return _Reader(text, text.index("=") + 1).read_all()


def check_source(text: str) -> None:
    """Raises InvalidExpression unless `text` is annotation language; operators, which the indexer knows, pass."""
    try:
        parse_source(text)
    except OperatorNotSupported:
        return


_SPACE = re.compile(r"[ \t\r\n]*")
_NUMBER = re.compile(r"-?(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][+-]?[0-9]+)?")
_WORD = re.compile(r"[A-Za-z]+")
_STRING = re.compile(r"""'((?:[^'\\]|\\.)*)'|"((?:[^"\\]|\\.)*)\"""", re.DOTALL)
_OPERATOR = re.compile(r"&&|\|\||==|!=|<=|>=|[-!*/%+<>^?:(&|]")
_WORDS = {"true": True, "false": False, "null": None}


class _Reader:
    """A recursive descent over one expression; `at` is the position of the next character."""

    def __init__(self, text: str, at: int) -> None:
        self._text = text
        self._at = at

    def read_all(self) -> Expression:
        value = self._value(0)
        self._skip_space()
        if self._at < len(self._text):
            raise self._unexpected("the end")
        return value

    def _value(self, depth: int) -> Expression:
        if depth > _DEEPEST:
            raise InvalidExpression(f"arrays nest at most {_DEEPEST} levels deep")
        self._skip_space()
        for pattern, build in self._literals():
            if match := pattern.match(self._text, self._at):
                self._at = match.end()
                return build(match)
        if self._text.startswith("$(", self._at):
            return self._path()
        if self._text.startswith("[", self._at):
            return self._array(depth)
        raise self._unexpected("a value")

    def _literals(self) -> tuple[tuple[re.Pattern[str], Callable[[re.Match[str]], Literal]], ...]:
        return (_NUMBER, _number), (_STRING, self._string), (_WORD, self._word)

    def _word(self, match: re.Match[str]) -> Literal:
        if match[0] not in _WORDS:
            raise InvalidExpression(
                f"{match[0][:50]!r} at position {match.start()} is no value; strings stand in quotes"
            )
        return Literal(_WORDS[match[0]])

    def _string(self, match: re.Match[str]) -> Literal:
        inner = match[1] if match[1] is not None else match[2]
        try:
            # A backslash before a quote or another character means what it means in JSON; JSON knows no \'.
            escaped = re.sub(r"\\(.)|\"", _as_json_escape, inner, flags=re.DOTALL)
            return Literal(str(parse_json(f'"{escaped}"')))
        except ValueError as error:
            raise InvalidExpression(
                f"the string at position {match.start()} cannot be read: its escapes are those of JSON, such as \\n and \\u00e9"
            ) from error

    def _path(self) -> Path:
        end = self._text.find(")", self._at)
        if end < 0:
            raise InvalidExpression(f"$( at position {self._at} is not closed")
        path = parse_path(self._text[self._at + 2 : end].strip())
        self._at = end + 1
        return path

    def _array(self, depth: int) -> Array:
        items: list[Expression] = []
        self._at += 1
        while not self._take("]"):
            if items and not self._take(","):
                raise self._unexpected(", or ]")
            items.append(self._value(depth + 1))
        return Array(tuple(items))

    def _take(self, character: str) -> bool:
        self._skip_space()
        if not self._text.startswith(character, self._at):
            return False
        self._at += 1
        return True

    def _skip_space(self) -> None:
        match = _SPACE.match(self._text, self._at)
        self._at = match.end() if match else self._at

    def _unexpected(self, expected: str) -> InvalidExpression:
        if match := _OPERATOR.match(self._text, self._at):
            return OperatorNotSupported(
                f"the operator {match[0]!r} at position {self._at} of {self._text[:200]!r} is evaluated by the indexer only; "
                "here a source is a path or a literal (compute the value in the endpoint, or in a ConditionalSkill before this one)"
            )
        found = repr(self._text[self._at]) if self._at < len(self._text) else "the end"
        return InvalidExpression(f"expected {expected} at position {self._at} of {self._text[:200]!r}, found {found}")


def _number(match: re.Match[str]) -> Literal:
    text = match[0]
    if re.fullmatch(r"-?[0-9]+", text):
        return Literal(int(text))
    number = float(text)
    if not isfinite(number):
        raise InvalidExpression(f"the number {text[:50]} at position {match.start()} is too large")
    return Literal(number)


def _as_json_escape(match: re.Match[str]) -> str:
    if match[0] == '"':
        return '\\"'
    return "'" if match[1] == "'" else match[0]
