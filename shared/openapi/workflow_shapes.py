"""What the routes of connections, workflows and runs answer."""

from typing import Any

from pydantic import Field, RootModel

from shared.openapi.shapes import ETAG, Shape
from shared.workflows.definition import WorkflowDefinition
from shared.workflows.runs import RunStatus, TriggerKind


class Consent(Shape):
    version: str
    text: str
    """What whoever makes a connection agrees to."""


class ConsentGiven(Shape):
    by: str
    at: str
    version: str


class Connection(Shape):
    name: str
    tenant: str
    workspace: str
    """The workspace's ARM id."""
    location: str
    """The Azure region that data goes to."""
    consent: bool
    consent_given: ConsentGiven


class Connections(Shape):
    value: list[Connection]


class PipelineInput(Shape):
    name: str
    type: str
    required: bool
    default: Any
    description: str | None


class PipelineOutput(Shape):
    name: str
    type: str


class Pipeline(Shape):
    """A pipeline component in its newest version, or a batch endpoint with a pipeline deployment."""

    name: str
    version: str
    provider: str
    display_name: str | None
    eligible: bool
    reasons: list[str]
    """Why it is not eligible."""
    styles: list[str]
    """How it takes the place of its output: `output`, a data output that this app points to a fresh path, or
    `parameters`, inputs for path and datastore."""
    inputs: list[PipelineInput]
    outputs: list[PipelineOutput]


class Pipelines(Shape):
    value: list[Pipeline]


class Datastore(Shape):
    """One that an output can go to."""

    name: str
    type: str
    is_default: bool
    account: str | None
    container: str | None


class Datastores(Shape):
    value: list[Datastore]


class RunTrigger(Shape):
    kind: TriggerKind
    slot: str | None = None
    """Of a schedule: the time it was due."""
    operation_id: str | None = None


class Job(Shape):
    """Azure Machine Learning's job behind the run."""

    name: str
    status: str | None = None
    studio_url: str | None = None


class RunOutput(Shape):
    datastore: str
    path: str


class ImportProgress(Shape):
    parts: int
    parts_done: int
    rows: int
    rejected: int


class TimelineEntry(Shape):
    status: RunStatus
    at: str
    note: str | None = None


class Retrying(Shape):
    """A step that failed and is tried again."""

    attempts: int
    since: str
    next_at: str
    code: str
    message: str


class RunFailure(Shape):
    code: str
    message: str


class Run(Shape):
    """One execution of a workflow. What does not apply is left out."""

    id: str
    """Also the job's name."""
    workflow: str
    status: RunStatus
    trigger: RunTrigger
    created_at: str
    updated_at: str
    import_of: str | None = None
    """The run whose output is imported again."""
    job: Job | None = None
    output: RunOutput | None = None
    import_: ImportProgress | None = Field(None, alias="import")
    timeline: list[TimelineEntry]
    cancel_requested_at: str | None = None
    held_for: list[str] | None = None
    """Why it was imported and not published."""
    retrying: Retrying | None = None
    error: RunFailure | None = None
    snapshot: str | None = None


class Runs(Shape):
    """The newest first."""

    value: list[Run]
    next_link: str | None = None


class Published(Shape):
    snapshot: str
    rows: int
    at: str | None
    run: str


class Workflow(WorkflowDefinition):
    """A workflow as it was saved, and how it stands."""

    name: str
    pipeline_version: str
    """Pinned when it was saved, unless `pipeline` ends with `@latest`."""
    ready: bool
    missing: list[str]
    """Required data that is not mapped: such a workflow is a draft and cannot run."""
    next_runs: list[str]
    """The schedule's next five times."""
    last_run: Run | None = None
    published: Published | None = None
    etag: str = ETAG


class Workflows(Shape):
    value: list[Workflow]


class Review(Shape):
    """What a save would do."""

    workflow: dict[str, Any]
    pipeline_version: str
    ready: bool
    missing: list[str]
    job: dict[str, Any]
    """The exact body of the job that a run would send."""


class SavedOrReview(RootModel[Workflow | Review]):
    """The workflow as it was saved; with `dryRun=true` its review."""


class Erased(Shape):
    entity: str
    snapshot: str
    rows: int
    values: int
    """Large values, kept as blobs."""
    copies: int
    """In Parquet and CSV files."""


class ErasureReport(Shape):
    tombstone_since: str
    """From then on nobody reads or imports this customer, until the tombstone is lifted."""
    erased: list[Erased]
    exports: list[str]
    """Files that runs of this app exported to a workspace, and that are gone."""
    outside_our_reach: list[str]
    """Where else the customer may be: a person's duty."""
