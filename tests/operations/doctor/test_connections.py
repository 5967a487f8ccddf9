"""A connection: what its workspace says of itself, and whether its network, pipelines and datastores will do."""

from dataclasses import replace
from datetime import UTC, datetime

import pytest

from shared.operations.doctor.commands import FunctionApp
from shared.operations.doctor.connections import (
    datastores_finding,
    network_finding,
    pipelines_finding,
    workspace_findings,
)
from shared.operations.doctor.findings import Check, Finding, Status
from shared.operations.doctor.looks import Fault
from shared.operations.doctor.workspaces import WorkspaceFacts
from shared.workflows.browsing import Choice
from shared.workflows.connections import CONSENT_VERSION, Connection, Consent
from shared.workflows.definition import Provider
from shared.workflows.pipelines import Pipeline
from shared.workflows.workspaces import Datastore, Workspace
from tests.workflows.fakes import DATASTORES, WORKSPACE, pipeline, style_a

APP = FunctionApp("bridge")
TENANT = "00000000-0000-0000-0000-0000000000aa"
AT = datetime(2026, 11, 1, tzinfo=UTC)
CONNECTION = Connection("contoso", TENANT, WORKSPACE.path, "westeurope", Consent("ann", AT, CONSENT_VERSION), '"etag"')
FOUND = Workspace(WORKSPACE, "westeurope", TENANT, False, "https://ml.azure.com/discovery")
AWAY = Fault("Azure Resource Manager answered nothing within 15 s", "WorkspaceUnavailable")


def findings(workspace: Workspace | Fault, connection: Connection = CONNECTION) -> dict[Check, Finding]:
    facts = WorkspaceFacts(WORKSPACE, workspace, [], [])
    return {finding.check: finding for finding in workspace_findings(connection, facts, "object-id")}


def statuses(found: dict[Check, Finding]) -> dict[str, Status]:
    return {check.partition(".")[2]: finding.status for check, finding in found.items()}


def test_a_workspace_that_is_as_it_was() -> None:
    assert statuses(findings(FOUND)) == dict.fromkeys(
        ("workspace", "consent", "v1Legacy", "tenant", "location"), Status.OK
    )


@pytest.mark.parametrize(
    ("fault", "command"),
    [
        (AWAY, f"az ml workspace show -n ws1 -g rg --subscription {WORKSPACE.subscription}"),
        (
            Fault("does not know it", "NotFound", 404),
            f'az ml workspace list --subscription {WORKSPACE.subscription} --query "[].id" -o tsv',
        ),
        (
            Fault("lacks the right", "WorkspaceForbidden", 403),
            f"az role assignment create --assignee object-id --role 'AzureML Data Scientist' --scope {WORKSPACE.path}",
        ),
    ],
)
def test_a_workspace_that_is_not_reached_is_one_failure_and_skips_the_rest(fault: Fault, command: str) -> None:
    found = findings(fault)

    assert found[Check.CONNECTION_WORKSPACE].command == command
    assert [finding.check for finding in found.values() if finding.status is Status.FAILED] == [
        Check.CONNECTION_WORKSPACE
    ]
    assert found[Check.CONNECTION_CONSENT].status is Status.OK
    skips = {check for check, finding in found.items() if finding.status is Status.SKIPPED}
    assert skips == {
        Check.CONNECTION_LEGACY,
        Check.CONNECTION_TENANT,
        Check.CONNECTION_LOCATION,
        Check.CONNECTION_NETWORK,
        Check.CONNECTION_RIGHT,
        Check.CONNECTION_PIPELINES,
        Check.CONNECTION_DATASTORES,
    }


def test_a_workspace_in_v1_legacy_mode_fails_and_skips_the_rest() -> None:
    found = findings(replace(FOUND, is_v1_legacy=True))

    assert found[Check.CONNECTION_LEGACY].command == (
        f"az ml workspace update -n ws1 -g rg --subscription {WORKSPACE.subscription} --set v1_legacy_mode=false"
    )
    assert found[Check.CONNECTION_RIGHT].status is Status.SKIPPED


@pytest.mark.parametrize(
    ("workspace", "connection", "check", "status", "says"),
    [
        (replace(FOUND, tenant="other"), CONNECTION, Check.CONNECTION_TENANT, Status.FAILED, "the tenant other"),
        (replace(FOUND, tenant=TENANT.upper()), CONNECTION, Check.CONNECTION_TENANT, Status.OK, ""),
        (
            replace(FOUND, location="eastus"),
            CONNECTION,
            Check.CONNECTION_LOCATION,
            Status.WARNING,
            "is in eastus, and was in westeurope when the consent",
        ),
        (
            FOUND,
            replace(CONNECTION, consent=Consent("ann", AT, "2020-01-01")),
            Check.CONNECTION_CONSENT,
            Status.WARNING,
            "the text of 2020-01-01",
        ),
    ],
)
def test_what_has_changed_since_it_was_saved(
    workspace: Workspace, connection: Connection, check: Check, status: Status, says: str
) -> None:
    finding = findings(workspace, connection)[check]

    assert finding.status is status
    assert says in finding.message


@pytest.mark.parametrize(
    ("is_private", "address", "status", "says"),
    [
        (False, "westeurope.api.azureml.ms", Status.OK, "calls from public networks, and westeurope.api.azureml.ms"),
        (True, "westeurope.api.azureml.ms", Status.OK, "private endpoints alone, and westeurope.api.azureml.ms was"),
        (False, AWAY, Status.WARNING, "runs go on, and a failed one tells no reason"),
        (True, AWAY, Status.FAILED, "takes calls over private endpoints alone, and none came through"),
    ],
)
def test_a_private_workspace_has_to_be_reached_by_its_private_address(
    is_private: bool, address: str | Fault, status: Status, says: str
) -> None:
    finding = network_finding(CONNECTION, replace(FOUND, is_private=is_private), address, APP)

    assert finding.status is status
    assert says in finding.message
    if status is Status.FAILED:
        assert "privatelink.api.azureml.ms" in str(finding.cure)
        assert str(finding.command).startswith("az functionapp vnet-integration add -n bridge")


def choice(name: str, of: Pipeline) -> Choice:
    return Choice(name, Provider.COMPONENT, of)


@pytest.mark.parametrize(
    ("found", "status", "says"),
    [
        (
            [choice("churn", style_a()), choice("calendar", pipeline({}, {"out": {"type": "uri_folder"}}))],
            Status.OK,
            "eligible: churn; not eligible: calendar (no data input)",
        ),
        (
            [choice("alert", pipeline({"data": {"type": "uri_file"}}))],
            Status.WARNING,
            "no pipeline that a workflow can run; not eligible: alert (no output path/datastore)",
        ),
        ([], Status.WARNING, "no pipeline that a workflow can run"),
        (AWAY, Status.SKIPPED, "not listed"),
    ],
)
def test_pipelines_are_told_with_the_reasons_of_those_that_cannot_be_chosen(
    found: list[Choice] | Fault, status: Status, says: str
) -> None:
    finding = pipelines_finding(CONNECTION, found, WORKSPACE)

    assert finding.status is status
    assert says in finding.message


@pytest.mark.parametrize(
    ("found", "status"),
    [(DATASTORES, Status.OK), ([DATASTORES[2]], Status.FAILED), ([], Status.FAILED), (AWAY, Status.SKIPPED)],
)
def test_a_workspace_needs_a_datastore_for_outputs(found: list[Datastore] | Fault, status: Status) -> None:
    assert datastores_finding(CONNECTION, found, WORKSPACE).status is status
