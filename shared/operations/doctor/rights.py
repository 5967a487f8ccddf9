"""Which actions on a workspace does this app need, and what for? Told apart, so that what is missing says what it stops.

Source: Azure RBAC, actions of Microsoft.MachineLearningServices; how-to-authenticate-online-endpoint (Owner, Contributor,
or a role with `listKeys/action` and `token/action`); how-to-authenticate-batch-endpoint.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from enum import StrEnum

from shared.operations.doctor import commands
from shared.operations.doctor.findings import Check, Finding, failed, ok, skipped, warning
from shared.operations.doctor.looks import Fault
from shared.workflows.permissions import allowed
from shared.workflows.workspaces import Permission, WorkspaceId

PROVIDER = "Microsoft.MachineLearningServices/workspaces"


class Use(StrEnum):
    """Who needs a right."""

    RUNS = "runs"
    BATCH = "runs at a batch endpoint"
    REASONS = "reasons of failed jobs"
    SCORING = "skills by resourceId"
    CAPACITY = "an endpoint's capacity"
    BY_KEY = "endpoints with keys"
    BY_AML_TOKEN = "endpoints with aml_token"  # noqa: S105  # the name of a way, not a token
    BY_ENTRA = "endpoints with aad_token"


@dataclass(frozen=True, slots=True)
class Right:
    action: str
    """Below the provider's `workspaces/`."""
    purpose: str
    use: Use

    @property
    def full(self) -> str:
        return f"{PROVIDER}/{self.action}"


# Without `workspaces/read`: a GET that succeeded proves it, and the role's `workspaces/*/read` does not match it.
RIGHTS = (
    Right("components/read", "to list its pipelines", Use.RUNS),
    Right("components/versions/read", "to read what a pipeline takes and gives", Use.RUNS),
    Right("datastores/read", "to find where outputs and data lie", Use.RUNS),
    Right("batchEndpoints/read", "to list its pipelines", Use.RUNS),
    Right("batchEndpoints/deployments/read", "to find the pipeline behind a batch endpoint", Use.RUNS),
    Right("jobs/read", "to follow a run's job", Use.RUNS),
    Right("jobs/write", "to send a run's job", Use.RUNS),
    Right("jobs/cancel/action", "to cancel a run's job", Use.RUNS),
    Right("batchEndpoints/jobs/write", "to start a run at a batch endpoint", Use.BATCH),
    Right("batchEndpoints/jobs/read", "to follow a run at a batch endpoint", Use.BATCH),
    Right("experiments/runs/read", "to tell why a job failed", Use.REASONS),
    Right("onlineEndpoints/read", "to find the endpoint's address", Use.SCORING),
    Right("onlineEndpoints/deployments/read", "to share the endpoint's capacity among processes", Use.CAPACITY),
    Right("onlineEndpoints/listKeys/action", "to get the endpoint's key", Use.BY_KEY),
    Right("onlineEndpoints/token/action", "to get a token of the endpoint", Use.BY_AML_TOKEN),
    Right("onlineEndpoints/score/action", "to score with a token of Microsoft Entra", Use.BY_ENTRA),
)
_WITHOUT = {Use.REASONS: "a failed run tells no reason", Use.CAPACITY: "the limiter finds the capacity by trying"}
"""What works less well without them, and works."""
AUTH_USES = {"key": Use.BY_KEY, "amltoken": Use.BY_AML_TOKEN, "aadtoken": Use.BY_ENTRA}


def connection_rights(*, with_batch: bool) -> list[Right]:
    """`with_batch`: a workflow runs at a batch endpoint."""
    uses = {Use.RUNS, Use.REASONS, *([Use.BATCH] if with_batch else [])}
    return [right for right in RIGHTS if right.use in uses]


def skill_rights(auth_mode: str) -> list[Right]:
    """`auth_mode`: lower case, without underscores."""
    uses = {Use.SCORING, Use.CAPACITY, AUTH_USES.get(auth_mode)}
    return [right for right in RIGHTS if right.use in uses]


def right_findings(
    check: Check,
    subject: str,
    needed: Collection[Right],
    permissions: Sequence[Permission] | Fault,
    workspace: WorkspaceId,
    assignee: str,
) -> list[Finding]:
    """One for each action."""
    if isinstance(permissions, Fault):
        message = f"what this app may do in the workspace {workspace.name} is not known: {permissions.message}"
        return [skipped(check, subject, message)]
    return [_finding(check, subject, right, permissions, workspace, assignee) for right in needed]


def _finding(
    check: Check, subject: str, right: Right, permissions: Sequence[Permission], workspace: WorkspaceId, assignee: str
) -> Finding:
    place = f"{subject}: {right.action}"
    if allowed(right.full, permissions):
        return ok(check, place, f"allowed; {right.purpose}")
    message = (
        f"this app's identity lacks {right.full} on the workspace {workspace.name}, which it takes {right.purpose}"
    )
    cure = (
        f"give it the role {commands.DATA_SCIENTIST}, which has it, as Owner and Contributor do; granting it takes an "
        "Owner or a User Access Administrator of the workspace"
    )
    command = commands.assign_role(assignee, commands.DATA_SCIENTIST, workspace.path)
    if right.use in _WITHOUT:
        return warning(check, place, f"{message}; without it {_WITHOUT[right.use]}", cure, command)
    return failed(check, place, message, cure, command)
