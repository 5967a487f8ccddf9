"""Can each workflow still run as it stands: its pipeline, datastore, output, data, entity; and how did its last run go?"""

from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Protocol

from shared.entities.outputs import Listed
from shared.entities.snapshots import Entity
from shared.errors import BridgeError, ErrorDetail
from shared.operations.doctor import commands
from shared.operations.doctor.accounts import MARK
from shared.operations.doctor.commands import FunctionApp
from shared.operations.doctor.connections import unreached
from shared.operations.doctor.findings import Check, Finding, Status, failed, ok, skipped, skipped_all, warning
from shared.operations.doctor.looks import Fault, Looks
from shared.operations.doctor.workflow_findings import (
    entity_finding,
    notify_finding,
    pipeline_finding,
    run_finding,
    unreached_files,
)
from shared.operations.doctor.workspaces import WorkspaceFacts, Workspaces
from shared.skills.addresses import ScoringHosts
from shared.workflows.browsing import chosen_pipeline
from shared.workflows.catalog import StoredWorkflow
from shared.workflows.connections import Connection
from shared.workflows.definition import WorkflowDefinition, parse_workflow
from shared.workflows.job_steps import entity_inputs
from shared.workflows.mapping import Mapping, map_workflow, read_data_path
from shared.workflows.pipelines import Pipeline
from shared.workflows.runs import Run
from shared.workflows.workspaces import Datastore, WorkspaceId

_IN_WORKSPACE = (
    Check.WORKFLOW_PIPELINE,
    Check.WORKFLOW_DATASTORE,
    Check.WORKFLOW_OUTPUT,
    Check.WORKFLOW_DATA,
)
"""Not looked at where the workspace is not reached."""


class Files(Protocol):
    """A datastore, as the doctor sees it. Each raises StorageUnavailable, UnusableOutput, WorkspaceRefused."""

    def list(self, path: str) -> AsyncIterator[Listed]: ...

    async def write(self, path: str, chunks: AsyncIterator[bytes]) -> None: ...

    async def drop(self, prefix: str) -> None: ...


@dataclass(frozen=True, slots=True)
class Running:
    """Whom a workflow's checks ask."""

    connection: Callable[[str], Awaitable[Connection]]
    """By its name. Raises NotFound."""
    files: Callable[[str, Datastore], Files]
    """A datastore of a tenant. Raises WorkspaceRefused."""
    entity: Callable[[str], Awaitable[Entity | None]]
    last_run: Callable[[str], Awaitable[Run | None]]
    """Of a workflow."""
    notify_hosts: ScoringHosts
    """Where notifications may go."""
    has_setting: Callable[[str], bool]
    """Whether the app setting of this name has a value."""


@dataclass(frozen=True, slots=True)
class WorkflowSources:
    running: Running
    workspaces: Workspaces
    looks: Looks
    assignee: Callable[[str], str]
    now: Callable[[], datetime]
    app: FunctionApp
    mark: str
    """Of this examination alone."""


@dataclass(frozen=True, slots=True)
class _Examined:
    """A workflow, and where it leads."""

    workflow: StoredWorkflow
    definition: WorkflowDefinition
    connection: Connection
    facts: WorkspaceFacts
    sources: WorkflowSources

    @property
    def name(self) -> str:
        return self.workflow.name

    @property
    def assignee(self) -> str:
        return self.sources.assignee(self.connection.tenant)

    @property
    def edit(self) -> str:
        """Shows what an edit would come to, and saves nothing."""
        document = '{"…": "…"}'
        return self.sources.app.call("patch", f"workflows/{self.name}?dryRun=true", document)


async def examine_workflow(
    workflow: StoredWorkflow, sources: WorkflowSources, *, tells_workspace: bool
) -> list[Finding]:
    """`tells_workspace`: nobody else tells that its workspace is not reached."""
    name = workflow.name
    try:
        definition = parse_workflow(workflow.document)
    except BridgeError as error:
        show = sources.app.call("get", f"workflows/{name}")
        return [failed(Check.WORKFLOW_STORED, name, error.message, f"save it again (PUT /api/workflows/{name})", show)]
    stands = await _standing(workflow, definition, sources)
    connection = await sources.looks.at(
        lambda: sources.running.connection(definition.connection), of=definition.connection
    )
    if isinstance(connection, Fault) and connection.is_late:
        return [skipped(Check.WORKFLOW_STORED, name, connection.message), *stands]
    if isinstance(connection, Fault):
        show = sources.app.call("get", "connections")
        cure = f"save the connection {definition.connection}, or give the workflow another"
        return [failed(Check.WORKFLOW_STORED, name, connection.message, cure, show), *stands]
    stored = ok(Check.WORKFLOW_STORED, name, f"its definition and its connection {connection.name} are there")
    facts = await sources.workspaces.facts(connection.tenant, WorkspaceId.parse(connection.workspace))
    if isinstance(facts.workspace, Fault):
        why = f"not looked at: the workspace {facts.id.name} of the connection {connection.name} was not reached"
        unmet = unreached(connection, facts.workspace, facts.id, sources.assignee(connection.tenant))
        told = [unmet] if tells_workspace else []
        return [*told, stored, *skipped_all(_IN_WORKSPACE, name, why), *stands]
    return [stored, *await _in_workspace(_Examined(workflow, definition, connection, facts, sources)), *stands]


async def _in_workspace(examined: _Examined) -> list[Finding]:
    definition, facts, sources = examined.definition, examined.facts, examined.sources
    reader = sources.workspaces.reader(examined.connection.tenant)
    kept = None if definition.pipeline.endswith("@latest") else examined.workflow.pipeline_version
    pipeline = await sources.looks.at(
        lambda: chosen_pipeline(reader, facts.id, definition, kept), of=f"the workspace {facts.id.name}"
    )
    if isinstance(facts.datastores, Fault):
        why = f"not looked at: the datastores were not listed ({facts.datastores.message})"
        return [_pipeline(examined, pipeline, []), *skipped_all(_IN_WORKSPACE[1:], examined.name, why)]
    mapping = (
        Mapping([], [], None)
        if isinstance(pipeline, Fault)
        else map_workflow(definition, pipeline, facts.datastores, facts.id)
    )
    found = [_pipeline(examined, pipeline, mapping.faults)]
    datastore = next((store for store in facts.datastores if store.name == definition.output_datastore), None)
    reached = await _datastore(examined, datastore, mapping.faults)
    found.append(reached)
    if datastore is None or reached.status is not Status.OK:
        found.append(skipped(Check.WORKFLOW_OUTPUT, examined.name, "not looked at: see its datastore"))
    else:
        found.append(await _output(examined, datastore, mapping.faults))
    if isinstance(pipeline, Fault) or pipeline.reasons:
        found.append(skipped(Check.WORKFLOW_DATA, examined.name, "not looked at: see its pipeline"))
        return found
    return [*found, *await _required_data(examined, facts.datastores, mapping)]


def _pipeline(examined: _Examined, pipeline: Pipeline | Fault, faults: Sequence[ErrorDetail]) -> Finding:
    return pipeline_finding(examined.name, examined.definition, pipeline, faults, examined.facts.id, examined.assignee)


async def _datastore(examined: _Examined, datastore: Datastore | None, faults: Sequence[ErrorDetail]) -> Finding:
    check, name, workspace = Check.WORKFLOW_DATASTORE, examined.name, examined.facts.id
    wrong = [fault.message for fault in faults if fault.target == "outputDatastore"]
    if datastore is None or wrong:
        message = "; ".join(wrong) or f"the workspace has no datastore {examined.definition.output_datastore!r}"
        cure = "register it again, or give the workflow another (outputDatastore)"
        command = f"az ml datastore create --file <datastore.yml> {commands.in_workspace(workspace)}"
        return failed(check, name, message, cure, command)
    found = await _has_files(examined, datastore, examined.definition.output_path)
    if isinstance(found, Fault):
        return unreached_files(check, name, datastore, found, examined.assignee)
    place = f"{datastore.account}/{datastore.container}"
    return ok(check, name, f"{datastore.name} ({datastore.kind}, {place}) can be read from here")


async def _output(examined: _Examined, datastore: Datastore, faults: Sequence[ErrorDetail]) -> Finding:
    """This app writes there only what it exports; the job's own right to write is its credential's, which nobody else
    can see."""
    check, name, definition, sources = Check.WORKFLOW_OUTPUT, examined.name, examined.definition, examined.sources
    place = f"{datastore.name}/{definition.output_path}"
    if not entity_inputs(definition):
        return ok(
            check, name, f"{place}; the job writes there with its own credential, which cannot be tried from here"
        )
    path = f"{definition.output_path}/in/{MARK}-{sources.mark}/"

    async def mark() -> None:
        files = sources.running.files(examined.connection.tenant, datastore)
        await files.write(f"{path}{MARK}", _nothing())
        await files.drop(path)

    written = await sources.looks.at(mark, of=f"the datastore {datastore.name}")
    if isinstance(written, Fault):
        return unreached_files(check, name, datastore, written, examined.assignee)
    return ok(check, name, f"{place}: a mark was written for the exports, and removed again")


async def _nothing() -> AsyncIterator[bytes]:
    yield b"doctor"


async def _required_data(examined: _Examined, datastores: Sequence[Datastore], mapping: Mapping) -> list[Finding]:
    check, name = Check.WORKFLOW_DATA, examined.name
    found: list[Finding] = []
    if mapping.missing:
        lacking = ", ".join(mapping.missing)
        cure = f"give each a path, a value or an entity in requiredData (PATCH /api/workflows/{name})"
        found.append(warning(check, name, f"a draft, which does not run: {lacking} has no source", cure, examined.edit))
    for fault in mapping.faults:
        if (fault.target or "").startswith("requiredData"):
            message = f"{fault.target}: {fault.message}"
            found.append(failed(check, name, message, f"mend it (PATCH /api/workflows/{name})", examined.edit))
    faulty = {fault.target for fault in mapping.faults}
    for item, data in examined.definition.required_data.items():
        if f"requiredData.{item}" in faulty:
            continue
        if data.path is not None:
            found.append(await _data_at(examined, item, data.path, datastores))
        elif data.entity is not None:
            found.append(await _data_of(examined, item, data.entity))
    return found or [ok(check, name, "it needs none but values")]


async def _data_at(examined: _Examined, item: str, address: str, datastores: Sequence[Datastore]) -> Finding:
    check, subject = Check.WORKFLOW_DATA, f"{examined.name}: {item}"
    store, path = read_data_path(address, datastores, examined.facts.id)
    datastore = next(each for each in datastores if each.name == store)
    prefix = path.partition("*")[0]
    found = await _has_files(examined, datastore, prefix)
    if isinstance(found, Fault):
        message = f"{address} cannot be seen from here, so it is left to the job: {found.message}"
        return skipped(check, subject, message)
    if found:
        return ok(check, subject, f"{address} is there")
    return failed(
        check,
        subject,
        f"nothing lies at {address}, so the job would fail",
        "put the data there, or name another path in requiredData",
        commands.list_blobs(datastore.container or "", datastore.account or "", prefix),
    )


async def _data_of(examined: _Examined, item: str, name: str) -> Finding:
    check, subject, sources = Check.WORKFLOW_DATA, f"{examined.name}: {item}", examined.sources
    entity = await sources.looks.at(lambda: sources.running.entity(name), of=f"the entity {name}")
    if isinstance(entity, Fault):
        return skipped(check, subject, f"not looked at: {entity.message}")
    if entity is not None and entity.current is not None:
        return ok(check, subject, f"the entity {name} has {entity.current.rows:,} rows")
    message = f"the entity {name} has no published rows, so a run would fail"
    if entity is None:
        show = sources.app.call("get", "entities")
        return failed(check, subject, message, "run the workflow that writes it, or name another entity", show)
    refresh = sources.app.call("post", f"workflows/{entity.workflow}/refresh")
    return failed(check, subject, message, f"run the workflow {entity.workflow}, which writes it", refresh)


async def _has_files(examined: _Examined, datastore: Datastore, prefix: str) -> bool | Fault:
    sources = examined.sources

    async def look() -> bool:
        async for _ in sources.running.files(examined.connection.tenant, datastore).list(prefix):
            return True
        return False

    return await sources.looks.at(look, of=f"the datastore {datastore.name}")


async def _standing(
    workflow: StoredWorkflow, definition: WorkflowDefinition, sources: WorkflowSources
) -> list[Finding]:
    entity = await sources.looks.at(lambda: sources.running.entity(workflow.entity), of=f"the entity {workflow.entity}")
    run = await sources.looks.at(lambda: sources.running.last_run(workflow.name), of=f"the workflow {workflow.name}")
    age = timedelta(seconds=definition.max_age) if definition.max_age is not None else None
    standing = [
        entity_finding(workflow, entity, age, sources.now(), sources.app),
        run_finding(workflow, run, sources.now(), sources.app),
    ]
    if definition.notify is not None:
        running = sources.running
        standing.append(
            notify_finding(workflow.name, definition.notify, running.notify_hosts, running.has_setting, sources.app)
        )
    return standing
