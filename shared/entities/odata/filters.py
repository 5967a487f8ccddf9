"""A filter that fits an entity: every node has a kind, every comparison two operands of one.

What it means is in `evaluation`; `columns` says the same to Arrow.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from enum import StrEnum

from shared.entities.values import EdmType, Value


class Kind(StrEnum):
    """What an expression yields. Edm.Int32 is computed as Edm.Int64, a date as its midnight in UTC."""

    BOOLEAN = "Edm.Boolean"
    INTEGER = "Edm.Int64"
    DOUBLE = "Edm.Double"
    TIME = "Edm.DateTimeOffset"
    TEXT = "Edm.String"
    NULL = "null"


NUMBERS = (Kind.INTEGER, Kind.DOUBLE)
_KINDS = {EdmType.INT32: Kind.INTEGER}


@dataclass(frozen=True, slots=True)
class Property:
    name: str
    type: EdmType

    @property
    def kind(self) -> Kind:
        return _KINDS.get(self.type) or Kind(self.type.value)


@dataclass(frozen=True, slots=True)
class Constant:
    value: Value | None
    kind: Kind


@dataclass(frozen=True, slots=True)
class Comparison:
    """`eq ne gt ge lt le`; never null."""

    operator: str
    left: "Filter"
    right: "Filter"
    kind: Kind = Kind.BOOLEAN


@dataclass(frozen=True, slots=True)
class Member:
    """Whether one of `values` is equal; never null."""

    operand: "Filter"
    values: tuple[Value, ...]
    has_null: bool
    kind: Kind = Kind.BOOLEAN
    known: frozenset[Value] = field(init=False, compare=False, repr=False)
    """The values; without NaN, which is nobody's equal."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "known", frozenset(value for value in self.values if value == value))


@dataclass(frozen=True, slots=True)
class Junction:
    """`and` or `or`, of two or more."""

    operator: str
    operands: tuple["Filter", ...]
    kind: Kind = Kind.BOOLEAN


@dataclass(frozen=True, slots=True)
class Not:
    operand: "Filter"
    kind: Kind = Kind.BOOLEAN


@dataclass(frozen=True, slots=True)
class AsDouble:
    """A whole number as the Double next to it."""

    operand: "Filter"
    kind: Kind = Kind.DOUBLE


@dataclass(frozen=True, slots=True)
class Arithmetic:
    """`add sub mul div mod`: null where a whole number overflows or is divided by 0."""

    operator: str
    left: "Filter"
    right: "Filter"
    kind: Kind


@dataclass(frozen=True, slots=True)
class Call:
    """A function; null where an argument is."""

    function: str
    arguments: tuple["Filter", ...]
    kind: Kind


type Filter = Property | Constant | Comparison | Member | Junction | Not | AsDouble | Arithmetic | Call


def parts(node: Filter) -> tuple[Filter, ...]:
    match node:
        case Comparison() | Arithmetic():
            return (node.left, node.right)
        case Member() | Not() | AsDouble():
            return (node.operand,)
        case Junction():
            return node.operands
        case Call():
            return node.arguments
    return ()


def properties(node: Filter) -> Iterator[str]:
    """The names it reads, some more than once."""
    if isinstance(node, Property):
        yield node.name
    for part in parts(node):
        yield from properties(part)


def weight(node: Filter) -> int:
    """How large it is for a column store that computes no part once and uses it twice: what guards against overflow,
    or against null, names its operands several times, and so grows by powers with every level."""
    weights = [weight(part) for part in parts(node)]
    match node:
        case Arithmetic(kind=Kind.INTEGER, operator=operator):
            return 3 * weights[0] + (6 if operator == "mod" else 3) * weights[1]
        case Comparison(right=right) if not isinstance(right, Constant):
            return 2 * sum(weights)
        case Member(has_null=True) | Call(function="indexof"):
            return 2 * sum(weights)
    return 1 + sum(weights)
