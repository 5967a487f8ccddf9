"""Does what was asked for fit the entity? Names become properties, every node gets its kind, constants are computed.

A text against a number, an unknown property or a function of something else is a BadRequest that names both sides.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from difflib import get_close_matches

from shared.entities.odata import filters, syntax
from shared.entities.odata.evaluation import evaluate
from shared.entities.odata.faults import unsupported, wrong
from shared.entities.odata.filters import NUMBERS, AsDouble, Constant, Filter, Kind, Property
from shared.entities.odata.functions import ABSENT, FUNCTIONS, Function
from shared.entities.odata.names import LONGEST_NAME, find_property
from shared.entities.odata.syntax import Syntax
from shared.entities.schema import Schema
from shared.entities.values import Value
from shared.errors import BadRequest

_HEAVIEST = 5_000
_ORDERINGS = ("gt", "ge", "lt", "le")
_EXAMPLES = {
    Kind.TEXT: "a text in single quotes",
    Kind.BOOLEAN: "true or false",
    Kind.TIME: "a time such as 2026-01-31T00:00:00Z, without quotes",
    Kind.INTEGER: "a number without quotes",
    Kind.DOUBLE: "a number without quotes",
}


def bind_filter(node: Syntax, schema: Schema, now: datetime) -> Filter:
    """Raises BadRequest, NotSupported."""
    found = _condition(_Binder(schema, now).bind(node), node, "$filter")
    if filters.weight(found) > _HEAVIEST:
        raise BadRequest(
            "$filter: too many operators on whole numbers, or comparisons of conditions, stand within one another; "
            "compute with Doubles (n add 1.0), and compare conditions with and, or and not",
            target="$filter",
        )
    return found


@dataclass(frozen=True, slots=True)
class _Binder:
    schema: Schema
    now: datetime

    def bind(self, node: Syntax) -> Filter:
        match node:
            case syntax.Name():
                name = find_property(node.text, node.at, self.schema, "$filter")
                return Property(name, self.schema.properties[name])
            case syntax.Literal():
                return Constant(node.value, _kind_of(node.value))
            case syntax.Invocation():
                return self._call(node)
            case syntax.Unary():
                return self._unary(node)
            case syntax.Junction():
                operands = [_condition(self.bind(operand), operand, node.operator) for operand in node.operands]
                return _folded(filters.Junction(node.operator, tuple(_flat(node.operator, operands))))
            case syntax.Membership():
                return self._member(node)
            case syntax.Binary():
                left, right = self.bind(node.left), self.bind(node.right)
                if node.operator in ("eq", "ne", *_ORDERINGS):
                    return _comparison(node, left, right)
                return _arithmetic(node.operator, left, right, node)

    def _unary(self, node: syntax.Unary) -> Filter:
        operand = self.bind(node.operand)
        if node.operator == "-":
            return _arithmetic("sub", Constant(0, Kind.INTEGER), operand, node)
        return _folded(filters.Not(_condition(operand, node.operand, "not")))

    def _member(self, node: syntax.Membership) -> Filter:
        operand = self.bind(node.operand)
        items = [(item, _kind_of(item.value)) for item in node.items]
        for item, kind in items:
            _check_same(operand, Constant(item.value, kind), node.operand, item)
        if operand.kind is Kind.INTEGER and Kind.DOUBLE in (kind for _, kind in items):
            operand = AsDouble(operand)
        values = tuple(item.value for item, _ in items if item.value is not None)
        if operand.kind is Kind.DOUBLE:
            values = tuple(float(value) for value in values if isinstance(value, int | float))
        return _folded(filters.Member(operand, values, len(values) < len(items)))

    def _call(self, node: syntax.Invocation) -> Filter:
        function = FUNCTIONS.get(node.function)
        if function is None:
            raise _no_function(node)
        if node.function == "now" and not node.arguments:
            return Constant(self.now, Kind.TIME)
        most = len(function.takes)
        if not most - function.optional <= len(node.arguments) <= most:
            count = f"{most}" if not function.optional else f"{most - function.optional} or {most}"
            raise wrong("$filter", node.at, f"{node.function} takes {count} arguments, not {len(node.arguments)}")
        arguments = tuple(self.bind(argument) for argument in node.arguments)
        for index, argument in enumerate(arguments):
            _check_argument(node, index, argument, function)
        kind = function.gives or (arguments[0].kind if arguments[0].kind in NUMBERS else Kind.DOUBLE)
        if any(isinstance(argument, Constant) and argument.value is None for argument in arguments):
            return Constant(None, kind)
        return _folded(filters.Call(node.function, arguments, kind))


def _flat(operator: str, operands: Sequence[Filter]) -> Iterator[Filter]:
    """Those of a junction in parentheses too."""
    for operand in operands:
        if isinstance(operand, filters.Junction) and operand.operator == operator:
            yield from operand.operands
        else:
            yield operand


def _kind_of(value: Value | None) -> Kind:
    match value:
        case None:
            return Kind.NULL
        case bool():
            return Kind.BOOLEAN
        case int():
            return Kind.INTEGER
        case float():
            return Kind.DOUBLE
        case datetime():
            return Kind.TIME
    return Kind.TEXT


def _folded(node: Filter) -> Filter:
    """Its value, where it is the same for every row."""
    if all(isinstance(part, Constant) for part in filters.parts(node)):
        return Constant(evaluate(node, {}), node.kind)
    return node


def _comparison(node: syntax.Binary, left: Filter, right: Filter) -> Filter:
    _check_same(left, right, node.left, node.right)
    if node.operator in _ORDERINGS and _is_null(left, right):
        return Constant(value=False, kind=Kind.BOOLEAN)
    if isinstance(left, Constant) and not isinstance(right, Constant):
        operator = {"gt": "lt", "ge": "le", "lt": "gt", "le": "ge"}.get(node.operator, node.operator)
        return _folded(filters.Comparison(operator, *_alike(right, left)))
    return _folded(filters.Comparison(node.operator, *_alike(left, right)))


def _arithmetic(operator: str, left: Filter, right: Filter, node: syntax.Binary | syntax.Unary) -> Filter:
    shown = "-" if isinstance(node, syntax.Unary) else operator
    if Kind.TIME in (left.kind, right.kind) and operator in ("add", "sub"):
        raise unsupported("$filter", f"{shown} of times at position {node.at}")
    for operand in (left, right):
        if operand.kind not in (*NUMBERS, Kind.NULL):
            raise wrong("$filter", node.at, f"{shown} takes numbers, not {operand.kind}")
    if _is_null(left, right):
        return Constant(None, Kind.NULL)
    left, right = _alike(left, right)
    if operator == "mod" and left.kind is Kind.DOUBLE:
        raise unsupported("$filter", f"mod of Edm.Double at position {node.at}")
    return _folded(filters.Arithmetic(operator, left, right, left.kind))


def _is_null(*nodes: Filter) -> bool:
    return any(isinstance(node, Constant) and node.value is None for node in nodes)


def _alike(left: Filter, right: Filter) -> tuple[Filter, Filter]:
    """Both Doubles where one of them is."""
    if {left.kind, right.kind} == set(NUMBERS):
        return _as_double(left), _as_double(right)
    return left, right


def _as_double(node: Filter) -> Filter:
    return node if node.kind is Kind.DOUBLE else _folded(AsDouble(node))


def _check_same(left: Filter, right: Filter, one: Syntax, other: Syntax) -> None:
    kinds = {left.kind, right.kind}
    if len(kinds) == 1 or Kind.NULL in kinds or kinds == set(NUMBERS):
        return
    if isinstance(one, syntax.Literal):
        left, right, one, other = right, left, other, one
    hint = f"; write {_EXAMPLES[left.kind]}" if isinstance(other, syntax.Literal) else ""
    raise wrong(
        "$filter",
        other.at,
        f"{_shown(one)} is {_type(left)} and is not compared with {_shown(other)}, {_type(right)}{hint}",
    )


def _type(node: Filter) -> str:
    return node.type if isinstance(node, Property) else node.kind


def _shown(node: Syntax) -> str:
    match node:
        case syntax.Name() | syntax.Literal():
            return node.text[:100]
        case syntax.Invocation():
            return f"{node.function}(…)"
    return "the expression"


def _condition(node: Filter, written: Syntax, where: str) -> Filter:
    if node.kind is Kind.NULL:
        return Constant(None, Kind.BOOLEAN)
    if node.kind is not Kind.BOOLEAN:
        hint = ": write not (…) around a comparison" if where == "not" else ""
        raise wrong("$filter", written.at, f"{where} takes a condition; {_shown(written)} is {_type(node)}{hint}")
    return node


def _check_argument(node: syntax.Invocation, index: int, argument: Filter, function: Function) -> None:
    written, kinds = node.arguments[index], function.takes[index]
    if argument.kind not in (*kinds, Kind.NULL):
        raise wrong(
            "$filter",
            written.at,
            f"{node.function} takes {' or '.join(kinds)} as argument {index + 1}; {_shown(written)} is {_type(argument)}",
        )
    if index not in function.constants:
        return
    if not isinstance(argument, Constant):
        raise unsupported("$filter", f"{node.function} with a property as argument {index + 1}")
    if isinstance(argument.value, int) and argument.value < 0:
        raise wrong("$filter", written.at, f"{node.function} takes no negative number")


def _no_function(node: syntax.Invocation) -> Exception:
    if node.function in ABSENT:
        return unsupported("$filter", f"the function {node.function}")
    near = get_close_matches(node.function[:LONGEST_NAME], FUNCTIONS, 3) or FUNCTIONS
    return BadRequest(
        f"$filter at position {node.at}: there is no function {node.function[:100]!r}; there are: {', '.join(near)}",
        target="$filter",
    )
