"""The names of everything that this app tells of itself: spans, metrics, attributes. docs/observability.md explains them.

Alerts, workbooks and queries use these names, so they are changed as an API is. Attributes hold no payload, no key, no
query and no customer id: what goes into one is chosen from names, counts, statuses and codes.
"""

from dataclasses import dataclass
from enum import StrEnum


class Spans(StrEnum):
    """Beside these, each function's call is a span of the function's own name."""

    SCORING_CALL = "scoring.call"
    AZURE_CALL = "azure.call"
    RUN_BEGIN = "run.begin"
    RUN_STEP = "run.step"
    RUN_STATUS = "run.status"
    RUN_PART = "run.part"


class Attributes(StrEnum):
    """The first ones are OpenTelemetry's own names (semantic conventions 1.37)."""

    ERROR = "error.type"
    METHOD = "http.request.method"
    STATUS = "http.response.status_code"
    HOST = "server.address"
    TRIGGER = "faas.trigger"
    QUEUE = "messaging.destination.name"
    REQUEST = "bridge.request"
    SKILL = "bridge.skill"
    ENDPOINT = "bridge.endpoint"
    ATTEMPT = "bridge.attempt"
    RECORDS = "bridge.records"
    FAILED = "bridge.failed"
    WAIT = "bridge.wait"
    RESOURCE = "bridge.resource"
    RUN = "bridge.run"
    RUN_STATUS = "bridge.run.status"
    STEP = "bridge.step"
    PART = "bridge.part"
    WORKFLOW = "bridge.workflow"
    ENTITY = "bridge.entity"
    OUTCOME = "bridge.outcome"


class Kind(StrEnum):
    """Of a metric."""

    COUNTER = "counter"
    HISTOGRAM = "histogram"
    GAUGE = "gauge"


@dataclass(frozen=True, slots=True)
class Metric:
    name: str
    kind: Kind
    unit: str
    """As UCUM writes it."""
    what: str
    attributes: tuple[Attributes, ...]


SCORING_CALLS = Metric(
    "bridge.scoring.calls",
    Kind.COUNTER,
    "{call}",
    "attempts at an endpoint; the outcome is `Answered` or the error's code",
    (Attributes.SKILL, Attributes.OUTCOME),
)
SCORING_RETRIES = Metric(
    "bridge.scoring.retries",
    Kind.COUNTER,
    "{call}",
    "those of the calls that were not the first for their records",
    (Attributes.SKILL,),
)
SCORING_DURATION = Metric(
    "bridge.scoring.duration",
    Kind.HISTOGRAM,
    "s",
    "from sending a call to its last byte; calls that reached no endpoint are left out",
    (Attributes.SKILL,),
)
SCORING_QUEUE_WAIT = Metric(
    "bridge.scoring.queue_wait",
    Kind.HISTOGRAM,
    "s",
    "how long a call waited before it was sent: for one of the skill's `places` (degreeOfParallelism), or at the `limiter`",
    (Attributes.SKILL, Attributes.ENDPOINT, Attributes.WAIT),
)
SCORING_WINDOW = Metric(
    "bridge.scoring.window",
    Kind.GAUGE,
    "{call}",
    "calls that this process may have in flight at an endpoint",
    (Attributes.ENDPOINT,),
)
LIMITER_CLOSED = Metric(
    "bridge.limiter.closed",
    Kind.GAUGE,
    "1",
    "1 while the limiter of this process lets only probes through to an endpoint, else 0",
    (Attributes.ENDPOINT,),
)
RUNS = Metric(
    "bridge.runs",
    Kind.COUNTER,
    "{run}",
    "runs that came to a status",
    (Attributes.RUN_STATUS, Attributes.WORKFLOW),
)
ROWS = Metric(
    "bridge.rows",
    Kind.COUNTER,
    "{row}",
    "rows of runs that succeeded; the outcome is `imported` or `rejected`",
    (Attributes.WORKFLOW, Attributes.OUTCOME),
)
ENTITY_AGE = Metric(
    "bridge.entity.age",
    Kind.GAUGE,
    "s",
    "since the rows that readers see were published; told by the process that had the latest tick",
    (Attributes.ENTITY, Attributes.WORKFLOW),
)
SCHEDULE_TICK = Metric(
    "bridge.schedule.tick",
    Kind.COUNTER,
    "{tick}",
    "ticks of the schedules, one a minute; the outcome is `succeeded`, `partly` where a workflow's schedule failed, or `failed`",
    (Attributes.OUTCOME,),
)
POISON = Metric(
    "bridge.poison",
    Kind.COUNTER,
    "{message}",
    "queue messages that were given up",
    (Attributes.QUEUE,),
)

METRICS = (
    SCORING_CALLS,
    SCORING_RETRIES,
    SCORING_DURATION,
    SCORING_QUEUE_WAIT,
    SCORING_WINDOW,
    LIMITER_CLOSED,
    RUNS,
    ROWS,
    ENTITY_AGE,
    SCHEDULE_TICK,
    POISON,
)
