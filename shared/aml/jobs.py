"""A registered pipeline component runs as a job in Azure Resource Manager, under a name that we choose.

Source: Azure ML REST, 2025-12-01, jobs. The name makes a submission repeatable: whoever does not know whether a job
was accepted looks it up.
"""

import re
from typing import Any

from shared.aml.exchange import Answer
from shared.aml.history import RunHistory
from shared.aml.workspace_calls import Asked, WorkspaceCalls
from shared.errors import NotFound, WorkspaceRefused
from shared.workflows.workspaces import Job, JobFailure, WorkspaceId

OVER = frozenset({"Completed", "Failed", "Canceled"})
_NAME = re.compile(r"[a-zA-Z0-9][a-zA-Z0-9_-]{0,254}")
_TOKEN_HEADER = "x-azureml-token"  # noqa: S105  the name of a header


class _Service(Answer):
    endpoint: str | None = None


class _Properties(Answer):
    status: str | None = None
    services: dict[str, _Service | None] | None = None


class JobAnswer(Answer):
    """A job as Azure Resource Manager and batch endpoints render it."""

    name: str = ""
    id: str = ""
    properties: _Properties

    def job(self, name: str | None = None) -> Job:
        studio = (self.properties.services or {}).get("Studio")
        own_name = name or self.name or self.id.rstrip("/").rpartition("/")[2]
        return Job(own_name, self.properties.status or "Unknown", studio_url=studio.endpoint if studio else None)


class ComponentJobs:
    """PipelineJobs of registered components."""

    def __init__(self, calls: WorkspaceCalls, history: RunHistory, *, token_audience: str) -> None:
        self._calls = calls
        self._history = history
        self._other_tokens = {_TOKEN_HEADER: token_audience}

    async def find(self, workspace: WorkspaceId, name: str) -> Job | None:
        if not _NAME.fullmatch(name):
            return None
        try:
            found = await self._calls.read(_asked(workspace, name, "jobs/read"), f"/jobs/{name}", JobAnswer)
        except NotFound:
            return None
        return found.job(name)

    async def submit(self, workspace: WorkspaceId, name: str, body: dict[str, Any]) -> Job:
        """The job `name`, begun once, however often this is called: one that lost its answer is found again."""
        asked = _asked(workspace, name, "jobs/write")
        if not _NAME.fullmatch(name):
            raise WorkspaceRefused(f"{name[:60]!r} cannot name a job: it takes letters, digits, - and _, at most 255")
        if (found := await self.find(workspace, name)) is not None:
            return found
        try:
            answer = await self._calls.call(
                asked, "PUT", f"/jobs/{name}", body=body, other_tokens=self._other_tokens, expected=(200, 201)
            )
        except WorkspaceRefused:  # also where another process was quicker
            if (found := await self.find(workspace, name)) is None:
                raise
            return found
        return self._calls.parse(asked, answer, JobAnswer).job(name)

    async def cancel(self, workspace: WorkspaceId, name: str) -> None:
        """Asks for it; the job's status says when it is done. A job that is over stays as it is. Raises NotFound."""
        asked = _asked(workspace, name, "jobs/cancel/action")
        if not _NAME.fullmatch(name):
            raise NotFound(f"there is no {asked.place}: a job's name has letters, digits, - and _")
        try:
            await self._calls.call(asked, "POST", f"/jobs/{name}/cancel", expected=(200, 202, 204))
        except WorkspaceRefused:
            job = await self.find(workspace, name)
            if job is None or job.status not in OVER:
                raise

    async def failure(self, workspace: WorkspaceId, name: str) -> JobFailure | None:
        return await self._history.failure(workspace, name)


def _asked(workspace: WorkspaceId, name: str, right: str) -> Asked:
    return Asked(workspace, f"the job {name}", right)
