"""What would the indexer do? Whole documents enriched as a skillset would: context, sources, shaping, targetName."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from shared.errors import BadRequest, InvalidExpression, PayloadTooLarge
from shared.skills.definition import OnError, SkillDefinition, SkillInput
from shared.skills.enrichment import Prepared, describe, missing_input, prepare, score_prepared
from shared.skills.expressions import Expression, Path, location, parse_path, parse_source
from shared.skills.failures import Failure
from shared.skills.gateway import Outcome, Skill
from shared.skills.payloads import Outputs
from shared.skills.tree import AlreadyExists, Missing, Scope, evaluate, is_many
from shared.wire import Json


@dataclass(slots=True)
class EnrichedDocument:
    """A document with what enrichment added, and what went wrong in it."""

    document: Json
    errors: list[str] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)

    def render(self) -> dict[str, Json]:
        return {
            "document": self.document,
            "errors": [{"message": message} for message in self.errors],
            "warnings": [{"message": message} for message in self.warnings],
        }


def parse_documents(body: Json, *, most_documents: int) -> list[Json]:
    """Read `{"documents": [{…}]}`. Raises BadRequest and PayloadTooLarge."""
    documents = body.get("documents") if isinstance(body, dict) else None
    if not isinstance(documents, list):
        raise BadRequest('the body is not {"documents": [{…}, …]}: send the documents as they stand below /document')
    if len(documents) > most_documents:
        raise PayloadTooLarge(
            f"{len(documents)} documents in one request, at most {most_documents} are taken (app setting MAX_DOCUMENTS)"
        )
    for index, document in enumerate(documents):
        if not isinstance(document, dict):
            raise BadRequest(f"documents[{index}] is not an object", target=f"documents[{index}]")
    return documents


@dataclass(frozen=True, slots=True)
class _Run:
    """One execution of the skill: the node it belongs to, and what it is given."""

    scope: Scope
    prepared: Prepared


async def enrich_documents(
    skill: Skill, documents: Sequence[Json], seconds: float, request_id: str = ""
) -> list[EnrichedDocument]:
    """Each document enriched. Raises OperatorNotSupported for a source that only the indexer can evaluate."""
    shape = _Shape.of(skill.definition)
    roots = [Scope.of(document) for document in documents]
    results = [EnrichedDocument(document) for document in documents]
    runs = [_plan(shape, root, result) for root, result in zip(roots, results, strict=True)]
    outcomes = iter(await score_prepared(skill, [run.prepared for group in runs for run in group], seconds, request_id))
    for root, group, result in zip(roots, runs, results, strict=True):
        for run in group:
            _apply(skill, run, next(outcomes), result)
        result.document = root.node.render()
    return results


@dataclass(frozen=True, slots=True)
class _Input:
    item: SkillInput
    source: Expression
    """What it is read from; with `nested`, the sourceContext's path."""
    nested: "tuple[_Input, ...]" = ()

    @classmethod
    def of(cls, item: SkillInput) -> "_Input":
        if item.source is not None:
            try:
                return cls(item, parse_source(item.source))
            except InvalidExpression as error:
                raise type(error)(f"input {item.name!r}: {error.message}", target=f"inputs.{item.name}") from error
        return cls(item, parse_path(item.source_context or ""), tuple(cls.of(nested) for nested in item.inputs))


@dataclass(frozen=True, slots=True)
class _Shape:
    """A definition's paths, parsed once."""

    definition: SkillDefinition
    context: Path
    inputs: tuple[_Input, ...]

    @classmethod
    def of(cls, definition: SkillDefinition) -> "_Shape":
        return cls(definition, parse_path(definition.context), tuple(_Input.of(item) for item in definition.inputs))


def _plan(shape: _Shape, root: Scope, result: EnrichedDocument) -> list[_Run]:
    """The runs for one document: one for every node that the context matches."""
    try:
        scopes = root.enumerate(shape.context)
    except Missing as missing:
        result.warnings.append(
            f"The skill was not executed, for its context {shape.context} matches nothing: {missing}."
        )
        return []
    free = [scope for scope in scopes if _targets_are_free(shape.definition, scope, result)]
    runs = [_Run(scope, _prepare(shape, scope)) for scope in free]
    for run in runs:
        result.warnings += run.prepared.warnings
    return runs


def _targets_are_free(definition: SkillDefinition, scope: Scope, result: EnrichedDocument) -> bool:
    """Asked before the call, so that none is made whose outputs cannot be kept."""
    taken = [output.target for output in definition.outputs if scope.node.has(output.target)]
    if taken:
        result.errors.append(_conflict(scope, taken[0]))
    return not taken


def _conflict(scope: Scope, target: str) -> str:
    return (
        f"Could not execute skill, for the node {location(*scope.node.place, target)} already exists and nodes are "
        "immutable: give the output another targetName."
    )


def _prepare(shape: _Shape, scope: Scope) -> Prepared:
    reader = _InputReader()
    data = {}
    for item in shape.inputs:
        try:
            data[item.item.name] = reader.value(item, scope)
        except Missing as missing:
            reader.reasons[item.item.name] = f"{missing}."
    prepared = prepare(data, shape.definition, reader.reasons)
    return Prepared(prepared.inputs, [*prepared.warnings, *reader.warnings])


class _InputReader:
    """Evaluates inputs, and keeps why some have no value."""

    def __init__(self) -> None:
        self.reasons: dict[str, str] = {}
        """By the name of a top-level input."""
        self.warnings: list[str] = []
        """Of inputs nested in a shape that has others."""

    def value(self, item: _Input, scope: Scope) -> Json:
        """The input's value; for a shape one object, or an array of them where sourceContext has a `*` of its own.
        Raises Missing."""
        path = item.source
        if not item.nested or not isinstance(path, Path):
            return evaluate(item.source, scope)
        objects = [shaped for inner in scope.within(path) if (shaped := self._object(item, inner)) is not None]
        if is_many(path, scope):
            return list(objects)
        if not objects:
            raise Missing(f"No nested input of {item.item.name} has a value")
        return objects[0]

    def _object(self, item: _Input, scope: Scope) -> dict[str, Json] | None:
        found: dict[str, Json] = {}
        for nested in item.nested:
            try:
                found[nested.item.name] = self.value(nested, scope)
            except Missing as missing:
                self.warnings.append(missing_input(nested.item, f"{missing}."))
        return found or None


def _apply(skill: Skill, run: _Run, outcome: Outcome, result: EnrichedDocument) -> None:
    if not isinstance(outcome, Failure):
        _attach(skill.definition, run.scope, outcome, result)
        return
    message = f"{run.scope.node}: {describe(skill, outcome)}"
    (result.warnings if skill.definition.gateway.on_error is OnError.WARNING else result.errors).append(message)


def _attach(definition: SkillDefinition, scope: Scope, outputs: Outputs, result: EnrichedDocument) -> None:
    for output in definition.outputs:
        try:
            scope.node.add(output.target, outputs[output.name])
        except AlreadyExists:
            result.errors.append(_conflict(scope, output.target))
