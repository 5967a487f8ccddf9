"""Which words does a query option hold? Cut once, each with its position."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum

from shared.entities.odata.faults import malformed, unsupported


class Sort(StrEnum):
    """What kind of word it is."""

    TIME = "time"
    DATE = "date"
    CLOCK = "clock"
    GUID = "guid"
    NUMBER = "number"
    MARKED = "marked"
    """A literal with its type in front of it: `duration'PT1H'`."""
    TEXT = "text"
    NAME = "name"
    MARK = "mark"
    END = "end"


@dataclass(frozen=True, slots=True)
class Token:
    sort: Sort
    text: str
    at: int


_DATE = r"-?[0-9]{4}-[0-9]{2}-[0-9]{2}"
_CLOCK = r"[0-9]{2}:[0-9]{2}(?::[0-9]{2}(?:\.[0-9]{1,12})?)?"
_SORTS = {
    # A `+` that nobody encoded has become a space.
    Sort.TIME: rf"{_DATE}[Tt]{_CLOCK}(?:[Zz]|[ +-][0-9]{{2}}:[0-9]{{2}})?(?!\w)",
    Sort.GUID: r"[0-9A-Fa-f]{8}-(?:[0-9A-Fa-f]{4}-){3}[0-9A-Fa-f]{12}(?![\w-])",
    Sort.DATE: rf"{_DATE}(?![\w-])",
    Sort.CLOCK: rf"{_CLOCK}(?!\w)",
    Sort.NUMBER: r"(?:[+-]?[0-9]+(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?|-INF)(?![\w.])",
    Sort.MARKED: r"[^\W\d]\w*'(?:[^']|'')*+'",
    Sort.TEXT: r"'(?:[^']|'')*+'",
    Sort.NAME: r"[$@]?[^\W\d]\w*(?:\.[^\W\d]\w*)*",
    Sort.MARK: r"[(),/:*=\[\]{}-]",
}
_TOKEN = re.compile(rf"\s*+(?:{'|'.join(f'(?P<{sort}>{pattern})' for sort, pattern in _SORTS.items())})")


def cut(text: str, option: str) -> Iterator[Token]:
    """The words, and an end behind the last. Raises BadRequest, NotSupported."""
    at, length = 0, len(text.rstrip())
    while at < length:
        found = _TOKEN.match(text, at)
        if found is None:
            at += len(text[at:]) - len(text[at:].lstrip())
            raise malformed(
                option, at, "a text in single quotes, quotes in it doubled" if text[at] == "'" else "a word"
            )
        sort = Sort(found.lastgroup or "")
        yield _checked(Token(sort, found[sort], found.start(sort)), option)
        at = found.end()
    yield Token(Sort.END, "", length)


def _checked(token: Token, option: str) -> Token:
    if token.sort is Sort.CLOCK:
        raise unsupported(option, "a time of day")
    if token.sort is Sort.MARKED:
        raise unsupported(option, f"a literal {token.text.partition("'")[0]}'…'")
    if token.text.startswith(("$", "@")) or token.text in ("[", "{"):
        raise unsupported(option, f"{token.text[:50]} at position {token.at}")
    return token
