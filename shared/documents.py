"""A JSON document read strictly by a pydantic model: unknown names with the nearest, nulls as absent, faults with places.

`read_document` does all of it for the resources whose members are ours; `shared.skills.definition`, whose documents come
from portals, takes the pieces.
"""

import re
from collections.abc import Iterator
from difflib import get_close_matches
from typing import Any

from pydantic import AliasGenerator, BaseModel, ConfigDict, ValidationError
from pydantic.alias_generators import to_camel

from shared.errors import BadRequest, ErrorDetail

MOST_FAULTS = 20
_LONGEST_SHOWN = 100


class Document(BaseModel):
    """Frozen, camelCase on the wire, nothing beside its fields."""

    model_config = ConfigDict(frozen=True, extra="forbid", alias_generator=AliasGenerator(validation_alias=to_camel))


def read_document[M: BaseModel](
    model: type[M],
    body: object,
    *,
    what: str,
    read_only: frozenset[str] = frozenset(),
    error: type[BadRequest] = BadRequest,
) -> M:
    """`body` as a `model`; members of `read_only`, which only answers hold, are ignored. Raises `error`."""
    if not isinstance(body, dict):
        raise error(f"{what} is a JSON object")
    document = without_nulls({name: value for name, value in body.items() if name not in read_only})
    try:
        return model.model_validate(document)
    except ValidationError as invalid:
        faults = [
            _fault(model, fault) for fault in invalid.errors(include_url=False, include_input=False)[:MOST_FAULTS]
        ]
        raise combined(faults, what, error) from invalid


def without_nulls(value: Any) -> Any:
    """Null members of objects count as absent, at any depth."""
    if isinstance(value, list):
        return [without_nulls(item) for item in value]
    if isinstance(value, dict):
        return {name: without_nulls(item) for name, item in value.items() if item is not None}
    return value


def combined(faults: list[ErrorDetail], what: str, error: type[BadRequest]) -> BadRequest:
    """The error that tells the first fault, and has all of them as details."""
    first = faults[0]
    more = f" (and {len(faults) - 1} more, see details)" if len(faults) > 1 else ""
    return error(f"{first.target or what}: {first.message}{more}", target=first.target, details=faults)


_WORDING = {
    "missing": "is required",
    "string_type": "must be a string",
    "int_type": "must be a whole number",
    "float_type": "must be a number",
    "bool_type": "must be true or false",
    "dict_type": "must be an object",
    "tuple_type": "must be an array",
    "model_type": "must be an object",
    "model_attributes_type": "must be an object",
    "greater_than_equal": "must be at least {ge}",
    "less_than_equal": "must be at most {le}",
    "enum": "must be {expected}",
    "literal_error": "must be {expected}, for nothing else is served here",
    "string_too_long": "must have at most {max_length} characters",
    "string_too_short": "must have at least {min_length} characters",
    "string_unicode": "must be text that UTF-8 can hold: it has half of a surrogate pair",
    "too_short": "needs at least one item",
    "string_pattern_mismatch": "must match {pattern}",
}


def _fault(model: type[BaseModel], fault: Any) -> ErrorDetail:
    if fault["type"] == "extra_forbidden":
        return unknown_parameter(str(fault["loc"][-1]), _siblings(model, fault["loc"]), _place(fault["loc"]))
    return fault_detail(fault)


def fault_detail(fault: Any) -> ErrorDetail:
    """One of pydantic's faults, in our words and with its place."""
    wording = _WORDING.get(fault["type"])
    message = wording.format_map(fault.get("ctx", {})) if wording else str(fault["msg"]).removeprefix("Value error, ")
    return ErrorDetail("InvalidParameter", message, _place(fault["loc"]))


def unknown_parameter(name: str, known: list[str], place: str | None) -> ErrorDetail:
    """With the nearest of the names there are."""
    shown = name[:_LONGEST_SHOWN]
    return ErrorDetail("UnknownParameter", f"unknown parameter {shown!r}; {_nearest(shown, known)}", place)


def _siblings(model: type[BaseModel], location: tuple[str | int, ...]) -> list[str]:
    """The names that the object at `location` may have."""
    found = model
    for part in location[:-1]:
        for name, field in found.model_fields.items():
            if part in (name, field.validation_alias):
                found = next(_models_in(field.annotation), found)
    return names_of(found)


def names_of(model: type[BaseModel]) -> list[str]:
    """The members of a model, as the wire spells them."""
    return [str(field.validation_alias or name) for name, field in model.model_fields.items()]


def _models_in(annotation: Any) -> Iterator[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    for inner in getattr(annotation, "__args__", ()):
        yield from _models_in(inner)


def _nearest(name: str, known: list[str]) -> str:
    lowered = {item.lower(): item for item in known}
    if same := lowered.get(name.lower()):
        return f"names are case-sensitive: did you mean {same!r}?"
    near = get_close_matches(name.lower(), lowered, n=1, cutoff=0.6)
    return f"did you mean {lowered[near[0]]!r}?" if near else f"there are {', '.join(known)}"


def _place(location: tuple[str | int, ...]) -> str | None:
    text = "".join(f"[{part}]" if isinstance(part, int) else f".{part[:_LONGEST_SHOWN]}" for part in location)
    return re.sub(r"^\.", "", text) or None
