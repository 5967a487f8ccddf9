"""What the facts about a skill's endpoint mean. Pure."""

import re
from collections.abc import Mapping, Sequence
from math import ceil
from shlex import quote
from typing import Protocol
from urllib.parse import urlsplit

from shared.operations.doctor.commands import FunctionApp
from shared.operations.doctor.findings import Check, Finding, failed, ok, skipped, warning
from shared.operations.doctor.looks import Fault
from shared.operations.doctor.rights import AUTH_USES
from shared.skills.addresses import ScoringHosts
from shared.skills.definition import SkillDefinition
from shared.skills.web_api_skill import DEFAULT_BATCH, Measured, web_api_skill

_BUSY = (429, 503)
_HOST = re.compile(r"[A-Za-z0-9.-]{1,253}")


class Endpoint(Protocol):
    """What Azure Resource Manager tells of an online endpoint."""

    @property
    def auth_mode(self) -> str:
        """`key`, `amltoken`, `aadtoken`."""

    @property
    def scoring_uri(self) -> str: ...

    @property
    def location(self) -> str: ...

    @property
    def traffic(self) -> Mapping[str, int]:
        """Deployment to percent."""


class Deployment(Protocol):
    @property
    def name(self) -> str: ...

    @property
    def instances(self) -> int:
        """0 where Azure does not tell."""

    @property
    def concurrent(self) -> int:
        """Calls that an instance takes at once; as many again may wait."""


def set_key(setting: str, uri: str, app: FunctionApp) -> str:
    """From the endpoint itself: its name is the first part of its host."""
    endpoint = host_of(uri).partition(".")[0]
    place = "-w <workspace> -g <resource group>"
    key = f"az ml online-endpoint get-credentials -n {endpoint} {place} --query primaryKey -o tsv"
    return app.set_settings({setting: f"$({key})"})


def address_finding(name: str, uri: str, hosts: ScoringHosts, app: FunctionApp) -> Finding:
    try:
        hosts.check(uri)
    except ValueError as error:
        allow = app.set_settings({"SCORING_HOSTS": ",".join([*hosts.allowed, host_of(uri)])})
        cure = "give the skill the endpoint's own scoring address, or add its host to SCORING_HOSTS"
        return failed(Check.SKILL_ADDRESS, name, str(error), cure, allow)
    return ok(Check.SKILL_ADDRESS, name, f"calls may go to {host_of(uri)}")


def host_of(uri: str) -> str:
    """As it may stand in a command: what Azure or a definition says of it is not trusted with a shell."""
    try:
        host = urlsplit(uri).hostname or ""
    except ValueError:
        host = ""
    return host if _HOST.fullmatch(host) else "<endpoint>"


def show_endpoint(uri: str) -> str:
    endpoint = host_of(uri).partition(".")[0]
    return f"az ml online-endpoint show -n {endpoint} -w <workspace> -g <resource group>"


def answer_finding(name: str, endpoint: str, found: int | Fault, command: str) -> Finding:
    """`found`: the status answered to a call without a payload: any that is no refusal shows that it lives."""
    check = Check.SKILL_ANSWER
    if isinstance(found, Fault):
        if found.is_late or found.code in ("EndpointReadForbidden", "KeySettingMissing", "KeyMissing"):
            return skipped(check, name, f"not called: {found.message}")
        return failed(check, name, found.message, "mend what it says; the endpoint may be stopped or gone", command)
    if found in (401, 403):
        cure = "put the endpoint's present key where the skill's key is, or give this app's identity the right to score"
        return failed(check, name, f"{endpoint} answers, and refuses the skill's credential ({found})", cure, command)
    if found == 404:
        cure = "check the traffic split and the skill's uri: no deployment has traffic, or the address is wrong"
        return warning(check, name, f"{endpoint} answers 404", cure, command)
    if found in _BUSY or found >= 500:
        return warning(check, name, f"{endpoint} answers {found}", "read its deployment's logs", command)
    return ok(check, name, f"{endpoint} answers (status {found} to a call without a payload)")


def endpoint_finding(name: str, of: str, definition: SkillDefinition, endpoint: Endpoint, show: str) -> Finding:
    """Its region and its way to authenticate."""
    check = Check.SKILL_ENDPOINT
    region = (definition.region or "").replace(" ", "").lower()
    if region and region != endpoint.location.replace(" ", "").lower():
        message = f"{of} is in {endpoint.location}, not in {definition.region}"
        return failed(check, name, message, f"set the skill's region to {endpoint.location}, or leave it out", show)
    if endpoint.auth_mode not in AUTH_USES:
        message = f"{of} has the authentication mode {endpoint.auth_mode or 'unknown'}, which is not served here"
        return failed(check, name, message, "recreate it with key, aml_token or aad_token", show)
    if definition.timeout > 180:
        message = f"{of} ends a request after 180 s at most, and the skill's timeout is {definition.timeout:g} s"
        return warning(check, name, message, "lower timeout to PT180S", show)
    return ok(check, name, f"{of} is in {endpoint.location}, with the authentication mode {endpoint.auth_mode}")


def deployment_finding(
    name: str,
    of: str,
    definition: SkillDefinition,
    endpoint: Endpoint,
    deployments: Sequence[Deployment] | Fault,
    place: str,
) -> Finding:
    check, pinned = Check.SKILL_DEPLOYMENT, definition.gateway.deployment
    if isinstance(deployments, Fault):
        return skipped(check, name, f"not looked at: {deployments.message}")
    there = [deployment.name for deployment in deployments]
    if pinned is not None and pinned not in there:
        message = f"{of} has no deployment {pinned!r}; there are: {', '.join(there) or 'none'}"
        cure = "name one that there is in gateway.deployment, or deploy it"
        return failed(check, name, message, cure, f"az ml online-deployment list {place} -o table")
    if pinned is not None:
        return ok(check, name, f"the deployment {pinned} is there")
    taking = [deployment for deployment, share in endpoint.traffic.items() if share > 0 and deployment in there]
    if taking:
        return ok(check, name, f"traffic goes to {', '.join(taking)}")
    share = quote(f"{there[0]}=100") if there else '"<deployment>=100"'
    command = f"az ml online-endpoint update --traffic {share} {place.replace('-e ', '-n ', 1)}"
    cure = "give a deployment traffic" if there else "deploy a model, and give it traffic"
    return failed(check, name, f"no deployment of {of} has traffic", cure, command)


def serving(
    definition: SkillDefinition, endpoint: Endpoint, deployments: Sequence[Deployment] | Fault
) -> list[Deployment] | Fault:
    """The deployments that take this skill's calls."""
    if isinstance(deployments, Fault):
        return deployments
    pinned = definition.gateway.deployment
    wanted = {pinned} if pinned else {name for name, share in endpoint.traffic.items() if share > 0}
    return [deployment for deployment in deployments if deployment.name in wanted]


def capacity_finding(
    name: str,
    of: str,
    definition: SkillDefinition,
    deployments: Sequence[Deployment] | Fault,
    processes: int,
    place: str,
) -> Finding:
    """2 × maxConcurrentRequestsPerInstance × instances, against what the processes that score may send at once."""
    check = Check.SKILL_CAPACITY
    if isinstance(deployments, Fault):
        return skipped(check, name, f"not looked at: {deployments.message}")
    capacity = sum(2 * deployment.concurrent * deployment.instances for deployment in deployments)
    if capacity == 0:
        return skipped(check, name, f"Azure does not tell how many calls {of} holds; the limiter finds out")
    wanted = definition.degree_of_parallelism * processes
    live = "1 live process" if processes == 1 else f"{processes} live processes"
    sent = f"{wanted} (degreeOfParallelism {definition.degree_of_parallelism} × {live})"
    message = f"{of} holds {capacity} calls at once, and up to {sent} are sent"
    if wanted <= capacity:
        return ok(check, name, message)
    first = deployments[0]
    lacking = ceil((wanted - capacity) / (2 * first.concurrent))
    command = f"az ml online-deployment update -n {quote(first.name)} {place} --set instance_count={first.instances + lacking}"
    cure = "add instances, or lower degreeOfParallelism; until then calls wait in the gateway's queue"
    return warning(check, name, message, cure, command)


def batch_finding(name: str, definition: SkillDefinition, measured: Measured, most_records: int) -> Finding:
    """A skillset without a batchSize sends as many records at once as Azure AI Search's default has."""
    check = Check.SKILL_BATCH
    if measured.seconds is None:
        return skipped(check, name, "no call has been measured in this process yet")
    twin, _ = web_api_skill(definition, "https://app", measured, most_records=most_records)
    fits = int(twin["batchSize"])
    message = f"{fits:,} records fit into a batch at {measured.seconds:.2g} s a slow call"
    if fits >= min(DEFAULT_BATCH, most_records):
        return ok(check, name, message)
    return warning(
        check,
        name,
        f"{message}, and a skillset without a batchSize sends {DEFAULT_BATCH:,}",
        f"set batchSize in the skillset as GET /api/skills/{name}/web-api-skill has it",
    )
