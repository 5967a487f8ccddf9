"""What is a skill? An AmlSkill definition as it stands in a skillset, read strictly.

Source: Azure AI Search, "AML skill in an Azure AI Search enrichment pipeline" (parameters, limits, defaults).
Parameter names are case-sensitive; null and an empty nested `inputs` count as absent, as portals write them.
`gateway` is our extension: what the built-in skill cannot be told.
"""

from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from enum import StrEnum
from itertools import islice
from typing import Annotated, Any, Final, Literal, Self

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    Field,
    StrictBool,
    StrictInt,
    StrictStr,
    ValidationError,
    model_validator,
)

from shared.documents import MOST_FAULTS, Document, combined, fault_detail, names_of, unknown_parameter
from shared.duration import parse_duration
from shared.errors import ErrorDetail, InvalidDefinition, InvalidExpression
from shared.skills.addresses import EndpointId
from shared.skills.expressions import check_source, parse_path

ODATA_TYPE: Final = "#Microsoft.Skills.Custom.AmlSkill"
REDACTED = "***"
DEFAULT_TIMEOUT = 30.0
DEFAULT_PARALLELISM = 5
LONGEST_DEADLINE = 225.0
READ_ONLY = frozenset({"skill", "@odata.etag"})
"""Members that only an answer holds; a PUT of what GET gave ignores them."""

_WHAT = "the definition"
_DEEPEST = 50
_DEEPEST_INPUTS = 20


class Payload(StrEnum):
    """How inputs are put into a call's body."""

    RECORD = "record"
    """The inputs object itself: what the built-in skill sends."""
    DATAFRAME_SPLIT = "dataframe_split"
    INSTANCES = "instances"


class OnError(StrEnum):
    ERROR = "error"
    WARNING = "warning"


class ErrorText(StrEnum):
    """How much of the endpoint's answer an error message repeats."""

    NONE = "none"
    STATUS = "status"
    TEXT = "text"


def _seconds(shortest: float, longest: float) -> BeforeValidator:
    def read(value: object) -> float:
        if not isinstance(value, str):
            raise ValueError("must be a string, an XSD dayTimeDuration such as PT30S")
        seconds = parse_duration(value)
        if not shortest <= seconds <= longest:
            raise ValueError(f"must be from {shortest:g} to {longest:g} seconds; {value} is {seconds:g}")
        return seconds

    return BeforeValidator(read, json_schema_input_type=str)


def _identifier(value: str) -> str:
    if not value.strip() or len(value) > 255 or any(character < " " for character in value):
        raise ValueError("must be a name of 1 to 255 characters")
    return value


def _header_value(value: str) -> str:
    if not value or not all("!" <= character <= "~" for character in value):
        raise ValueError("must be printable ASCII without spaces, for it is sent in a header")
    return value


def _readable(read: Callable[[str], object]) -> AfterValidator:
    """Takes a text as it is, once `read` accepts it."""

    def check(text: str) -> str:
        try:
            read(text)
        except InvalidExpression as error:
            raise ValueError(error.message) from error
        return text

    return AfterValidator(check)


Name = Annotated[StrictStr, AfterValidator(_identifier)]
PathText = Annotated[StrictStr, _readable(parse_path)]


class SkillInput(Document):
    """One input: a `source`, or an object shaped in place from `sourceContext` and nested `inputs`."""

    name: Name
    source: Annotated[StrictStr, _readable(check_source)] | None = None
    source_context: PathText | None = None
    inputs: "tuple[SkillInput, ...]" = ()

    @model_validator(mode="after")
    def _one_origin(self) -> Self:
        if self.source is not None and (self.source_context is not None or self.inputs):
            raise ValueError("source excludes sourceContext and nested inputs; keep one of the two")
        if self.source is None and not self.inputs:
            raise ValueError("needs a source, or a sourceContext with nested inputs")
        if self.inputs and self.source_context is None:
            raise ValueError("nested inputs need a sourceContext")
        _refuse_duplicates("input", [item.name for item in self.inputs])
        return self


class SkillOutput(Document):
    """One output: `name` in the endpoint's answer, `targetName` in the document."""

    name: Name
    target_name: Name | None = None

    @property
    def target(self) -> str:
        return self.target_name or self.name


class Gateway(Document):
    """How the gateway calls; every member is optional."""

    retries: Annotated[StrictInt, Field(ge=0, le=10)] = 2
    retry_statuses: tuple[Annotated[StrictInt, Field(ge=400, le=599)], ...] = (429, 502, 503, 504)
    on_error: OnError = OnError.ERROR
    deadline: Annotated[float | None, _seconds(1, LONGEST_DEADLINE)] = None
    """Seconds that the caller waits."""
    payload: Payload = Payload.RECORD
    max_records_per_call: Annotated[StrictInt, Field(ge=1, le=1000)] = 1
    deployment: Annotated[StrictStr, Field(pattern=r"^[a-zA-Z0-9][a-zA-Z0-9_-]{0,254}$")] | None = None
    unwrap_string: StrictBool = False
    error_detail: ErrorText = ErrorText.TEXT

    @model_validator(mode="after")
    def _batch_has_a_shape(self) -> Self:
        if self.max_records_per_call > 1 and self.payload is Payload.RECORD:
            raise ValueError('maxRecordsPerCall above 1 needs payload "dataframe_split" or "instances"')
        return self


class SkillDefinition(Document):
    """An AmlSkill definition, checked."""

    odata_type: Literal["#Microsoft.Skills.Custom.AmlSkill"] = Field(ODATA_TYPE, validation_alias="@odata.type")
    name: Name | None = None
    description: StrictStr | None = None
    context: PathText = "/document"
    inputs: Annotated[tuple[SkillInput, ...], Field(min_length=1)]
    outputs: Annotated[tuple[SkillOutput, ...], Field(min_length=1)]
    uri: StrictStr | None = None
    key: Annotated[StrictStr, AfterValidator(_header_value)] | None = None
    resource_id: Annotated[StrictStr, _readable(EndpointId.parse)] | None = None
    region: Annotated[StrictStr, Field(pattern=r"^[A-Za-z0-9 ]{1,64}$")] | None = None
    timeout: Annotated[float, _seconds(1, 230)] = DEFAULT_TIMEOUT
    """Seconds of one attempt, from connecting to the last byte."""
    degree_of_parallelism: Annotated[StrictInt, Field(ge=1, le=10)] = DEFAULT_PARALLELISM
    gateway: Gateway = Gateway()

    @model_validator(mode="after")
    def _one_address(self) -> Self:
        if (self.uri is None) == (self.resource_id is None):
            raise ValueError(
                "give uri (key or no authentication) or resourceId (token authentication), and only one of them"
            )
        if self.resource_id is not None and self.key is not None:
            raise ValueError(
                "key goes only with uri; an endpoint named by resourceId is called with this app's identity"
            )
        if self.region is not None and self.resource_id is None:
            raise ValueError("region goes only with resourceId")
        _refuse_duplicates("input", [item.name for item in self.inputs])
        _refuse_duplicates("output", [item.name for item in self.outputs])
        _refuse_duplicates("output target", [item.target for item in self.outputs])
        return self

    @property
    def endpoint_id(self) -> EndpointId | None:
        return EndpointId.parse(self.resource_id) if self.resource_id else None


def _refuse_duplicates(kind: str, names: list[str]) -> None:
    twice = [name for name, times in Counter(names).items() if times > 1]
    if twice:
        raise ValueError(f"the {kind} {twice[0]!r} is there more than once; names are unique")


def parse_definition(document: Mapping[str, Any]) -> SkillDefinition:
    """Read a definition (as `strip_definition` leaves it). Raises InvalidDefinition: every fault with its place."""
    return _read(document, extra="forbid")


def stored_definition(document: Mapping[str, Any]) -> SkillDefinition:
    """One that was checked when it was saved, perhaps by a newer release: members that this one does not know are ignored."""
    return _read(document, extra="ignore")


def _read(document: Mapping[str, Any], extra: Literal["forbid", "ignore"]) -> SkillDefinition:
    try:
        return SkillDefinition.model_validate(document, extra=extra)
    except ValidationError as error:
        faults = error.errors(include_url=False, include_input=False)[:MOST_FAULTS]
        raise combined([fault_detail(fault) for fault in faults], _WHAT, InvalidDefinition) from error


def strip_definition(body: object) -> dict[str, Any]:
    """A body without what counts as absent: nulls, empty nested `inputs`, read-only members; `@odata.type` with its `#`.

    Raises InvalidDefinition for a body that is no object, and for a parameter that no AmlSkill has,
    also when its value is null, with the nearest name that exists.
    """
    if not isinstance(body, dict):
        raise InvalidDefinition("a definition is a JSON object: an AmlSkill as it stands in a skillset")
    document = {name: value for name, value in body.items() if name not in READ_ONLY}
    faults = list(islice(_unknown_names(document), MOST_FAULTS))
    if faults:
        raise combined(faults, _WHAT, InvalidDefinition)
    stripped: dict[str, Any] = _strip(document)
    odata_type = stripped.get("@odata.type")
    if isinstance(odata_type, str) and not odata_type.startswith("#"):
        stripped["@odata.type"] = f"#{odata_type}"
    return stripped


def _strip(value: Any, depth: int = 0) -> Any:
    if depth > _DEEPEST:
        raise InvalidDefinition(f"the definition nests values more than {_DEEPEST} levels deep")
    if isinstance(value, list):
        return [_strip(item, depth + 1) for item in value]
    if not isinstance(value, dict):
        return value
    return {name: _strip(item, depth + 1) for name, item in value.items() if not _is_absent(name, item, value)}


def _is_absent(name: str, item: object, holder: dict[str, Any]) -> bool:
    is_nested = "source" in holder or "sourceContext" in holder
    return item is None or (name == "inputs" and item == [] and is_nested)


def _unknown_names(document: Mapping[str, Any]) -> Iterator[ErrorDetail]:
    yield from _unknown_in(document, SkillDefinition, "")
    yield from _unknown_in(document.get("gateway"), Gateway, "gateway.")
    yield from _unknown_in_inputs(document.get("inputs"), "inputs")
    for index, output in enumerate(_listed(document.get("outputs"))):
        yield from _unknown_in(output, SkillOutput, f"outputs[{index}].")


def _unknown_in_inputs(inputs: object, place: str, depth: int = 0) -> Iterator[ErrorDetail]:
    if depth > _DEEPEST_INPUTS and inputs:
        yield ErrorDetail("TooDeep", f"nested inputs go at most {_DEEPEST_INPUTS} levels deep", place)
        return
    for index, item in enumerate(_listed(inputs)):
        yield from _unknown_in(item, SkillInput, f"{place}[{index}].")
        if isinstance(item, dict):
            yield from _unknown_in_inputs(item.get("inputs"), f"{place}[{index}].inputs", depth + 1)


def _listed(value: object) -> list[Any]:
    return value if isinstance(value, list) else []


def _unknown_in(document: object, model: type[BaseModel], place: str) -> Iterator[ErrorDetail]:
    known = names_of(model)
    for name in document if isinstance(document, dict) else ():
        if name not in known:
            yield unknown_parameter(name, known, f"{place}{name[:100]}")
