"""Does each connection still lead to a workspace where this app may do what its workflows need?"""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass

from shared.operations.doctor import commands
from shared.operations.doctor.commands import FunctionApp
from shared.operations.doctor.findings import Check, Finding, failed, ok, skipped, skipped_all, warning
from shared.operations.doctor.looks import Fault, Looks
from shared.operations.doctor.rights import connection_rights, right_findings
from shared.operations.doctor.workspaces import WorkspaceFacts, Workspaces
from shared.workflows.browsing import Choice, pipelines_of
from shared.workflows.connections import CONSENT_VERSION, Connection
from shared.workflows.mapping import OUTPUT_DATASTORES
from shared.workflows.workspaces import Datastore, Workspace, WorkspaceId

type DataPlaneOf = Callable[[str, WorkspaceId], Awaitable[str]]
"""Asks a workspace's own address (of its run history), as a call there would; the address. Raises BridgeError."""

_BEHIND = (
    Check.CONNECTION_LEGACY,
    Check.CONNECTION_TENANT,
    Check.CONNECTION_LOCATION,
    Check.CONNECTION_NETWORK,
    Check.CONNECTION_RIGHT,
    Check.CONNECTION_PIPELINES,
    Check.CONNECTION_DATASTORES,
)
"""Not looked at where the workspace is not reached."""


@dataclass(frozen=True, slots=True)
class ConnectionSources:
    workspaces: Workspaces
    looks: Looks
    data_plane: DataPlaneOf
    assignee: Callable[[str], str]
    """How a role assignment names this app's identity in a tenant; right once a call was made there."""
    app: FunctionApp


async def examine_connection(connection: Connection, sources: ConnectionSources, *, with_batch: bool) -> list[Finding]:
    """`with_batch`: a workflow of it runs at a batch endpoint."""
    workspace = WorkspaceId.parse(connection.workspace)
    facts = await sources.workspaces.facts(connection.tenant, workspace)
    reached = workspace_findings(connection, facts, sources.assignee(connection.tenant))
    found = facts.workspace
    if isinstance(found, Fault) or found.is_v1_legacy:
        return reached
    address = await sources.looks.at(
        lambda: sources.data_plane(connection.tenant, workspace), of=f"the workspace {workspace.name}"
    )
    reader = sources.workspaces.reader(connection.tenant)
    pipelines = await sources.looks.at(lambda: pipelines_of(reader, workspace), of=f"the workspace {workspace.name}")
    assignee = sources.assignee(connection.tenant)
    needed = connection_rights(with_batch=with_batch)
    return [
        *reached,
        network_finding(connection, found, address, sources.app),
        *right_findings(Check.CONNECTION_RIGHT, connection.name, needed, facts.permissions, workspace, assignee),
        pipelines_finding(connection, pipelines, workspace),
        datastores_finding(connection, facts.datastores, workspace),
    ]


def workspace_findings(connection: Connection, facts: WorkspaceFacts, assignee: str) -> list[Finding]:
    """The workspace itself, and what it says of itself."""
    name, found = connection.name, facts.workspace
    consent = _consent(connection)
    if isinstance(found, Fault):
        why = f"not looked at: the workspace {facts.id.name} was not reached"
        return [unreached(connection, found, facts.id, assignee), consent, *skipped_all(_BEHIND, name, why)]
    message = f"{found.id.path} in {found.location}"
    findings = [ok(Check.CONNECTION_WORKSPACE, name, message), consent]
    if found.is_v1_legacy:
        legacy = failed(
            Check.CONNECTION_LEGACY,
            name,
            f"the workspace {found.id.name} is in v1 legacy mode, in which it takes no pipeline jobs of today",
            "turn the mode off",
            commands.leave_v1(found.id),
        )
        behind = _BEHIND[1:]
        return [*findings, legacy, *skipped_all(behind, name, "not looked at: the workspace is in v1 legacy mode")]
    findings.append(ok(Check.CONNECTION_LEGACY, name, "not in v1 legacy mode"))
    return [*findings, _tenant(connection, found), _location(connection, found)]


def unreached(connection: Connection, fault: Fault, workspace: WorkspaceId, assignee: str) -> Finding:
    check, name = Check.CONNECTION_WORKSPACE, connection.name
    if fault.is_late:
        return skipped(check, name, fault.message)
    match fault.code:
        case "WorkspaceForbidden":
            cure = f"give this app's identity the role {commands.DATA_SCIENTIST} on the workspace"
            command = commands.assign_role(assignee, commands.DATA_SCIENTIST, workspace.path)
        case "NotFound":
            cure, command = "name a workspace that there is, in the connection", commands.list_workspaces(workspace)
        case _:
            cure = "try again; if it stays, check the network between this app and Azure Resource Manager"
            command = f"az ml workspace show {commands.in_workspace(workspace).replace('-w', '-n', 1)}"
    return failed(check, name, fault.message, cure, command)


def _consent(connection: Connection) -> Finding:
    given = connection.consent
    if given.version == CONSENT_VERSION:
        return ok(Check.CONNECTION_CONSENT, connection.name, f"given by {given.by} on {given.at:%Y-%m-%dT%H:%M:%SZ}")
    return warning(
        Check.CONNECTION_CONSENT,
        connection.name,
        f"it was given to the text of {given.version}, and the text of today is of {CONSENT_VERSION}",
        f"read GET /api/consent, and save the connection again (PUT /api/connections/{connection.name})",
    )


def _tenant(connection: Connection, found: Workspace) -> Finding:
    if found.tenant.lower() == connection.tenant.lower():
        return ok(Check.CONNECTION_TENANT, connection.name, f"tenant {found.tenant}")
    return failed(
        Check.CONNECTION_TENANT,
        connection.name,
        f"the workspace belongs to the tenant {found.tenant}, and the connection names {connection.tenant}",
        f"save the connection again with the tenant {found.tenant} (PUT /api/connections/{connection.name})",
        f"az account show --subscription {found.id.subscription} --query tenantId -o tsv",
    )


def _location(connection: Connection, found: Workspace) -> Finding:
    if found.location.lower() == connection.location.lower():
        return ok(Check.CONNECTION_LOCATION, connection.name, found.location)
    return warning(
        Check.CONNECTION_LOCATION,
        connection.name,
        f"the workspace is in {found.location}, and was in {connection.location} when the consent to the transfer was given",
        f"save the connection again, and with it the consent (PUT /api/connections/{connection.name})",
    )


def network_finding(connection: Connection, found: Workspace, address: str | Fault, app: FunctionApp) -> Finding:
    """`address`: of the workspace's own service, which has a private address where the workspace has a private
    endpoint."""
    check, name = Check.CONNECTION_NETWORK, connection.name
    kind = "calls over private endpoints alone" if found.is_private else "calls from public networks"
    if not isinstance(address, Fault):
        return ok(check, name, f"the workspace takes {kind}, and {address} was reached")
    if address.is_late:
        return skipped(check, name, address.message)
    if not found.is_private:
        return warning(
            check,
            name,
            f"{address.message}; without it runs go on, and a failed one tells no reason",
            "check the outbound rules of this app's network",
            app.integrate_network(),
        )
    return failed(
        check,
        name,
        f"the workspace {found.id.name} takes {kind}, and none came through: {address.message}",
        "put this app into a virtual network with a private endpoint of the workspace, and the private DNS zones "
        "privatelink.api.azureml.ms and privatelink.notebooks.azure.net",
        app.integrate_network(),
    )


def pipelines_finding(connection: Connection, found: Sequence[Choice] | Fault, workspace: WorkspaceId) -> Finding:
    """Each that cannot be chosen, with its reason: of what a workspace holds, not all need be for us."""
    check, name = Check.CONNECTION_PIPELINES, connection.name
    if isinstance(found, Fault):
        return skipped(check, name, f"not listed: {found.message}")
    fit = [choice.name for choice in found if not choice.pipeline.reasons]
    others = [f"{choice.name} ({', '.join(choice.pipeline.reasons)})" for choice in found if choice.pipeline.reasons]
    left = f"; not eligible: {', '.join(others)}" if others else ""
    if fit:
        return ok(check, name, f"eligible: {', '.join(fit)}{left}")
    return warning(
        check,
        name,
        f"the workspace {workspace.name} has no pipeline that a workflow can run{left}",
        "register a pipeline component with an input for data, and with an output for data or two string inputs that "
        "take the output's path and datastore",
        f"az ml component create --file <pipeline.yml> {commands.in_workspace(workspace)}",
    )


def datastores_finding(connection: Connection, found: Sequence[Datastore] | Fault, workspace: WorkspaceId) -> Finding:
    check, name = Check.CONNECTION_DATASTORES, connection.name
    if isinstance(found, Fault):
        return skipped(check, name, f"not listed: {found.message}")
    fit = [store.name for store in found if store.kind.lower() in OUTPUT_DATASTORES]
    if fit:
        return ok(check, name, f"outputs can go to {', '.join(fit)}")
    return failed(
        check,
        name,
        f"the workspace {workspace.name} has no datastore of the kind AzureBlob or AzureDataLakeGen2",
        "register one",
        f"az ml datastore create --file <datastore.yml> {commands.in_workspace(workspace)}",
    )
