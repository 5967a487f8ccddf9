"""What the facts about a workflow mean. Pure."""

from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from shlex import quote
from urllib.parse import urlsplit

from shared.entities.snapshots import Entity
from shared.errors import ErrorDetail
from shared.operations.doctor import commands
from shared.operations.doctor.commands import VAULT_ROLE, FunctionApp
from shared.operations.doctor.findings import Check, Finding, failed, ok, skipped, warning
from shared.operations.doctor.looks import Fault
from shared.operations.doctor.messaging import duration
from shared.skills.addresses import ScoringHosts
from shared.workflows.catalog import StoredWorkflow
from shared.workflows.definition import Notify, Provider, WorkflowDefinition
from shared.workflows.pipelines import Pipeline
from shared.workflows.runs import Run, RunStatus
from shared.workflows.workspaces import Datastore, WorkspaceId


def pipeline_finding(
    name: str,
    definition: WorkflowDefinition,
    pipeline: Pipeline | Fault,
    faults: Sequence[ErrorDetail],
    workspace: WorkspaceId,
    assignee: str,
) -> Finding:
    """`faults`: of the workflow against the pipeline."""
    check, asked = Check.WORKFLOW_PIPELINE, definition.pipeline
    if isinstance(pipeline, Fault):
        if pipeline.is_late:
            return skipped(check, name, pipeline.message)
        if pipeline.code == "WorkspaceForbidden":
            command = commands.assign_role(assignee, commands.DATA_SCIENTIST, workspace.path)
            return failed(check, name, pipeline.message, f"grant the role {commands.DATA_SCIENTIST}", command)
        kind = "component" if definition.provider is Provider.COMPONENT else "batch-endpoint"
        command = f"az ml {kind} list {commands.in_workspace(workspace)}"
        return failed(
            check, name, pipeline.message, f"register {asked} again, or give the workflow another pipeline", command
        )
    wrong = [fault.message for fault in faults if fault.target in ("pipeline", "output")]
    wrong += [f"{fault.target}: {fault.message}" for fault in faults if (fault.target or "").endswith("Parameter")]
    if wrong:
        cure = (
            "configure the pipeline's input for data and its output (or the two string inputs that take the output's "
            "path and datastore), register it anew and save the workflow; or give the workflow another pipeline"
        )
        command = f"az ml component show -n {quote(pipeline.name)} -v {quote(pipeline.version)} {commands.in_workspace(workspace)}"
        return failed(check, name, "; ".join(wrong), cure, command)
    return ok(check, name, f"{pipeline.name}:{pipeline.version} is there and eligible")


def unreached_files(check: Check, name: str, datastore: Datastore, fault: Fault, assignee: str) -> Finding:
    """`fault`: why the files of the datastore were not reached."""
    account = datastore.account or ""
    if fault.is_late:
        return skipped(check, name, fault.message)
    if fault.code in ("UnusableOutput", "WorkspaceRefused") and "does not exist" in fault.message:
        command = commands.create_container(datastore.container or "<container>", account)
        return failed(check, name, fault.message, "make the container", command)
    if fault.status in (401, 403):
        command = commands.assign_role(assignee, commands.BLOB_ROLE, commands.account_scope(account))
        cure = f"give this app's identity the role {commands.BLOB_ROLE} on the datastore's account"
        return failed(check, name, fault.message, cure, command)
    return failed(check, name, fault.message, "check the account and its network rules", commands.show_network(account))


def entity_finding(
    workflow: StoredWorkflow, entity: Entity | Fault | None, max_age: timedelta | None, now: datetime, app: FunctionApp
) -> Finding:
    check, name, refresh = Check.WORKFLOW_ENTITY, workflow.name, app.call("post", f"workflows/{workflow.name}/refresh")
    if isinstance(entity, Fault):
        return skipped(check, name, f"not looked at: {entity.message}")
    if entity is not None and entity.workflow.lower() != name.lower():
        message = f"the entity {entity.name} is written by the workflow {entity.workflow}, so a run would fail"
        show = app.call("get", f"entities/{entity.name}")
        return failed(check, name, message, "name another outputEntity, or delete the entity", show)
    if workflow.missing:
        return skipped(check, name, "a draft writes no entity")
    if entity is None or entity.current is None:
        return warning(check, name, f"{workflow.entity} has no published rows yet", "run the workflow", refresh)
    published_at = entity.current.published_at or entity.current.created_at
    age = now - published_at
    message = f"{entity.name} has {entity.current.rows:,} rows, published {duration(age)} ago"
    if entity.is_pinned:
        cure = f"POST /api/entities/{entity.name}/unpin, once the cause of the rollback is mended"
        unpin = app.call("post", f"entities/{entity.name}/unpin")
        return warning(check, name, f"{message}; pinned since a rollback, so runs are held", cure, unpin)
    if max_age is not None and age > max_age:
        return warning(check, name, f"{message}; stale, for its maxAge is {duration(max_age)}", "run it", refresh)
    return ok(check, name, message)


def run_finding(workflow: StoredWorkflow, run: Run | Fault | None, now: datetime, app: FunctionApp) -> Finding:
    check, name = Check.WORKFLOW_RUN, workflow.name
    if isinstance(run, Fault):
        return skipped(check, name, f"not looked at: {run.message}")
    if run is None:
        return ok(check, name, "it never ran")
    age = duration(now - run.updated_at)
    message = f"{run.id} {run.status} {age} ago" if run.status.is_terminal else f"{run.id} is {run.status}, for {age}"
    show = app.call("get", f"runs/{run.id}")
    if run.status is RunStatus.FAILED:
        why = f": {run.error.code}, {run.error.message}" if run.error else ""
        return warning(check, name, f"{message}{why}", f"mend what it says, then run it; GET /api/runs/{run.id}", show)
    if run.status is RunStatus.HELD:
        cure = f"look at it, then POST /api/runs/{run.id}/publish or /discard"
        return warning(check, name, f"{message}: {'; '.join(run.held_for)}", cure, show)
    if run.retrying is not None:
        again = f"tried again for {duration(now - run.retrying.since)}: {run.retrying.code}, {run.retrying.message}"
        return warning(check, name, f"{message}, and {again}", f"mend what it says, or POST …/{run.id}/cancel", show)
    return ok(check, name, message)


def notify_finding(
    name: str, notify: Notify, hosts: ScoringHosts, has_setting: Callable[[str], bool], app: FunctionApp
) -> Finding:
    """Would its notifications be sent? Nothing is: a receiver would take it for one."""
    check = Check.WORKFLOW_NOTIFY
    host = urlsplit(notify.url).hostname or ""
    try:
        hosts.check(notify.url)
    except ValueError as error:
        cure = "name another url, or add its host to NOTIFY_HOSTS"
        allow = app.set_settings({"NOTIFY_HOSTS": ",".join([*hosts.allowed, host])})
        return failed(check, name, f"notify.url: {error}", cure, allow)
    setting = notify.secret_setting
    if not has_setting(setting):
        message = f"the app setting {setting} has no usable value, so no notification is sent to {host}"
        cure = f"set it to the secret that the receiver knows; {VAULT_ROLE}"
        return failed(check, name, message, cure, app.set_settings({setting: "<secret>"}))
    return ok(check, name, f"notifications may go to {host}, signed with {setting}; none was sent now")
