"""The models' JSON Schemas, as OpenAPI 3.1 takes them: by the names on the wire, described by what stands below a field."""

import ast
import inspect
import textwrap
from collections.abc import Iterable, Mapping
from typing import Any

from pydantic import BaseModel
from pydantic.json_schema import GenerateJsonSchema, JsonSchemaValue, models_json_schema
from pydantic_core import core_schema

from shared.duration import format_duration

REF = "#/components/schemas/{model}"


class WireSchema(GenerateJsonSchema):
    """Durations are text on the wire and seconds inside, and so are their defaults. null is no default worth a word, for
    it counts as absent; nor is a model, whose members tell theirs."""

    def default_schema(self, schema: core_schema.WithDefaultSchema) -> JsonSchemaValue:
        made = super().default_schema(schema)
        default = made.get("default")
        if isinstance(default, float) and made.get("type") == "string":
            made["default"] = format_duration(default)
        elif default is None or isinstance(default, dict):
            made.pop("default", None)
        return made


def schemas_of(models: Iterable[type[BaseModel]]) -> dict[str, Any]:
    """Of the models and all that they hold, by name."""
    wanted = {model.__name__: model for model in models}
    _, found = models_json_schema(
        [(wanted[name], "validation") for name in sorted(wanted)], ref_template=REF, schema_generator=WireSchema
    )
    schemas: dict[str, Any] = found.get("$defs", {})
    known = _known(wanted.values())
    for name, schema in schemas.items():
        if name in known:
            _describe(schema, known[name])
    return schemas


def _known(models: Iterable[type[BaseModel]]) -> Mapping[str, type[BaseModel]]:
    """The models and those in their fields, by name."""
    found: dict[str, type[BaseModel]] = {}
    waiting = list(models)
    while waiting:
        model = waiting.pop()
        if model.__name__ not in found:
            found[model.__name__] = model
            waiting += [inner for field in model.model_fields.values() for inner in _models_in(field.annotation)]
    return found


def _models_in(annotation: Any) -> Iterable[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    for inner in getattr(annotation, "__args__", ()):
        yield from _models_in(inner)


def _describe(schema: dict[str, Any], model: type[BaseModel]) -> None:
    notes = {name: note for base in reversed(model.__mro__) for name, note in _notes(base).items()}
    for name, field in model.model_fields.items():
        shown = schema.get("properties", {}).get(str(field.validation_alias or field.alias or name))
        if shown is not None and name in notes:
            shown.setdefault("description", notes[name])
        if shown is not None:
            shown.pop("title", None)


def _notes(model: type) -> Mapping[str, str]:
    """What stands below the fields in a class's source."""
    if not model.__module__.startswith("shared.") or "__firstlineno__" not in vars(model):  # pydantic made it
        return {}
    [body] = ast.parse(textwrap.dedent(inspect.getsource(model))).body
    assert isinstance(body, ast.ClassDef)
    return {
        before.target.id: inspect.cleandoc(note.value.value)
        for before, note in zip(body.body, body.body[1:], strict=False)
        if isinstance(before, ast.AnnAssign)
        and isinstance(before.target, ast.Name)
        and isinstance(note, ast.Expr)
        and isinstance(note.value, ast.Constant)
        and isinstance(note.value.value, str)
    }
