"""What does a filter say, before anyone knows the entity? The syntax tree, each node with its position."""

from dataclasses import dataclass, field

from shared.entities.values import Value


@dataclass(frozen=True, slots=True)
class Name:
    """A property, in any case."""

    text: str
    at: int = field(default=0, compare=False)


@dataclass(frozen=True, slots=True)
class Literal:
    value: Value | None
    text: str = field(default="", compare=False)
    """As written."""
    at: int = field(default=0, compare=False)


@dataclass(frozen=True, slots=True)
class Invocation:
    """`function(argument, …)`, the name in lower case."""

    function: str
    arguments: tuple["Syntax", ...]
    at: int = field(default=0, compare=False)


@dataclass(frozen=True, slots=True)
class Unary:
    """`not` or `-`."""

    operator: str
    operand: "Syntax"
    at: int = field(default=0, compare=False)


@dataclass(frozen=True, slots=True)
class Binary:
    operator: str
    left: "Syntax"
    right: "Syntax"
    at: int = field(default=0, compare=False)


@dataclass(frozen=True, slots=True)
class Junction:
    """`and` or `or`, of two or more."""

    operator: str
    operands: tuple["Syntax", ...]
    at: int = field(default=0, compare=False)


@dataclass(frozen=True, slots=True)
class Membership:
    """`… in (…)`"""

    operand: "Syntax"
    items: tuple[Literal, ...]
    at: int = field(default=0, compare=False)


type Syntax = Name | Literal | Invocation | Unary | Binary | Junction | Membership


def parts(node: Syntax) -> tuple[Syntax, ...]:
    """What a node is made of; the items of a list are no nodes."""
    match node:
        case Invocation():
            return node.arguments
        case Unary() | Membership():
            return (node.operand,)
        case Binary():
            return (node.left, node.right)
        case Junction():
            return node.operands
    return ()
