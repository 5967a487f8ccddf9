"""Which customers does a filter name, so that their rows are read by prefix, and nothing else is?"""

from dataclasses import dataclass

from shared.entities.odata.filters import Comparison, Constant, Filter, Junction, Member, Property
from shared.entities.schema import CUSTOMER_ID, Schema


@dataclass(frozen=True, slots=True)
class Customers:
    ids: tuple[str, ...]
    """Each once, in the order they were asked for."""
    rest: Filter | None
    """What else a row of theirs has to match."""


def customer_ids(node: Filter, schema: Schema) -> Customers | None:
    """None for a filter whose rows may be any customer's."""
    conjuncts = node.operands if isinstance(node, Junction) and node.operator == "and" else (node,)
    for index, conjunct in enumerate(conjuncts):
        if (ids := _ids(conjunct, (CUSTOMER_ID, schema.customer_id))) is not None:
            rest = conjuncts[:index] + conjuncts[index + 1 :]
            return Customers(tuple(dict.fromkeys(ids)), rest[0] if len(rest) == 1 else _all(rest))
    return None


def _all(conjuncts: tuple[Filter, ...]) -> Filter | None:
    return Junction("and", conjuncts) if conjuncts else None


def _ids(node: Filter, names: tuple[str, str]) -> list[str] | None:
    match node:
        case Comparison("eq", Property(name), Constant(value)) if name in names:
            return [value] if isinstance(value, str) else []
        case Member(Property(name), values) if name in names:
            return [value for value in values if isinstance(value, str)]
        case Junction("or", operands):
            found = [_ids(operand, names) for operand in operands]
            return None if None in found else [each for ids in found if ids is not None for each in ids]
    return None
