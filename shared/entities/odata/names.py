"""Which properties does a name mean? Found in any case; for one that is not there, the nearest are told."""

from collections.abc import Sequence
from difflib import get_close_matches

from shared.entities.odata.faults import wrong
from shared.entities.odata.parsing import Order
from shared.entities.odata.syntax import Name
from shared.entities.schema import Schema

LONGEST_NAME = 128
"""Of an OData identifier."""


def bind_select(names: Sequence[Name], schema: Schema) -> tuple[str, ...]:
    """The properties, each once. Raises BadRequest."""
    if any(name.text == "*" for name in names):
        return tuple(schema.properties)
    return tuple(dict.fromkeys(find_property(name.text, name.at, schema, "$select") for name in names))


def bind_orderby(orders: Sequence[Order], schema: Schema) -> tuple[tuple[str, bool], ...]:
    """Properties, each with whether it descends. Raises BadRequest."""
    return tuple((find_property(order.name, order.at, schema, "$orderby"), order.descending) for order in orders)


def find_property(text: str, at: int, schema: Schema, option: str) -> str:
    """As the entity spells it. Raises BadRequest with the nearest names."""
    names = schema.folded
    if (found := names.get(text.casefold())) is not None:
        return found
    near = get_close_matches(text.casefold()[:LONGEST_NAME], names, 3)
    shown = ", ".join(names[each] for each in near) if near else ", ".join(list(names.values())[:20])
    raise wrong(
        option, at, f"there is no property {text[:100]!r}; {'the nearest are' if near else 'there are'}: {shown}"
    )
