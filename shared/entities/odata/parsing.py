"""Reads `$filter` and `$orderby`: one pass over the words, by the precedences of OData 4.0 (part 2, 5.1.1.9)."""

import re
from dataclasses import dataclass, field
from difflib import get_close_matches

from shared.entities.odata import literals
from shared.entities.odata.faults import malformed, unsupported, wrong
from shared.entities.odata.syntax import Binary, Invocation, Junction, Literal, Membership, Name, Syntax, Unary, parts
from shared.entities.odata.tokens import Sort, Token, cut

DEEPEST = 64
"""Levels of a filter."""
MOST_NODES = 2_000
"""Properties, literals, operators and calls of a filter."""
MOST_ITEMS = 5_000
"""Of a list behind `in`."""

_PRECEDENCE = {
    **dict.fromkeys(("or",), 1),
    **dict.fromkeys(("and",), 2),
    **dict.fromkeys(("eq", "ne"), 3),
    **dict.fromkeys(("gt", "ge", "lt", "le"), 4),
    **dict.fromkeys(("add", "sub"), 5),
    **dict.fromkeys(("mul", "div", "divby", "mod"), 6),
    **dict.fromkeys(("in", "has"), 7),
}
_UNARY = 6.5
"""`not a in (1, 2)` is the contrary of `a in (1, 2)`."""
_JUNCTIONS = ("and", "or")
_ABSENT = ("has", "divby")
_ONE_TEXT = re.compile(r"\s*(?!(?i:not)\s)(?P<name>[A-Za-z_]\w*)\s+(?P<eq>[Ee][Qq])\s+(?P<text>'(?:[^']|'')*+')\s*")
"""What most readers ask, one customer's rows: told at a glance."""
_OPERAND = "a property, a literal, a function or ("


@dataclass(frozen=True, slots=True)
class Order:
    """One of `$orderby`."""

    name: str
    descending: bool = False
    at: int = field(default=0, compare=False)


def parse_filter(text: str) -> Syntax:
    """Raises BadRequest with the position, NotSupported."""
    if (one := _ONE_TEXT.fullmatch(text)) and not literals.is_word(one["name"]):
        name = Name(one["name"], one.start("name"))
        return Binary(
            "eq", name, Literal(literals.unquoted(one["text"]), one["text"], one.start("text")), one.start("eq")
        )
    return _parsed(text)


def _parsed(text: str) -> Syntax:
    parser = _Parser(text, "$filter")
    found = parser.expression()
    parser.end()
    _check_depth(found, "$filter")
    return found


def parse_orderby(text: str) -> tuple[Order, ...]:
    """Raises BadRequest with the position, NotSupported."""
    parser = _Parser(text, "$orderby")
    found = [parser.order()]
    while parser.accept(","):
        found.append(parser.order())
    parser.end(", or the end")
    return tuple(found)


def parse_names(text: str, option: str) -> tuple[Name, ...]:
    """Properties, or `*`, between commas."""
    parser = _Parser(text, option)
    found = [parser.name()]
    while parser.accept(","):
        found.append(parser.name())
    parser.end(", or the end")
    return tuple(found)


def _check_depth(root: Syntax, option: str) -> None:
    """A chain of operators is deep without a single parenthesis, so the parser's own count does not tell."""
    level: list[Syntax] = [root]
    for _ in range(DEEPEST):
        level = [part for node in level for part in parts(node)]
        if not level:
            return
    raise wrong(option, 0, f"the expression is more than {DEEPEST} levels deep")


class _Parser:
    def __init__(self, text: str, option: str) -> None:
        self._tokens = cut(text, option)
        self._token: Token = next(self._tokens)
        self._option = option
        self._nodes = 0

    def _advance(self) -> None:
        """One word at a time: what cannot be a word is a fault where it stands, not before."""
        self._token = next(self._tokens, self._token)

    def accept(self, mark: str) -> bool:
        if self._token.sort is not Sort.MARK or self._token.text != mark:
            return False
        self._advance()
        return True

    def end(self, expected: str = "an operator or the end") -> None:
        if self._token.sort is not Sort.END:
            raise self._unexpected(expected)

    def name(self) -> Name:
        token = self._token
        if token.sort is not Sort.NAME and token.text != "*":
            raise self._unexpected("a property's name")
        self._advance()
        self._refuse_path()
        return Name(token.text, token.at)

    def order(self) -> Order:
        name = self.name()
        if self._token.text == "(":
            raise unsupported(self._option, f"an expression such as {name.text[:50]}(…)")
        direction = self._token.text.lower() if self._token.sort is Sort.NAME else ""
        if direction in _PRECEDENCE:
            raise unsupported(self._option, f"an expression with {direction}")
        if direction not in ("", "asc", "desc"):
            raise self._unexpected("asc, desc, a comma or the end")
        if direction:
            self._advance()
        return Order(name.text, direction == "desc", name.at)

    def expression(self, least: float = 1, depth: int = 0) -> Syntax:
        left = self._unary(depth)
        while (operator := self._operator()) and (rank := _PRECEDENCE[operator]) >= least:
            at = self._token.at
            if operator in _ABSENT:
                raise unsupported(self._option, f"the operator {operator}")
            if operator in _JUNCTIONS:
                operands = [left]
                while self._operator() == operator:
                    self._advance()
                    operands.append(self.expression(rank + 1, depth))
                left = self._made(Junction(operator, tuple(operands), at))
                continue
            self._advance()
            if operator == "in":
                left = self._made(Membership(left, self._items(), at))
            else:
                left = self._made(Binary(operator, left, self.expression(rank + 1, depth), at))
        return left

    def _operator(self) -> str:
        """The one that stands here, if one does."""
        word = self._token.text.lower() if self._token.sort is Sort.NAME else ""
        return word if word in _PRECEDENCE else ""

    def _unary(self, depth: int) -> Syntax:
        if depth > DEEPEST:
            raise wrong(self._option, self._token.at, f"the expression is more than {DEEPEST} levels deep")
        token = self._token
        if self.accept("-"):
            return self._made(Unary("-", self.expression(_UNARY, depth + 1), token.at))
        if token.sort is Sort.NAME and token.text.lower() == "not":
            self._advance()
            return self._made(Unary("not", self.expression(_UNARY, depth + 1), token.at))
        return self._primary(depth)

    def _primary(self, depth: int) -> Syntax:
        token = self._token
        if literals.is_literal(token):
            return self._literal()
        if self.accept("("):
            inner = self.expression(1, depth + 1)
            self._close(")")
            return inner
        if token.sort is not Sort.NAME:
            raise self._unexpected(_OPERAND)
        self._advance()
        if self.accept("("):
            return self._made(Invocation(token.text.lower(), self._arguments(depth), token.at))
        self._refuse_path()
        return self._made(Name(token.text, token.at))

    def _literal(self) -> Literal:
        token = self._token
        value = literals.read(token, self._option)
        self._advance()
        return Literal(value, token.text, token.at)

    def _arguments(self, depth: int) -> tuple[Syntax, ...]:
        if self.accept(")"):
            return ()
        found = [self.expression(1, depth + 1)]
        while self.accept(","):
            found.append(self.expression(1, depth + 1))
        self._close(", or )")
        return tuple(found)

    def _items(self) -> tuple[Literal, ...]:
        if not self.accept("("):
            raise self._unexpected("( and a list of literals")
        found = [self._item()]
        while self.accept(","):
            found.append(self._item())
        self._close(", or )")
        if len(found) > MOST_ITEMS:
            raise wrong(self._option, self._token.at, f"a list has at most {MOST_ITEMS} literals")
        return tuple(found)

    def _item(self) -> Literal:
        if not literals.is_literal(self._token):
            raise self._unexpected("a literal")
        return self._literal()

    def _close(self, expected: str) -> None:
        if not self.accept(")"):
            raise self._unexpected(expected if expected != ")" else "an operator or )")

    def _refuse_path(self) -> None:
        if self._token.text in ("/", ":"):
            raise unsupported(self._option, "a path (and so any, all and navigation)")

    def _made[S: Syntax](self, node: S) -> S:
        self._nodes += 1
        if self._nodes > MOST_NODES:
            raise wrong(
                self._option, node.at, f"an expression has at most {MOST_NODES} operators, calls and properties"
            )
        return node

    def _unexpected(self, expected: str) -> Exception:
        token = self._token
        near = ""
        if token.sort is Sort.NAME and (close := get_close_matches(token.text[:20].lower(), _PRECEDENCE, 1)):
            near = f" (did you mean {close[0]}?)"
        return malformed(self._option, token.at, expected + near)
