"""What is a workflow? A connection, a pipeline, its required data, and the entity that its output becomes.

Source: the wizard of Customer Insights' custom models: connection, pipeline, output path and output datastore; then
name, output entity, primary key and customer id; then the required data.
"""

import re
from collections.abc import Mapping
from enum import StrEnum
from typing import Annotated, Any, Literal, Self
from urllib.parse import unquote

from pydantic import (
    AfterValidator,
    BeforeValidator,
    Field,
    PlainValidator,
    StrictBool,
    StrictFloat,
    StrictInt,
    StrictStr,
    ValidationError,
    model_validator,
)

from shared.documents import Document, combined, fault_detail, read_document
from shared.duration import format_duration, parse_duration
from shared.errors import InvalidDefinition

READ_ONLY = frozenset(
    {"name", "ready", "missing", "lastRun", "nextRuns", "published", "pipelineId", "pipelineVersion", "@odata.etag"}
)
_ENTITY = re.compile(r"[A-Za-z][A-Za-z0-9_]{0,62}")
_SECRET = re.compile(r"@appsetting\('(NOTIFY_[A-Za-z0-9_]{1,100})'\)")
_PIPELINE = re.compile(r"[a-zA-Z0-9][a-zA-Z0-9._-]{0,254}(?::[a-zA-Z0-9._-]{1,30}|@latest)?")
_DEFAULT_TIMEOUT = 6 * 3600.0
_LONGEST_TIMEOUT = 21 * 86400.0
_LONGEST_AGE = 366 * 86400.0


class Provider(StrEnum):
    COMPONENT = "component"
    """A registered pipeline component, run as a job."""
    BATCH_ENDPOINT = "batchEndpoint"
    """A batch endpoint with a pipeline component deployment."""


class SchemaChange(StrEnum):
    """Which changes of its columns an entity takes without being asked."""

    NONE = "none"
    ADDITIVE = "additive"
    ANY = "any"


def _entity_name(value: str) -> str:
    if not _ENTITY.fullmatch(value):
        raise ValueError("starts with a letter, then letters, digits and underscores; at most 63")
    return value


def _safe_path(value: str) -> str:
    """A path in a datastore: it can lead nowhere else."""
    parts = value.strip("/").split("/")
    if "" in parts or leads_astray(value):
        raise ValueError("is a path of names with / between them, without . and .., backslashes and control characters")
    return "/".join(parts)


def leads_astray(path: str) -> bool:
    """It holds `.` or `..` as a name, a backslash or a control character, percent-encoded or not."""
    plain = unquote(path)
    return any(part in (".", "..") for part in plain.split("/")) or any(
        character == "\\" or ord(character) < 32 or ord(character) == 127 for character in plain
    )


def _seconds(value: object) -> float:
    if not isinstance(value, str):
        raise ValueError("must be a string, an XSD dayTimeDuration such as PT6H")
    seconds = parse_duration(value)
    if not 60 <= seconds <= _LONGEST_TIMEOUT:
        raise ValueError(f"must be from PT1M to {format_duration(_LONGEST_TIMEOUT)}, the longest that a job lives")
    return seconds


def _age(value: object) -> float:
    if not isinstance(value, str):
        raise ValueError("must be a string, an XSD dayTimeDuration such as P1D")
    seconds = parse_duration(value)
    if not 60 <= seconds <= _LONGEST_AGE:
        raise ValueError(f"must be from PT1M to {format_duration(_LONGEST_AGE)}")
    return seconds


def _pipeline(value: str) -> str:
    if not _PIPELINE.fullmatch(value):
        raise ValueError("is a name, name:version or name@latest")
    return value


def _literal(value: object) -> object:
    if not isinstance(value, str | bool | int | float):
        raise ValueError("must be a string, a number, true or false")
    return value


type Scalar = str | bool | int | float
EntityName = Annotated[StrictStr, AfterValidator(_entity_name)]
SafePath = Annotated[StrictStr, Field(max_length=700), AfterValidator(_safe_path)]
Name = Annotated[StrictStr, Field(min_length=1, max_length=255)]


ColumnType = Literal["Edm.Boolean", "Edm.Int32", "Edm.Int64", "Edm.Double", "Edm.DateTimeOffset", "Edm.String"]


class RequiredData(Document):
    """One of: an `azureml://` path, a literal, or one of our own entities."""

    path: StrictStr | None = None
    value: Annotated[Scalar | None, PlainValidator(_literal, json_schema_input_type=Scalar)] = None
    entity: EntityName | None = None
    format: Literal["csv", "parquet"] = "csv"
    """Of an entity's export."""

    @model_validator(mode="after")
    def _one_source(self) -> Self:
        given = [name for name in ("path", "value", "entity") if getattr(self, name) is not None]
        if len(given) != 1:
            raise ValueError("has one of path, value and entity")
        if "format" in self.model_fields_set and self.entity is None:
            raise ValueError("format is for the export of an entity")
        return self


class ScheduleDocument(Document):
    cron: StrictStr
    time_zone: StrictStr = "UTC"
    enabled: StrictBool = True


class Quality(Document):
    """What an import has to be like to be published without a person."""

    min_rows: Annotated[StrictInt, Field(ge=0)] = 1
    max_rejected_ratio: Annotated[StrictFloat, Field(ge=0, le=1)] = 0.01
    max_row_count_change_ratio: Annotated[StrictFloat, Field(ge=0)] = 0.5
    schema_change: SchemaChange = SchemaChange.ADDITIVE


class Event(StrEnum):
    """What is told of a run: its ends, and that it is held."""

    SUCCEEDED = "succeeded"
    FAILED = "failed"
    CANCELED = "canceled"
    HELD = "held"


def _secret_setting(value: str) -> str:
    found = _SECRET.fullmatch(value)
    if found is None or found[1] == "NOTIFY_HOSTS":
        raise ValueError("is a reference @appsetting('NOTIFY_<NAME>'); the app setting of that name holds the secret")
    return value


class Notify(Document):
    """Whom to tell of the workflow's runs."""

    url: Annotated[StrictStr, Field(max_length=2048)]
    """Checked against the allowed hosts when it is saved, and at each call."""
    secret: Annotated[StrictStr, AfterValidator(_secret_setting)]
    """A reference to the app setting with what notifications are signed with."""
    on: Annotated[tuple[Event, ...], Field(min_length=1)] = tuple(Event)

    @property
    def secret_setting(self) -> str:
        found = _SECRET.fullmatch(self.secret)
        return found[1] if found else ""


class WorkflowDefinition(Document):
    """A workflow's document, checked by itself; `shared.workflows.mapping` checks it against its pipeline."""

    connection: EntityName
    pipeline: Annotated[StrictStr, AfterValidator(_pipeline)]
    provider: Provider = Provider.COMPONENT
    output_path: SafePath
    output_datastore: Name
    output: Name | None = None
    """Style A: the data output, where the pipeline has several."""
    output_path_parameter: Name | None = None
    """Style B: the inputs that take path and datastore."""
    output_datastore_parameter: Name | None = None
    output_entity: EntityName
    primary_key: Name
    customer_id: Name
    required_data: Mapping[str, RequiredData] = Field(default_factory=dict)
    columns: Mapping[str, ColumnType] = Field(default_factory=dict)
    timeout: Annotated[float, BeforeValidator(_seconds, json_schema_input_type=str)] = _DEFAULT_TIMEOUT
    schedule: ScheduleDocument | None = None
    quality: Quality = Quality()
    max_age: Annotated[float | None, BeforeValidator(_age, json_schema_input_type=str)] = None
    """Seconds after which what is published counts as stale."""
    notify: Notify | None = None

    @model_validator(mode="after")
    def _both_parameters(self) -> Self:
        if (self.output_path_parameter is None) != (self.output_datastore_parameter is None):
            raise ValueError("outputPathParameter and outputDatastoreParameter go together")
        if self.output is not None and self.output_path_parameter is not None:
            raise ValueError("output and outputPathParameter exclude each other: the pipeline takes its place one way")
        return self


def parse_workflow(body: object) -> WorkflowDefinition:
    """Raises InvalidDefinition: every fault with its place."""
    return read_document(WorkflowDefinition, body, what="a workflow", read_only=READ_ONLY, error=InvalidDefinition)


def stored_workflow(document: Mapping[str, Any]) -> WorkflowDefinition:
    """A document that was checked when it was saved, perhaps by a newer release: members that this one does not know are
    ignored. Raises InvalidDefinition."""
    try:
        return WorkflowDefinition.model_validate(document, extra="ignore")
    except ValidationError as error:
        faults = [fault_detail(fault) for fault in error.errors(include_url=False, include_input=False)]
        raise combined(faults, "the stored workflow", InvalidDefinition) from error


def merged(document: Mapping[str, Any], patch: object) -> dict[str, Any]:
    """JSON Merge Patch (RFC 7386): null removes a member. Raises InvalidDefinition."""
    if not isinstance(patch, dict):
        raise InvalidDefinition("a PATCH is a JSON object with the members to change; null removes one")
    result = dict(document)
    for name, value in patch.items():
        if value is None:
            result.pop(name, None)
        elif isinstance(value, dict):
            former = result.get(name)
            result[name] = merged(former if isinstance(former, dict) else {}, value)
        else:
            result[name] = value
    return result
