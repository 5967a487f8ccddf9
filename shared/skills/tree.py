"""The enrichment tree: a document whose nodes are read by path and grow children, and never change.

Source: Azure AI Search, "Skill context and input annotation language": every node can have children, also a
string; writing a node that exists fails.
"""

from collections.abc import Iterator
from dataclasses import dataclass

from shared.skills.expressions import ROOT, Array, Expression, Literal, Path, Token, Wildcard, location
from shared.wire import Json

VALUE = "$value"
"""How a string, number or array that has grown children is written: `{"$value": "text", "language": "en"}`."""


class Missing(Exception):
    """A path leads nowhere; the text is the indexer's own."""


class AlreadyExists(Exception):
    """An output would overwrite a node."""


class Node:
    """One place of a document: its value, and the children that enrichment has read or added below it."""

    __slots__ = ("_added", "_children", "_value", "place")

    def __init__(self, value: Json, place: tuple[Token | int, ...]) -> None:
        self._value = value
        self._children: dict[str | int, Node] = {}
        self._added: list[str] = []
        self.place = place

    def __str__(self) -> str:
        return location(*self.place)

    def child(self, token: str) -> "Node":
        """The child called `token`; on an array, the element at that index. Raises Missing."""
        if token in self._children:
            return self._children[token]
        if isinstance(self._value, dict) and token in self._value:
            return self._grow(token, self._value[token])
        if isinstance(self._value, list) and token.isascii() and token.isdigit():
            return self._element(int(token))
        raise Missing(f"Missing value {location(*self.place, token)}")

    def _element(self, index: int) -> "Node":
        if not isinstance(self._value, list) or index >= len(self._value):
            length = len(self._value) if isinstance(self._value, list) else 0
            raise Missing(f"Unable to select {index} in array {self} of length {length}")
        return self._children.get(index) or self._grow(index, self._value[index])

    def elements(self) -> "Iterator[Node]":
        """The nodes of an array. Raises Missing for anything else."""
        if not isinstance(self._value, list):
            raise Missing(f"Cannot iterate over non-array {self}")
        return (self._element(index) for index in range(len(self._value)))

    def _grow(self, token: str | int, value: Json) -> "Node":
        node = Node(value, (*self.place, token))
        self._children[token] = node
        return node

    def has(self, name: str) -> bool:
        try:
            self.child(name)
        except Missing:
            return False
        return True

    def add(self, name: str, value: Json) -> None:
        """Make `value` a child. Raises AlreadyExists: nodes are immutable."""
        if self.has(name):
            raise AlreadyExists(f"the node {location(*self.place, name)} already exists, and nodes are immutable")
        self._grow(name, value)
        self._added.append(name)

    def render(self) -> Json:
        """The node as JSON, with all that was added below it."""
        if not self._children:
            return self._value
        added: dict[str, Json] = {name: self._children[name].render() for name in self._added}
        if isinstance(self._value, dict):
            return {name: self._rendered(name, value) for name, value in self._value.items()} | added
        own = self._value
        if isinstance(own, list):
            own = [self._rendered(index, value) for index, value in enumerate(own)]
        return {VALUE: own} | added if added else own

    def _rendered(self, token: str | int, value: Json) -> Json:
        child = self._children.get(token)
        return child.render() if child else value


@dataclass(frozen=True, slots=True)
class Scope:
    """A context bound to one node: `nodes[i]` is where the first `i` tokens of `tokens` lead."""

    tokens: tuple[Token, ...]
    nodes: tuple[Node, ...]

    @classmethod
    def of(cls, document: Json) -> "Scope":
        return cls((), (Node(document, (ROOT,)),))

    @property
    def node(self) -> Node:
        return self.nodes[-1]

    def bind(self, path: Path) -> "tuple[Scope, tuple[Token, ...]]":
        """The part of this scope that `path` shares, and the tokens that remain below it."""
        shared = 0
        for mine, theirs in zip(self.tokens, path.tokens, strict=False):
            if mine != theirs:
                break
            shared += 1
        return Scope(self.tokens[:shared], self.nodes[: shared + 1]), path.tokens[shared:]

    def within(self, path: Path) -> "list[Scope]":
        """As `enumerate`; but this scope itself where `path` leads to its node or one above, so that what is read
        from there on stays bound. Raises Missing."""
        return self.enumerate(path) if self.bind(path)[1] else [self]

    def _into(self, token: Token, node: Node) -> "Scope":
        return Scope((*self.tokens, token), (*self.nodes, node))

    def enumerate(self, path: Path) -> "list[Scope]":
        """A scope for every node that `path` matches, in document order. Raises Missing."""
        start, rest = self.bind(path)
        return start._walk(rest)

    def _walk(self, rest: tuple[Token, ...]) -> "list[Scope]":
        if not rest:
            return [self]
        token, below = rest[0], rest[1:]
        if token is Wildcard.WHOLE:
            self.node.elements()
            return [self]
        if isinstance(token, str):
            return self._into(token, self.node.child(token))._walk(below)
        found: list[Scope] = []
        for element in self.node.elements():
            # One element without the value does not take it from the others.
            try:
                found += self._into(token, element)._walk(below)
            except Missing:
                continue
        return found


def is_many(path: Path, scope: Scope) -> bool:
    """Whether `path` has a `*` that `scope` does not bind, so that its values are collected."""
    return Wildcard.EACH in scope.bind(path)[1]


def evaluate(expression: Expression, scope: Scope) -> Json:
    """The value of `expression` for the node that `scope` binds. Raises Missing."""
    match expression:
        case Literal(value):
            return value
        case Array(items):
            return [evaluate(item, scope) for item in items]
        case Path():
            found = [match.node.render() for match in scope.enumerate(expression)]
            return found if is_many(expression, scope) else found[0]
