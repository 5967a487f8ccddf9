"""Which rows of a table of Arrow match? `evaluation`'s meaning, in Arrow's terms.

Columns are named by property and have the Arrow type of its Edm type: string, int32, int64, double, bool,
timestamp(us, UTC). Where Arrow's functions mean something else (comparing with null, whole numbers that overflow,
positions counted in bytes, zones), the expression is built so that they do not. pyarrow is imported where it is used:
it costs a cold start 100 ms.
"""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from shared.entities.odata.evaluation import WHITESPACE
from shared.entities.odata.filters import (
    Arithmetic,
    AsDouble,
    Call,
    Comparison,
    Constant,
    Filter,
    Junction,
    Kind,
    Member,
    Not,
    Property,
)
from shared.entities.values import EdmType

if TYPE_CHECKING:
    import pyarrow as pa

type Expression = Any
"""pyarrow.compute.Expression."""

_SURE = 2**62
"""A result that overflowed is at least this far from the Double nearby; one that did not is much nearer."""


def arrow_type(edm_type: EdmType) -> "pa.DataType":
    """What a column of that type is in Arrow."""
    import pyarrow as pa

    return {
        EdmType.STRING: pa.string(),
        EdmType.INT32: pa.int32(),
        EdmType.INT64: pa.int64(),
        EdmType.DOUBLE: pa.float64(),
        EdmType.BOOLEAN: pa.bool_(),
        EdmType.DATE_TIME_OFFSET: pa.timestamp("us", "UTC"),
    }[edm_type]


def arrow_filter(node: Filter) -> Expression:
    """What keeps the rows that `matches` does: for `Table.filter` or a dataset's scanner. Comparisons of a column with
    a literal stay plain, so that a scanner skips row groups by their statistics."""
    return _Builder().build(node, null_is_false=True)


class _Builder:
    """Holds the modules, so that each is imported once a filter."""

    def __init__(self) -> None:
        import pyarrow as pa
        import pyarrow.compute as pc

        self._pa, self._pc = pa, pc
        self._types = {
            Kind.BOOLEAN: pa.bool_(),
            Kind.INTEGER: pa.int64(),
            Kind.DOUBLE: pa.float64(),
            Kind.TIME: pa.timestamp("us", "UTC"),
            Kind.TEXT: pa.string(),
            Kind.NULL: pa.null(),
        }

    def build(self, node: Filter, *, null_is_false: bool = False) -> Expression:
        """`null_is_false`: whoever takes the result does not tell the two apart."""
        match node:
            case Property():
                field = self._pc.field(node.name)
                return field.cast(self._pa.int64()) if node.type is EdmType.INT32 else field
            case Constant():
                return self._scalar(node.value, node.kind)
            case Comparison():
                return self._comparison(node, null_is_false)
            case Member():
                return self._member(node)
            case Junction():
                return self._junction(node, null_is_false)
            case Not():
                return self._pc.invert(self.build(node.operand))
            case AsDouble():
                return self.build(node.operand).cast(self._pa.float64(), safe=False)
            case Arithmetic():
                return self._arithmetic(node)
            case Call():
                return self._call(node)

    def _scalar(self, value: object, kind: Kind) -> Expression:
        return self._pc.scalar(self._pa.scalar(value, self._types[kind]))

    def _comparison(self, node: Comparison, null_is_false: bool) -> Expression:
        if node.operator == "ne":
            return self._pc.invert(self._comparison(Comparison("eq", node.left, node.right), null_is_false=False))
        if isinstance(node.right, Constant) and node.right.value is None:
            return self._pc.is_null(self.build(node.left))
        left, right = self._operands(node)
        found = _COMPARISONS[node.operator](left, right)
        if node.operator == "eq" and not isinstance(node.right, Constant):
            both_null = self._pc.and_kleene(self._pc.is_null(left), self._pc.is_null(right))
            return self._pc.coalesce(found, both_null)
        return found if null_is_false else self._pc.coalesce(found, self._pc.scalar(False))

    def _operands(self, node: Comparison) -> tuple[Expression, Expression]:
        """A bare column where it can be one: only of that are there statistics."""
        match node.left, node.right:
            case Property(name, EdmType.INT32), Constant(int() as value) if -(2**31) <= value < 2**31:
                return self._pc.field(name), self._pc.scalar(self._pa.scalar(value, self._pa.int32()))
        return self.build(node.left), self.build(node.right)

    def _member(self, node: Member) -> Expression:
        operand = self.build(node.operand)
        values = list(node.known)  # to is_in, 0.0 and -0.0 are two
        values += [0.0, -0.0] if node.operand.kind is Kind.DOUBLE and 0 in values else []
        found = self._pc.is_in(operand, value_set=self._pa.array(values, self._types[node.operand.kind]))
        return self._pc.or_kleene(found, self._pc.is_null(operand)) if node.has_null else found

    def _junction(self, node: Junction, null_is_false: bool) -> Expression:
        found = [self.build(operand, null_is_false=null_is_false) for operand in node.operands]
        join = self._pc.and_kleene if node.operator == "and" else self._pc.or_kleene
        while len(found) > 1:  # by pairs: a chain of thousands would be as deep
            pairs = zip(found[::2], found[1::2], strict=False)
            found = [join(one, other) for one, other in pairs] + (found[-1:] if len(found) % 2 else [])
        return found[0]

    def _arithmetic(self, node: Arithmetic) -> Expression:
        left, right = self.build(node.left), self.build(node.right)
        if node.kind is Kind.DOUBLE:
            return _ARITHMETIC[node.operator](left, right)
        if node.operator in ("div", "mod"):
            return self._division(node.operator, left, right)
        found = _ARITHMETIC[node.operator](left, right)
        double = self._pa.float64()
        nearby = _ARITHMETIC[node.operator](left.cast(double, safe=False), right.cast(double, safe=False))
        distance = self._pc.abs(self._pc.subtract(found.cast(double, safe=False), nearby))
        return self._unless(self._pc.greater(distance, self._pc.scalar(float(_SURE))), found)

    def _division(self, operator: str, left: Expression, right: Expression) -> Expression:
        """By 0, and what overflows, is null: Arrow would stop, and have a wrong result."""
        pc, least = self._pc, self._scalar(-(2**63), Kind.INTEGER)
        is_minus_one = pc.equal(right, self._scalar(-1, Kind.INTEGER))
        divisor = self._unless(pc.equal(right, self._scalar(0, Kind.INTEGER)), right)
        if operator == "div":
            is_overflow = pc.and_kleene(is_minus_one, pc.equal(left, least))
            return pc.divide(left, self._unless(is_overflow, divisor))
        divisor = pc.if_else(is_minus_one, self._scalar(1, Kind.INTEGER), divisor)
        return pc.subtract(left, pc.multiply(pc.divide(left, divisor), divisor))

    def _unless(self, condition: Expression, found: Expression) -> Expression:
        """Null where the condition holds."""
        return self._pc.if_else(condition, self._scalar(None, Kind.INTEGER), found)

    def _call(self, node: Call) -> Expression:
        first = self.build(node.arguments[0])
        constants = [argument.value for argument in node.arguments[1:] if isinstance(argument, Constant)]
        if node.function == "concat":
            return self._pc.binary_join_element_wise(first, self.build(node.arguments[1]), self._pc.scalar(""))
        if node.kind is Kind.INTEGER and node.function in ("round", "floor", "ceiling"):
            return first
        return _CALLS[node.function](self._pa, self._pc, first, *constants)


def _binary(name: str) -> Callable[[Expression, Expression], Expression]:
    def applied(left: Expression, right: Expression) -> Expression:
        import pyarrow.compute as pc

        return getattr(pc, name)(left, right)

    return applied


_COMPARISONS = {
    "eq": _binary("equal"),
    "gt": _binary("greater"),
    "ge": _binary("greater_equal"),
    "lt": _binary("less"),
    "le": _binary("less_equal"),
}
_ARITHMETIC = {
    "add": _binary("add"),
    "sub": _binary("subtract"),
    "mul": _binary("multiply"),
    "div": _binary("divide"),
}


def _index(pa: Any, pc: Any, text: Expression, part: str) -> Expression:
    """Arrow's own `find_substring` counts bytes."""
    if not part:
        return pc.multiply(pc.utf8_length(text), 0).cast(pa.int64())
    before = pc.list_element(pc.split_pattern(text, part, max_splits=1), 0)
    length = pc.utf8_length(before).cast(pa.int64())
    return pc.if_else(pc.match_substring(text, part), length, pc.scalar(pa.scalar(-1, pa.int64())))


def _slice(pa: Any, pc: Any, text: Expression, start: int, length: int | None = None) -> Expression:
    most = 2**31 - 1
    stop = most if length is None else min(start + length, most)
    return pc.utf8_slice_codeunits(text, min(start, most), max(stop, min(start, most)))


def _time_part(name: str) -> Callable[..., Expression]:
    """Of the naive time: with a zone Arrow asks the system for it, and there may be no list of zones."""
    return lambda pa, pc, time: getattr(pc, name)(time.cast(pa.timestamp("us"))).cast(pa.int64())


def _date(pa: Any, pc: Any, time: Expression) -> Expression:
    return pc.floor_temporal(time.cast(pa.timestamp("us")), unit="day").cast(pa.timestamp("us", "UTC"))


_CALLS: dict[str, Callable[..., Expression]] = {
    "contains": lambda pa, pc, text, part: pc.match_substring(text, part),
    "startswith": lambda pa, pc, text, part: pc.starts_with(text, part),
    "endswith": lambda pa, pc, text, part: pc.ends_with(text, part),
    "indexof": _index,
    "substring": _slice,
    "length": lambda pa, pc, text: pc.utf8_length(text).cast(pa.int64()),
    "tolower": lambda pa, pc, text: pc.utf8_lower(text),
    "toupper": lambda pa, pc, text: pc.utf8_upper(text),
    "trim": lambda pa, pc, text: pc.utf8_trim(text, characters=WHITESPACE),
    **{part: _time_part(part) for part in ("year", "month", "day", "hour", "minute", "second")},
    "date": _date,
    "round": lambda pa, pc, number: pc.round(number, round_mode="half_towards_infinity"),
    "floor": lambda pa, pc, number: pc.floor(number),
    "ceiling": lambda pa, pc, number: pc.ceil(number),
}
