"""Can each skill still score: its address, key, endpoint, rights and deployment; and does the endpoint hold its calls?"""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass

from shared.errors import BridgeError
from shared.operations.doctor import commands
from shared.operations.doctor.commands import VAULT_ROLE, FunctionApp
from shared.operations.doctor.findings import Check, Finding, failed, ok, skipped, skipped_all
from shared.operations.doctor.looks import Fault, Looks
from shared.operations.doctor.rights import right_findings, skill_rights
from shared.operations.doctor.skill_findings import (
    Deployment,
    Endpoint,
    address_finding,
    answer_finding,
    batch_finding,
    capacity_finding,
    deployment_finding,
    endpoint_finding,
    host_of,
    serving,
    set_key,
    show_endpoint,
)
from shared.operations.doctor.workspaces import Workspaces
from shared.skills.addresses import EndpointId, ScoringHosts
from shared.skills.catalog import KeyPlace, StoredSkill
from shared.skills.definition import SkillDefinition
from shared.skills.web_api_skill import Measured
from shared.workflows.workspaces import WorkspaceId

_BEHIND = (Check.SKILL_RIGHT, Check.SKILL_ANSWER, Check.SKILL_DEPLOYMENT, Check.SKILL_CAPACITY)
"""Not looked at where Azure does not tell the endpoint."""


@dataclass(frozen=True, slots=True)
class Scoring:
    """Whom a skill's checks ask."""

    endpoint: Callable[[EndpointId], Awaitable[Endpoint]]
    """Raises AttemptFailed."""
    deployments: Callable[[EndpointId], Awaitable[Sequence[Deployment]]]
    """Raises AttemptFailed."""
    probe: Callable[[str], Awaitable[int]]
    """The status that a skill's endpoint answers to a call without a payload. Raises AttemptFailed."""
    has_key: Callable[[KeyPlace], Awaitable[bool]]
    """Whether a key that can be sent lies there."""
    seconds: Callable[[str], Awaitable[float | None]]
    """Of a slow call of a skill, as measured in this process."""
    processes: Callable[[], Awaitable[int]]
    """That score now."""


@dataclass(frozen=True, slots=True)
class SkillSources:
    scoring: Scoring
    workspaces: Workspaces
    looks: Looks
    hosts: ScoringHosts
    most_records: int
    assignee: Callable[[str], str]
    app: FunctionApp


async def examine_skill(stored: StoredSkill, sources: SkillSources) -> list[Finding]:
    name = stored.name
    try:
        definition = stored.definition()
    except BridgeError as error:
        show = sources.app.call("get", f"skills/{name}")
        return [failed(Check.SKILL_STORED, name, error.message, f"save it again (PUT /api/skills/{name})", show)]
    found = [ok(Check.SKILL_STORED, name, "its definition can be read"), await _key(stored, sources)]
    endpoint_id = definition.endpoint_id
    examined = (
        await _by_uri(stored, definition, sources)
        if endpoint_id is None
        else await _by_resource(name, definition, endpoint_id, sources)
    )
    seconds = await sources.looks.at(lambda: sources.scoring.seconds(name), of=f"the skill {name}")
    measured = None if isinstance(seconds, Fault) else seconds
    return [*found, *examined, batch_finding(name, definition, Measured(measured), sources.most_records)]


async def _key(stored: StoredSkill, sources: SkillSources) -> Finding:
    check, name, place = Check.SKILL_KEY, stored.name, stored.key
    if place is None:
        return ok(check, name, "it has no key of its own")
    has_key = await sources.looks.at(lambda: sources.scoring.has_key(place), of=f"the key of the skill {name}")
    if isinstance(has_key, Fault):
        return skipped(check, name, f"not looked at: {has_key.message}")
    where = f"the app setting {place.setting}" if place.setting else "the table of secrets"
    if has_key:
        return ok(check, name, f"its key is in {where}")
    if place.setting is None:
        put = sources.app.call("get", f"skills/{name}")
        return failed(check, name, "its key is no longer stored", "save the skill again with its key", put)
    return failed(
        check,
        name,
        f"{where} has no usable value, so no call can be made",
        f"set {place.setting} to the endpoint's key; {VAULT_ROLE}",
        set_key(place.setting, str(stored.document.get("uri", "")), sources.app),
    )


async def _by_uri(stored: StoredSkill, definition: SkillDefinition, sources: SkillSources) -> list[Finding]:
    name, uri = stored.name, definition.uri or ""
    address = address_finding(name, uri, sources.hosts, sources.app)
    unknown = "only an endpoint named by resourceId tells"
    rest = [
        skipped(Check.SKILL_ENDPOINT, name, f"not looked at: {unknown}"),
        skipped(Check.SKILL_RIGHT, name, "a call with a key of its own, or none, takes no right of this app"),
        skipped(Check.SKILL_DEPLOYMENT, name, f"not looked at: {unknown} its deployments"),
        skipped(Check.SKILL_CAPACITY, name, f"not looked at: {unknown} its capacity"),
    ]
    if address.status == "failed":
        return [address, *rest, skipped(Check.SKILL_ANSWER, name, "not called: its address is refused")]
    setting = stored.key.setting if stored.key else None
    cure = set_key(setting, uri, sources.app) if setting else show_endpoint(uri)
    return [address, *rest, await _answer(name, f"the endpoint at {host_of(uri)}", cure, sources)]


async def _answer(name: str, endpoint: str, command: str, sources: SkillSources) -> Finding:
    found = await sources.looks.at(lambda: sources.scoring.probe(name), of=endpoint)
    return answer_finding(name, endpoint, found, command)


async def _by_resource(
    name: str, definition: SkillDefinition, endpoint_id: EndpointId, sources: SkillSources
) -> list[Finding]:
    of = f"the endpoint {endpoint_id.endpoint}"
    workspace = WorkspaceId(endpoint_id.subscription, endpoint_id.resource_group, endpoint_id.workspace)
    endpoint = await sources.looks.at(lambda: sources.scoring.endpoint(endpoint_id), of=of)
    if isinstance(endpoint, Fault):
        return _without_endpoint(name, endpoint, workspace, sources)
    permissions = await sources.workspaces.permissions("", workspace)
    deployments = await sources.looks.at(lambda: sources.scoring.deployments(endpoint_id), of=of)
    processes = await sources.looks.at(sources.scoring.processes, of="the processes")
    show = f"az ml online-endpoint show -n {endpoint_id.endpoint} {commands.in_workspace(workspace)}"
    rights = right_findings(
        Check.SKILL_RIGHT, name, skill_rights(endpoint.auth_mode), permissions, workspace, sources.assignee("")
    )
    alive = 1 if isinstance(processes, Fault) else max(1, processes)
    place = f"-e {endpoint_id.endpoint} {commands.in_workspace(workspace)}"
    return [
        endpoint_finding(name, of, definition, endpoint, show),
        address_finding(name, endpoint.scoring_uri, sources.hosts, sources.app),
        *rights,
        await _answer(name, of, show, sources),
        deployment_finding(name, of, definition, endpoint, deployments, place),
        capacity_finding(name, of, definition, serving(definition, endpoint, deployments), alive, place),
    ]


def _without_endpoint(name: str, fault: Fault, workspace: WorkspaceId, sources: SkillSources) -> list[Finding]:
    why = "not looked at: Azure Resource Manager does not tell the endpoint"
    rest = [*skipped_all(_BEHIND, name, why), skipped(Check.SKILL_ADDRESS, name, why)]
    if fault.is_late:
        return [skipped(Check.SKILL_ENDPOINT, name, fault.message), *rest]
    if fault.status in (401, 403) or fault.code == "EndpointReadForbidden":
        command = commands.assign_role(sources.assignee(""), commands.DATA_SCIENTIST, workspace.path)
        cure = f"give this app's identity the role {commands.DATA_SCIENTIST} on the workspace"
    else:
        command = f"az ml online-endpoint list {commands.in_workspace(workspace)} -o table"
        cure = "deploy the endpoint again, or mend the skill's resourceId"
    return [failed(Check.SKILL_ENDPOINT, name, fault.message, cure, command), *rest]
