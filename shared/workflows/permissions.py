"""May this app do what a workflow needs? ARM's permission lists, evaluated as ARM does.

Source: Azure RBAC: an entry allows an action that one of its `actions` matches and none of its `notActions`; one entry
is enough. `*` matches any characters, without regard to case.
"""

import re
from collections.abc import Sequence

from shared.workflows.workspaces import Permission, WorkspaceId

_ML = "Microsoft.MachineLearningServices/workspaces"
# Without `workspaces/read`: a GET that succeeded proves it, and the role's `workspaces/*/read` does not match it.
NEEDED = (
    f"{_ML}/components/read",
    f"{_ML}/components/versions/read",
    f"{_ML}/datastores/read",
    f"{_ML}/jobs/read",
    f"{_ML}/jobs/write",
    f"{_ML}/jobs/cancel/action",
)
ROLE = "AzureML Data Scientist"


def allowed(action: str, permissions: Sequence[Permission]) -> bool:
    return any(
        any(_matches(pattern, action) for pattern in entry.actions)
        and not any(_matches(pattern, action) for pattern in entry.not_actions)
        for entry in permissions
    )


def missing(permissions: Sequence[Permission]) -> list[str]:
    """The needed actions that `permissions` do not allow."""
    return [action for action in NEEDED if not allowed(action, permissions)]


def _matches(pattern: str, action: str) -> bool:
    return re.fullmatch(".*".join(map(re.escape, pattern.split("*"))), action, re.IGNORECASE | re.DOTALL) is not None


def cure(workspace: WorkspaceId, identity: str) -> str:
    """The command that grants what is missing."""
    return (
        f"az role assignment create --assignee {identity} --role '{ROLE}' --scope '{workspace.path}' "
        "(it takes an Owner or a User Access Administrator of the workspace)"
    )
