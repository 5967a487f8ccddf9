"""A skill: what the facts about its endpoint mean."""

from dataclasses import dataclass, field
from typing import Any

import pytest

from shared.operations.doctor.commands import FunctionApp
from shared.operations.doctor.findings import Finding, Status
from shared.operations.doctor.looks import Fault
from shared.operations.doctor.skill_findings import (
    address_finding,
    answer_finding,
    batch_finding,
    capacity_finding,
    deployment_finding,
    endpoint_finding,
    host_of,
    serving,
    set_key,
)
from shared.skills.addresses import ScoringHosts
from shared.skills.definition import SkillDefinition, parse_definition
from shared.skills.web_api_skill import Measured

APP = FunctionApp("bridge")
RESOURCE = (
    "/subscriptions/00000000-0000-0000-0000-000000000001/resourceGroups/rg"
    "/providers/Microsoft.MachineLearningServices/workspaces/ws1/onlineEndpoints/language"
)
OF, PLACE = "the endpoint language", "-e language -w ws1 -g rg"
AWAY = Fault("Azure Resource Manager answered 503", "ResourceManagerFailed", 503)


def skill(**members: Any) -> SkillDefinition:
    document = {
        "resourceId": RESOURCE,
        "inputs": [{"name": "text", "source": "/document/content"}],
        "outputs": [{"name": "language"}],
    }
    return parse_definition({**document, **members})


@dataclass(frozen=True)
class Endpoint:
    auth_mode: str = "key"
    scoring_uri: str = "https://language.westeurope.inference.ml.azure.com/score"
    location: str = "westeurope"
    traffic: dict[str, int] = field(default_factory=lambda: {"blue": 100})


@dataclass(frozen=True)
class Deployment:
    name: str = "blue"
    instances: int = 1
    concurrent: int = 1


@pytest.mark.parametrize(
    ("definition", "endpoint", "status", "says"),
    [
        (skill(), Endpoint(), Status.OK, "is in westeurope, with the authentication mode key"),
        (skill(region="West Europe"), Endpoint(), Status.OK, ""),
        (skill(region="eastus"), Endpoint(), Status.FAILED, "is in westeurope, not in eastus"),
        (skill(), Endpoint(auth_mode="other"), Status.FAILED, "the authentication mode other, which is not served"),
        (skill(timeout="PT200S"), Endpoint(), Status.WARNING, "ends a request after 180 s at most"),
    ],
)
def test_an_endpoint(definition: SkillDefinition, endpoint: Endpoint, status: Status, says: str) -> None:
    finding = endpoint_finding("language", OF, definition, endpoint, "az ml online-endpoint show")

    assert finding.status is status
    assert says in finding.message


@pytest.mark.parametrize(
    ("found", "status", "says"),
    [
        (200, Status.OK, "answers (status 200"),
        (400, Status.OK, "answers"),
        (405, Status.OK, "answers"),
        (401, Status.FAILED, "refuses the skill's credential (401)"),
        (403, Status.FAILED, "refuses the skill's credential (403)"),
        (404, Status.WARNING, "answers 404"),
        (429, Status.WARNING, "answers 429"),
        (503, Status.WARNING, "answers 503"),
        (Fault("No connection to it", "ConnectFailed"), Status.FAILED, "No connection to it"),
        (Fault("no key", "KeySettingMissing"), Status.SKIPPED, "not called: no key"),
        (Fault("no right", "EndpointReadForbidden", 403), Status.SKIPPED, "not called: no right"),
        (Fault("late", "Late", None, True), Status.SKIPPED, "not called: late"),
    ],
)
def test_what_an_endpoint_answers_to_a_call_without_a_payload(found: int | Fault, status: Status, says: str) -> None:
    finding = answer_finding("language", OF, found, "az …")

    assert finding.status is status
    assert says in finding.message


@pytest.mark.parametrize(
    ("uri", "status"),
    [
        ("https://language.westeurope.inference.ml.azure.com/score", Status.OK),
        ("https://language.example/score", Status.FAILED),
        ("http://language.westeurope.inference.ml.azure.com/score", Status.FAILED),
        ("nonsense", Status.FAILED),
        ("", Status.FAILED),
    ],
)
def test_an_address_is_on_the_allow_list(uri: str, status: Status) -> None:
    finding = address_finding("language", uri, ScoringHosts(), APP)

    assert finding.status is status
    if uri.startswith("https://language.example"):
        assert str(finding.command).endswith('inference.ml.azure.cn,language.example"')


@pytest.mark.parametrize(
    ("uri", "host"),
    [
        ("https://language.westeurope.inference.ml.azure.com/score", "language.westeurope.inference.ml.azure.com"),
        ("https://$(rm -rf ~)/score", "<endpoint>"),
        ('https://a";reboot;"/score', "<endpoint>"),
        ("https://[::1/score", "<endpoint>"),
        ("score", "<endpoint>"),
    ],
)
def test_nothing_that_a_shell_would_run_comes_into_a_command(uri: str, host: str) -> None:
    assert host_of(uri) == host
    assert "$(rm" not in set_key("SKILL_KEY_A", uri, APP)
    assert "reboot" not in str(address_finding("language", uri, ScoringHosts(), APP).command)


@pytest.mark.parametrize(
    ("pinned", "traffic", "there", "status", "says"),
    [
        (None, {"blue": 100}, [Deployment()], Status.OK, "traffic goes to blue"),
        (None, {"blue": 0}, [Deployment()], Status.FAILED, "no deployment of the endpoint language has traffic"),
        (None, {}, [], Status.FAILED, "no deployment of the endpoint language has traffic"),
        (None, {"green": 100}, [Deployment()], Status.FAILED, "has traffic"),
        ("blue", {}, [Deployment()], Status.OK, "the deployment blue is there"),
        ("green", {"blue": 100}, [Deployment()], Status.FAILED, "has no deployment 'green'; there are: blue"),
        (None, {"blue": 100}, AWAY, Status.SKIPPED, "not looked at"),
    ],
)
def test_a_deployment_takes_the_calls(
    pinned: str | None, traffic: dict[str, int], there: list[Deployment] | Fault, status: Status, says: str
) -> None:
    definition = skill(gateway={"deployment": pinned} if pinned else {})

    finding = deployment_finding("language", OF, definition, Endpoint(traffic=traffic), there, PLACE)

    assert finding.status is status
    assert says in finding.message


def test_traffic_is_given_to_a_deployment_that_there_is() -> None:
    finding = deployment_finding("language", OF, skill(), Endpoint(traffic={}), [Deployment("green")], PLACE)

    assert finding.command == "az ml online-endpoint update --traffic green=100 -n language -w ws1 -g rg"


def capacity(definition: SkillDefinition, *deployments: Deployment, processes: int = 1) -> Finding:
    return capacity_finding("language", OF, definition, deployments, processes, PLACE)


@pytest.mark.parametrize(
    ("parallelism", "processes", "deployments", "status", "says"),
    [
        (5, 1, [Deployment(instances=3)], Status.OK, "holds 6 calls at once, and up to 5"),
        (6, 1, [Deployment(instances=3)], Status.OK, "up to 6"),
        (5, 2, [Deployment(instances=3)], Status.WARNING, "up to 10 (degreeOfParallelism 5 × 2 live processes)"),
        (10, 1, [Deployment(), Deployment("green", concurrent=3)], Status.WARNING, "holds 8 calls at once"),
        (5, 1, [Deployment(instances=0)], Status.SKIPPED, "does not tell"),
        (5, 1, [], Status.SKIPPED, "does not tell"),
    ],
)
def test_an_endpoint_holds_what_the_processes_may_send(
    parallelism: int, processes: int, deployments: list[Deployment], status: Status, says: str
) -> None:
    finding = capacity(skill(degreeOfParallelism=parallelism), *deployments, processes=processes)

    assert finding.status is status
    assert says in finding.message


@pytest.mark.parametrize(("processes", "instances"), [(2, 5), (3, 8), (20, 50)])
def test_the_command_scales_to_what_is_sent(processes: int, instances: int) -> None:
    finding = capacity(skill(), Deployment(instances=3), processes=processes)

    assert finding.command == f"az ml online-deployment update -n blue {PLACE} --set instance_count={instances}"
    assert capacity(skill(), Deployment(instances=instances), processes=processes).status is Status.OK


@pytest.mark.parametrize(
    ("definition", "names"),
    [
        (skill(), ["blue"]),
        (skill(gateway={"deployment": "green"}), ["green"]),
        (skill(gateway={"deployment": "none"}), []),
    ],
)
def test_only_deployments_that_take_its_calls_count(definition: SkillDefinition, names: list[str]) -> None:
    found = serving(definition, Endpoint(traffic={"blue": 100, "green": 0}), [Deployment(), Deployment("green")])

    assert not isinstance(found, Fault)
    assert [deployment.name for deployment in found] == names


@pytest.mark.parametrize(
    ("seconds", "status", "says"),
    [
        (None, Status.SKIPPED, "no call has been measured"),
        (0.05, Status.OK, "1,000 records fit"),
        (5.0, Status.WARNING, "a skillset without a batchSize sends 1,000"),
    ],
)
def test_a_batch_has_to_fit_into_its_time(seconds: float | None, status: Status, says: str) -> None:
    finding = batch_finding("language", skill(), Measured(seconds), most_records=1000)

    assert finding.status is status
    assert says in finding.message
