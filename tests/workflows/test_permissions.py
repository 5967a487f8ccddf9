"""ARM's permission lists."""

import pytest

from shared.workflows.permissions import NEEDED, ROLE, allowed, cure, missing
from shared.workflows.workspaces import Permission
from tests.workflows.fakes import WORKSPACE

ML = "Microsoft.MachineLearningServices"
WRITE = f"{ML}/workspaces/jobs/write"
# Source: the built-in role AzureML Data Scientist.
DATA_SCIENTIST = Permission(
    [f"{ML}/workspaces/*/{verb}" for verb in ("read", "action", "delete", "write")],
    [
        f"{ML}/workspaces/delete",
        f"{ML}/workspaces/write",
        f"{ML}/workspaces/computes/*/write",
        f"{ML}/workspaces/computes/*/delete",
        f"{ML}/workspaces/computes/listKeys/action",
        f"{ML}/workspaces/listKeys/action",
    ],
)
READER = Permission(["*/read"], [])

JUDGED = [
    ([Permission(["*"], [])], True),
    ([Permission([WRITE], [])], True),
    ([Permission([WRITE.upper()], [])], True),
    ([Permission(["microsoft.machinelearningservices/*"], [])], True),
    ([Permission([f"{ML}/workspaces/*/write"], [])], True),
    ([Permission(["*/write"], [])], True),
    ([DATA_SCIENTIST], True),
    ([], False),
    ([Permission([], [])], False),
    ([READER], False),
    ([Permission([f"{ML}/workspaces/jobs"], [])], False),
    ([Permission([f"{WRITE}/more"], [])], False),
    ([Permission([WRITE.replace(".", "x")], [])], False),
    ([Permission(["*"], [WRITE])], False),
    ([Permission(["*"], [f"{ML.lower()}/WORKSPACES/jobs/*"])], False),
    # An entry's notActions take from that entry alone.
    ([Permission(["*"], [WRITE]), Permission([WRITE], [])], True),
    ([READER, Permission([], [WRITE]), Permission(["*/write"], [])], True),
]


@pytest.mark.parametrize(("permissions", "expected"), JUDGED)
def test_an_action_is_allowed_as_arm_allows_it(permissions: list[Permission], expected: bool) -> None:
    assert allowed(WRITE, permissions) is expected


def test_the_role_that_is_named_suffices() -> None:
    assert missing([DATA_SCIENTIST]) == []


def test_a_reader_lacks_what_writes() -> None:
    assert missing([READER]) == [f"{ML}/workspaces/jobs/write", f"{ML}/workspaces/jobs/cancel/action"]


def test_nothing_allows_nothing() -> None:
    assert missing([]) == list(NEEDED)


def test_the_cure_is_a_command() -> None:
    command = cure(WORKSPACE, "11111111-0000-0000-0000-000000000000")

    assert command.startswith(
        "az role assignment create --assignee 11111111-0000-0000-0000-000000000000 "
        f"--role '{ROLE}' --scope '{WORKSPACE.path}'"
    )
