"""The workflows this app knows: reviewed, saved, edited, deleted. Each is checked against its pipeline as it is today.

A workflow without all its required data is a draft: it is saved, says what is missing, and cannot run.
"""

import re
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any, Protocol

from shared.conditions import Conditions, etag_of
from shared.documents import combined, without_nulls
from shared.duration import parse_duration
from shared.entities.exporting import export_path
from shared.errors import (
    BadRequest,
    Conflict,
    ErrorDetail,
    InvalidDefinition,
    InvalidName,
    NotFound,
    StorageUnavailable,
    there_are,
)
from shared.times import rfc3339
from shared.workflows.browsing import chosen_pipeline
from shared.workflows.connections import Connection
from shared.workflows.definition import READ_ONLY, Provider, WorkflowDefinition, merged, parse_workflow
from shared.workflows.job_body import batch_job, component_job, export_folder, run_places
from shared.workflows.mapping import Mapping as PipelineMapping
from shared.workflows.mapping import map_workflow
from shared.workflows.pipelines import Pipeline
from shared.workflows.schedules import Schedule
from shared.workflows.workspaces import Readers, WorkspaceId

_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_-]{0,62}")
_RUN = "{run}"
"""Stands for the run's id in a job body that is only shown."""
_MOST_RACES = 10

type CheckUrl = Callable[[str], None]
"""Whether runs may be told to an address. Raises ValueError, with cause and cure."""
type Connections = Callable[[str], Awaitable[Connection]]
"""A connection by its name. Raises NotFound."""


@dataclass(frozen=True, slots=True)
class StoredWorkflow:
    """A workflow as it is kept."""

    name: str
    document: dict[str, Any]
    """As given, without nulls and read-only members."""
    pipeline_id: str
    """The version that it was saved with; runs execute it, unless the pipeline is `name@latest`."""
    pipeline_version: str
    missing: Sequence[str]
    """Required data that has no source yet."""
    etag: str
    updated_at: datetime
    version: str = ""
    """The store's mark for a conditional write."""
    scheduled_at: datetime | None = None
    """When it began to run by its present timetable, or ceased to have one; None where that was not kept."""

    @property
    def timetable(self) -> tuple[str, str] | None:
        """The cron and zone that it runs by; None for a draft, without a schedule and while that is off."""
        schedule = self.document.get("schedule")
        if self.missing or schedule is None or not schedule.get("enabled", True):
            return None
        return str(schedule.get("cron")), str(schedule.get("timeZone", "UTC"))

    @property
    def schedule_since(self) -> datetime:
        """Slots up to this moment are none of its present timetable."""
        return self.scheduled_at or self.updated_at

    @property
    def entity(self) -> str:
        return str(self.document["outputEntity"])

    def render(self, now: datetime) -> dict[str, Any]:
        return {
            "name": self.name,
            **self.document,
            "pipelineVersion": self.pipeline_version,
            "ready": not self.missing,
            "missing": list(self.missing),
            "nextRuns": [rfc3339(slot) for slot in next_runs(self.document, now)],
            "@odata.etag": self.etag,
        }


class WorkflowStore(Protocol):
    """Where workflows lie."""

    async def get(self, name: str) -> StoredWorkflow | None:
        """By name, without regard to case."""

    async def list(self) -> Sequence[StoredWorkflow]:
        """All, by name."""

    async def save(self, workflow: StoredWorkflow, *, replaces: StoredWorkflow | None) -> bool:
        """Write; False if what it replaces (or its absence) is no longer so."""

    async def delete(self, workflow: StoredWorkflow) -> bool:
        """Remove; False if it has changed meanwhile."""


@dataclass(frozen=True, slots=True)
class Review:
    """What a workflow would be: the "Review" of the wizard."""

    definition: WorkflowDefinition
    document: dict[str, Any]
    workspace: WorkspaceId
    pipeline: Pipeline
    mapping: PipelineMapping

    def job(self, name: str) -> dict[str, Any] | None:
        """The exact body that would start it; None while required data is missing."""
        if self.mapping.missing or self.mapping.place is None:
            return None
        places = run_places(self.definition, self.mapping.place, _RUN, self._exports())
        if self.definition.provider is Provider.COMPONENT:
            return component_job(self.definition, self.pipeline, self.mapping.place, places, workflow=name, run=_RUN)
        return batch_job(
            self.definition,
            self.pipeline,
            self.mapping.place,
            places,
            workspace_path=self.workspace.path,
            run=_RUN,
        )

    def _exports(self) -> dict[str, str]:
        """By input: where the entity for it will lie."""
        return {
            name: f"azureml://datastores/{self.definition.output_datastore}/paths/"
            + export_path(
                export_folder(self.definition, _RUN, name), form=data.format, kind=self.pipeline.data_kind(name)
            )
            for name, data in self.definition.required_data.items()
            if data.entity is not None
        }


class WorkflowCatalog:
    """What the routes under `/api/workflows` do, but for running."""

    def __init__(
        self, store: WorkflowStore, connections: Connections, readers: Readers, check_url: CheckUrl = lambda url: None
    ) -> None:
        self._store = store
        self._connections = connections
        self._readers = readers
        self._check_url = check_url

    async def get(self, name: str) -> StoredWorkflow:
        """Raises NotFound, with the names there are."""
        found = await self._store.get(check_name(name))
        if found is None:
            names = [workflow.name for workflow in await self._store.list()]
            known = there_are(names, "there is none yet; PUT one")
            raise NotFound(f"no workflow is called {name!r}; {known}", target="workflow")
        return found

    async def list(self) -> Sequence[StoredWorkflow]:
        return await self._store.list()

    async def writer(self, entity: str) -> str | None:
        """The workflow that writes an entity, None without one."""
        writers = [workflow.name for workflow in await self._store.list() if workflow.entity.lower() == entity.lower()]
        return writers[0] if writers else None

    async def max_ages(self) -> Mapping[str, timedelta]:
        """By entity in lower case: after which its workflow calls what is published stale."""
        found = ((item.entity.lower(), item.document.get("maxAge")) for item in await self._store.list())
        return {entity: timedelta(seconds=parse_duration(age)) for entity, age in found if age is not None}

    async def review(self, name: str, body: object, now: datetime) -> Review:
        """Check a document against its connection, pipeline, datastores and the other workflows, and save nothing.

        Raises InvalidDefinition (every fault with its place), NotFound (connection, pipeline), Conflict (entity).
        """
        check_name(name)
        current = await self._store.get(name)
        definition = parse_workflow(body)
        document = _stored_document(body)
        _check_schedule(document, now)
        self._check_notify(definition)
        connection = await self._connections(definition.connection)
        workspace, reader = WorkspaceId.parse(connection.workspace), self._readers(connection.tenant)
        kept = _kept_version(body, current)
        pipeline = await chosen_pipeline(reader, workspace, definition, kept)
        mapping = map_workflow(definition, pipeline, await reader.datastores(workspace), workspace)
        if mapping.faults:
            raise combined(list(mapping.faults), "the workflow", InvalidDefinition)
        await self._check_entity(name, definition.output_entity)
        return Review(definition, document, workspace, pipeline, mapping)

    async def put(self, name: str, body: object, conditions: Conditions, now: datetime) -> tuple[StoredWorkflow, bool]:
        """Save what a PUT brought; True if it is new. Raises what `review` raises, and PreconditionFailed."""
        review = await self.review(name, body, now)
        for _ in range(_MOST_RACES):
            current = await self._store.get(name)
            conditions.check(current.etag if current else None)
            workflow = _scheduled(_workflow(current.name if current else name, review, now), current)
            if await self._store.save(workflow, replaces=current):
                return workflow, current is None
        raise _busy(name)

    async def patch(self, name: str, body: object, conditions: Conditions, now: datetime) -> StoredWorkflow:
        """Edit: a JSON Merge Patch. Raises what `review` raises, NotFound and PreconditionFailed."""
        current = await self.get(name)
        conditions.check(current.etag)
        document = merged(current.document, body)
        # Read-only, so what the patch says of it does not count: the version stays with the pipeline that it is of.
        kept = not isinstance(body, dict) or not {"pipeline", "provider", "connection"} & set(body)
        document["pipelineVersion"] = current.pipeline_version if kept else None
        # The document that was read is the one that is replaced, or none.
        workflow, _ = await self.put(name, document, Conditions(if_match=current.etag), now)
        return workflow

    async def delete(self, name: str, conditions: Conditions) -> None:
        """The entity that it wrote stays. Raises NotFound, PreconditionFailed."""
        for _ in range(_MOST_RACES):
            current = await self.get(name)
            conditions.check(current.etag)
            if await self._store.delete(current):
                return
        raise _busy(name)

    def _check_notify(self, definition: WorkflowDefinition) -> None:
        if definition.notify is None:
            return
        try:
            self._check_url(definition.notify.url)
        except ValueError as error:
            detail = ErrorDetail("InvalidParameter", str(error), "notify.url")
            raise combined([detail], "the workflow", InvalidDefinition) from error

    async def _check_entity(self, name: str, entity: str) -> None:
        """An entity is written by one workflow. A run claims it for good; this tells it when it is saved."""
        for other in await self._store.list():
            if other.entity.lower() == entity.lower() and other.name.lower() != name.lower():
                raise Conflict(
                    f"outputEntity: {other.entity} is written by the workflow {other.name}; name another entity",
                    target="outputEntity",
                )


def check_name(name: str) -> str:
    """Raises InvalidName."""
    if not _NAME.fullmatch(name):
        raise InvalidName(
            f"{name[:100]!r} is not a workflow's name: it starts with a letter, holds letters, digits, _ and -, at most 63",
            target="workflow",
        )
    return name


def next_runs(document: Mapping[str, Any], now: datetime) -> list[datetime]:
    """The next five times of its schedule; none without one, or while it is off."""
    schedule = document.get("schedule")
    if schedule is None:
        return []
    parsed = Schedule.parse(schedule, now)
    return parsed.next_times(now) if parsed.enabled else []


def _check_schedule(document: Mapping[str, Any], now: datetime) -> None:
    if document.get("schedule") is None:
        return
    try:
        Schedule.parse(document["schedule"], now)
    except BadRequest as error:
        place = error.target or "schedule"
        detail = ErrorDetail("InvalidParameter", error.message.removeprefix(f"{place}: "), place)
        raise combined([detail], "the workflow", InvalidDefinition) from error


def _stored_document(body: object) -> dict[str, Any]:
    members = body if isinstance(body, dict) else {}
    document: dict[str, Any] = without_nulls({name: value for name, value in members.items() if name not in READ_ONLY})
    return document


def _kept_version(body: object, current: StoredWorkflow | None) -> str | None:
    """A GET's answer sent back keeps the version that it tells; a document of one's own takes the newest."""
    told = body.get("pipelineVersion") if isinstance(body, dict) else None
    if current is None or told != current.pipeline_version or not isinstance(body, dict):
        return None
    same = all(body.get(name) == current.document.get(name) for name in ("pipeline", "connection"))
    return current.pipeline_version if same else None


def _workflow(name: str, review: Review, now: datetime) -> StoredWorkflow:
    written = [name, sorted(review.document.items()), review.pipeline.id]
    etag = etag_of(written)
    pipeline = review.pipeline
    return StoredWorkflow(name, review.document, pipeline.id, pipeline.version, review.mapping.missing, etag, now)


def _scheduled(workflow: StoredWorkflow, current: StoredWorkflow | None) -> StoredWorkflow:
    """An edit of anything else must not lose a slot that is due; a new timetable has no slot before it was saved."""
    kept = current is not None and current.timetable == workflow.timetable
    return replace(workflow, scheduled_at=current.schedule_since if kept and current else workflow.updated_at)


def _busy(name: str) -> StorageUnavailable:
    return StorageUnavailable(f"the workflow {name} is written by others all the time; try again", target="workflow")
