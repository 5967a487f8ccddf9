"""Rights, action by action; and that the table has every one that the code asks for."""

import re
from pathlib import Path

import pytest

from shared.operations.doctor.findings import Check, Status
from shared.operations.doctor.looks import Fault
from shared.operations.doctor.rights import (
    PROVIDER,
    RIGHTS,
    Right,
    connection_rights,
    right_findings,
    skill_rights,
)
from shared.workflows.permissions import NEEDED
from shared.workflows.workspaces import Permission, WorkspaceId
from simulator.arm.models import DATA_SCIENTIST

WORKSPACE = WorkspaceId("00000000-0000-0000-0000-000000000001", "rg", "ws1")
ROLE = [Permission(tuple(DATA_SCIENTIST.actions), tuple(DATA_SCIENTIST.not_actions))]
READER = [Permission(("*/read",), ())]
AML = Path(__file__).parents[3] / "shared" / "aml"
ASKED = re.compile(r'"((?:[A-Za-z]+/)+(?:read|write|action))"')


def actions(rights: list[Right]) -> set[str]:
    return {right.action for right in rights}


def judged(needed: list[Right], permissions: list[Permission] | Fault) -> dict[str, Status]:
    found = right_findings(Check.CONNECTION_RIGHT, "contoso", needed, permissions, WORKSPACE, "object-id")
    return {finding.subject: finding.status for finding in found}


def test_every_right_that_the_code_asks_for_is_in_the_table() -> None:
    asked = {found for path in AML.glob("*.py") for found in ASKED.findall(path.read_text())}

    assert len(asked) >= 10
    assert asked <= {right.action for right in RIGHTS}
    assert {action.removeprefix(f"{PROVIDER}/") for action in NEEDED} <= actions(connection_rights(with_batch=False))


def test_the_role_that_the_cure_names_has_every_right_of_the_table() -> None:
    assert set(judged(list(RIGHTS), ROLE).values()) == {Status.OK}


@pytest.mark.parametrize(
    ("permissions", "lacking"),
    [
        (READER, {"jobs/write", "jobs/cancel/action"}),
        ([Permission((f"{PROVIDER}/*",), (f"{PROVIDER}/datastores/*",))], {"datastores/read"}),
        ([Permission(("*",), ())], set()),
        ([*READER, Permission((f"{PROVIDER}/JOBS/*",), ())], set()),
    ],
)
def test_what_a_connection_lacks(permissions: list[Permission], lacking: set[str]) -> None:
    found = judged(connection_rights(with_batch=False), permissions)

    assert {
        subject.removeprefix("contoso: ") for subject, status in found.items() if status is Status.FAILED
    } == lacking


def test_what_works_less_well_is_a_warning() -> None:
    without = [Permission(("*",), (f"{PROVIDER}/experiments/*",))]

    assert judged(connection_rights(with_batch=False), without)["contoso: experiments/runs/read"] is Status.WARNING


def test_only_a_workflow_at_a_batch_endpoint_needs_the_rights_to_start_there() -> None:
    assert "batchEndpoints/jobs/write" not in actions(connection_rights(with_batch=False))
    assert "batchEndpoints/jobs/write" in actions(connection_rights(with_batch=True))


@pytest.mark.parametrize(
    ("auth_mode", "own"),
    [
        ("key", {"onlineEndpoints/listKeys/action"}),
        ("amltoken", {"onlineEndpoints/token/action"}),
        ("aadtoken", {"onlineEndpoints/score/action"}),
        ("other", set()),
    ],
)
def test_a_skill_needs_what_its_endpoints_authentication_takes(auth_mode: str, own: set[str]) -> None:
    always = {"onlineEndpoints/read", "onlineEndpoints/deployments/read"}

    assert actions(skill_rights(auth_mode)) == always | own


def test_what_is_missing_is_told_with_its_purpose_role_and_command() -> None:
    [finding] = right_findings(
        Check.SKILL_RIGHT,
        "language",
        [right for right in RIGHTS if right.action == "onlineEndpoints/token/action"],
        READER,
        WORKSPACE,
        "object-id",
    )

    assert f"{PROVIDER}/onlineEndpoints/token/action on the workspace ws1" in finding.message
    assert "to get a token of the endpoint" in finding.message
    assert "an Owner or a User Access Administrator of the workspace" in str(finding.cure)
    assert finding.command == (
        "az role assignment create --assignee object-id --role 'AzureML Data Scientist' --scope " + WORKSPACE.path
    )


def test_rights_that_cannot_be_read_are_skipped() -> None:
    assert judged(list(RIGHTS), Fault("away", "WorkspaceUnavailable")) == {"contoso": Status.SKIPPED}
