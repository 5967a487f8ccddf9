"""The steps of a run that are Azure ML's: its data exported, its job sent, watched, canceled."""

from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Protocol

from shared.entities.exporting import export_entity
from shared.entities.reading import DataStores
from shared.errors import NotFound, WorkspaceRefused, WorkspaceUnavailable
from shared.workflows.browsing import chosen_pipeline
from shared.workflows.connections import Connection
from shared.workflows.definition import Provider, WorkflowDefinition, stored_workflow
from shared.workflows.facts import Exported, Fact, JobFailed, JobSeen, NeverSent, Submitting
from shared.workflows.job_body import RunPlaces, batch_job, component_job, export_folder, run_places
from shared.workflows.mapping import OutputPlace, map_workflow
from shared.workflows.pipelines import Pipeline
from shared.workflows.runs import Run, RunError, RunJob, RunOutput
from shared.workflows.workspaces import Datastore, Job, PipelineJobs, WorkspaceId, WorkspaceReader

_NEVER_SENT_AFTER = timedelta(minutes=2)
"""A submission takes a minute at most; a job that nobody knows by then was not sent."""


class DatastoreSink(Protocol):
    """A datastore as an export sees it."""

    async def write(self, path: str, chunks: AsyncIterator[bytes]) -> None:
        """Write a file, over one that is there. Raises WorkspaceRefused, StorageUnavailable."""


type SinkOf = Callable[[str, Datastore], DatastoreSink]
"""A datastore of a tenant. Raises WorkspaceRefused for a datastore that this app does not write to."""


@dataclass(frozen=True, slots=True)
class Access:
    """A workspace, and what this app does there."""

    workspace: WorkspaceId
    reader: WorkspaceReader


type AccessOf = Callable[[Connection], Access]
type JobsOf = Callable[[Connection, WorkflowDefinition], Awaitable[PipelineJobs]]
"""The provider that a workflow names."""


@dataclass(frozen=True, slots=True)
class _Planned:
    """The job of a run."""

    pipeline: Pipeline
    places: RunPlaces
    body: dict[str, Any]


class JobSteps:
    """Each method does one step and tells the facts. Raises a BridgeError; `retryable` ones may pass."""

    def __init__(
        self,
        connections: Callable[[str], Awaitable[Connection]],
        access: AccessOf,
        jobs: JobsOf,
        data: DataStores,
        sink: SinkOf,
        now: Callable[[], datetime],
    ) -> None:
        self._connections = connections
        self._access = access
        self._jobs = jobs
        self._data = data
        self._sink = sink
        self._now = now

    async def export(self, run: Run) -> Sequence[Fact]:
        """The first entity that the pipeline takes and that is not in its datastore yet."""
        definition = stored_workflow(run.definition)
        name = next(name for name in entity_inputs(definition) if name not in run.exported)
        data = definition.required_data[name]
        connection = await self._connections(definition.connection)
        access = self._access(connection)
        pipeline, _, datastore = await self._mapped(run, definition, access)
        folder = export_folder(definition, run.id, name)
        write, kind = self._sink(connection.tenant, datastore).write, pipeline.data_kind(name)
        path = await export_entity(str(data.entity), self._data, write, folder, form=data.format, kind=kind)
        return [Exported(name, f"azureml://datastores/{datastore.name}/paths/{path}")]

    async def prepare(self, run: Run) -> Sequence[Fact]:
        definition = stored_workflow(run.definition)
        planned = await self._plan(run, definition, self._access(await self._connections(definition.connection)))
        output = RunOutput(planned.places.datastore, planned.places.path)
        return [Submitting(planned.pipeline.id, output)]

    async def submit(self, run: Run) -> Sequence[Fact]:
        """The same job however often it is sent: the run's id is its name."""
        definition = stored_workflow(run.definition)
        connection = await self._connections(definition.connection)
        access = self._access(connection)
        planned = await self._plan(run, definition, access)
        jobs = await self._jobs(connection, definition)
        return [JobSeen(_seen(await jobs.submit(access.workspace, run.id, planned.body)))]

    async def watch(self, run: Run) -> Sequence[Fact]:
        access, jobs = await self._provider(run)
        name = run.job.name if run.job else run.id
        job = await jobs.find(access.workspace, name)
        if job is None:
            raise WorkspaceUnavailable(
                f"Azure Machine Learning does not know the job {name} of the workspace {access.workspace.name}: it is "
                "asked again; if it was deleted there, cancel the run"
            )
        return [await self._fact(job, access.workspace, jobs)]

    async def cancel(self, run: Run) -> Sequence[Fact]:
        """Asks Azure ML, and tells what the job is now; nothing while nobody knows whether it was sent."""
        access, jobs = await self._provider(run)
        job = await jobs.find(access.workspace, run.job.name if run.job else run.id)
        if job is None:
            sent_at = run.submitted_at or run.created_at
            is_lost = self._now() - sent_at >= _NEVER_SENT_AFTER
            return [NeverSent()] if is_lost else []
        if job.status.lower() not in ("completed", "failed", "canceled", "cancelrequested"):
            await self._ask_to_cancel(jobs, access.workspace, job.name)
            job = await jobs.find(access.workspace, job.name) or job
        return [await self._fact(job, access.workspace, jobs)]

    async def _ask_to_cancel(self, jobs: PipelineJobs, workspace: WorkspaceId, name: str) -> None:
        try:
            await jobs.cancel(workspace, name)
        except NotFound:
            return  # gone meanwhile; the next look tells

    async def _fact(self, job: Job, workspace: WorkspaceId, jobs: PipelineJobs) -> Fact:
        if job.status.lower() != "failed":
            return JobSeen(_seen(job))
        failure = await jobs.failure(workspace, job.name)
        if failure is None:
            message = "the pipeline failed, and Azure Machine Learning gives no reason; see the job in the studio"
            return JobFailed(_seen(job), RunError("JobFailed", message))
        message = ": ".join([failure.message, "; ".join(failure.details)] if failure.details else [failure.message])
        return JobFailed(_seen(job), RunError(failure.code, message))

    async def _provider(self, run: Run) -> tuple[Access, PipelineJobs]:
        definition = stored_workflow(run.definition)
        connection = await self._connections(definition.connection)
        return self._access(connection), await self._jobs(connection, definition)

    async def _plan(self, run: Run, definition: WorkflowDefinition, access: Access) -> _Planned:
        pipeline, place, _ = await self._mapped(run, definition, access)
        places = run_places(definition, place, run.id, run.exported)
        return _Planned(pipeline, places, _body(run, definition, pipeline, place, places, access.workspace))

    async def _mapped(
        self, run: Run, definition: WorkflowDefinition, access: Access
    ) -> tuple[Pipeline, OutputPlace, Datastore]:
        """Against the workspace as it is now. Raises WorkspaceRefused where the workflow does not fit it any more."""
        version = run.pipeline_id.rpartition("/versions/")[2] if run.pipeline_id else run.pipeline_version
        pinned = definition
        if version is not None and definition.provider is Provider.COMPONENT:
            name = definition.pipeline.removesuffix("@latest").partition(":")[0]
            pinned = definition.model_copy(update={"pipeline": f"{name}:{version}"})
        pipeline = await chosen_pipeline(access.reader, access.workspace, pinned, None)
        datastores = await access.reader.datastores(access.workspace)
        mapping = map_workflow(definition, pipeline, datastores, access.workspace)
        faults = [f"{fault.target}: {fault.message}" for fault in mapping.faults]
        faults += [f"requiredData.{name} has no source" for name in mapping.missing]
        if faults or mapping.place is None:
            raise WorkspaceRefused(
                f"the workflow does not fit {pipeline.name}:{pipeline.version} as it is now: {'; '.join(faults)}; edit it"
            )
        datastore = next(store for store in datastores if store.name == definition.output_datastore)
        return pipeline, mapping.place, datastore


def entity_inputs(definition: WorkflowDefinition) -> list[str]:
    """The inputs that take one of our own entities."""
    return [name for name, data in definition.required_data.items() if data.entity is not None]


def _seen(job: Job) -> RunJob:
    return RunJob(job.name, job.status, job.studio_url, job.started_at)


def _body(
    run: Run,
    definition: WorkflowDefinition,
    pipeline: Pipeline,
    place: OutputPlace,
    places: RunPlaces,
    workspace: WorkspaceId,
) -> dict[str, Any]:
    if definition.provider is Provider.COMPONENT:
        return component_job(definition, pipeline, place, places, workflow=run.workflow, run=run.id)
    return batch_job(definition, pipeline, place, places, workspace_path=workspace.path, run=run.id)
