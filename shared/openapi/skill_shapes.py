"""What the routes under `/api/skills` take and answer, beside the definition itself."""

from typing import Any

from pydantic import Field

from shared.openapi.shapes import ETAG, Shape
from shared.skills.definition import SkillDefinition


class StoredSkill(SkillDefinition):
    """An AmlSkill definition as it was saved; `key` is `"***"`."""

    skill: str
    etag: str = ETAG


class Skills(Shape):
    value: list[StoredSkill]


class Record(Shape):
    record_id: str
    """Given back with the record's result; each once in a request."""
    data: dict[str, Any] | None = None
    """The skill's inputs by name. Undeclared members are not sent to the endpoint."""


class Records(Shape):
    """The Web API custom skill's request, as Azure AI Search sends it."""

    values: list[Record]


class Message(Shape):
    message: str


class RecordResult(Shape):
    record_id: str
    data: dict[str, Any]
    """Exactly the declared outputs, or nothing where there is an error."""
    errors: list[Message]
    warnings: list[Message]


class RecordResults(Shape):
    """In the order of the request, each record once."""

    values: list[RecordResult]


class Documents(Shape):
    documents: list[dict[str, Any]]
    """As they stand below `/document` in an enrichment tree."""


class EnrichedDocument(Shape):
    document: dict[str, Any]
    errors: list[Message]
    warnings: list[Message]


class EnrichedDocuments(Shape):
    documents: list[EnrichedDocument]


class WebApiSkill(Shape):
    skill: dict[str, Any]
    """A `#Microsoft.Skills.Custom.WebApiSkill` to paste into a skillset."""
    warnings: list[str]
    """What its figures rest on, and what is left to fill in."""


class Latency(Shape):
    """Milliseconds of the last calls, as percentiles; null before the first."""

    p50: float | None
    p90: float | None
    p95: float | None
    p99: float | None


class Limiter(Shape):
    """Of the skill's endpoint, in this process."""

    window: float
    """Calls it lets through at once; below one, a share of the time."""
    in_flight: int
    waiting: int
    state: str
    """`open`, `paused` (Retry-After) or `closed` (nothing answers; one probe every 10 s)."""
    silent_attempts: int
    """In a row, without any answer."""


class SkillStats(Shape):
    """Of one process since it began."""

    skill: str
    process: str
    since: str
    records: int
    remembered: int
    """Records answered from the cache of results."""
    calls: int
    retries: int
    push_backs: int
    """Answers 429 and 503."""
    errors: dict[str, int]
    """Records that ended without enrichment, by code."""
    latency_ms: Latency = Field(alias="latencyMs")
    limiter: Limiter
