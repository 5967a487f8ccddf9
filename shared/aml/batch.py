"""A batch endpoint runs the pipeline behind it, as a job whose name the service chooses.

Source: batch endpoints' REST (invoke at `properties.scoringUri`, which ends in /jobs; status at {scoringUri}/{job}),
and azure-ai-ml's request for the header that tells a repeated invocation from a second one.
"""

import re
from typing import Any
from uuid import NAMESPACE_URL, uuid5

from pydantic import JsonValue

from shared.aml.exchange import Answer, DataPlane, Exchange, ExchangeFailed, Page
from shared.aml.jobs import ComponentJobs, JobAnswer
from shared.aml.workspace_calls import Asked, WorkspaceCalls
from shared.errors import NotFound, WorkspaceRefused
from shared.workflows.workspaces import BatchDeployment, Job, JobFailure, WorkspaceId

_NAME = re.compile(r"[a-zA-Z0-9][a-zA-Z0-9_-]{0,254}")
_REPEATABILITY = "repeatability_request-id"
_DEPLOYMENT = "azureml-model-deployment"
_SEARCHED_PAGES = 5
"""Of the workspace's jobs, newest first: an invocation whose answer was lost is not far back."""


class _ListedProperties(Answer):
    display_name: str | None = None
    inputs: dict[str, JsonValue] | None = None
    outputs: dict[str, JsonValue] | None = None


class _Listed(Answer):
    name: str
    properties: _ListedProperties

    def mentions(self, run: str) -> bool:
        """Whether the job writes to a place of this run, or has its name: every run has a fresh output path."""
        if self.properties.display_name == run:
            return True
        values = [*(self.properties.inputs or {}).values(), *(self.properties.outputs or {}).values()]
        texts = [text for value in values if isinstance(value, dict) for text in value.values()]
        return any(run in text.split("/") for text in texts if isinstance(text, str))


class BatchJobs:
    """PipelineJobs of one deployment of a batch endpoint.

    `find` and `submit` take the run's id or the job's name; `cancel` and `failure` the job's name, as a Job tells it.
    """

    def __init__(
        self, calls: WorkspaceCalls, plane: DataPlane, jobs: ComponentJobs, deployment: BatchDeployment
    ) -> None:
        self._calls = calls
        self._plane = plane
        self._jobs = jobs
        self._deployment = deployment

    async def find(self, workspace: WorkspaceId, name: str) -> Job | None:
        if not _NAME.fullmatch(name):
            return None
        exchange = self._exchange(self._asked(workspace, "batchEndpoints/jobs/read"))
        try:
            return await self._read(exchange, workspace, name)
        except (NotFound, WorkspaceRefused):  # a run's id is no name that the service gave
            started = await self._started_for(workspace, name)
        return None if started is None else await self._read(exchange, workspace, started)

    async def submit(self, workspace: WorkspaceId, name: str, body: dict[str, Any]) -> Job:
        """The job begun for the run `name`. One whose answer was lost is found by the run's output path."""
        if (found := await self.find(workspace, name)) is not None:
            return found
        asked = self._asked(workspace, "batchEndpoints/jobs/write")
        exchange = self._exchange(asked)
        headers = {_REPEATABILITY: str(uuid5(NAMESPACE_URL, f"{workspace.path}/runs/{name}"))}
        if not self._deployment.is_default:
            headers[_DEPLOYMENT] = self._deployment.name
        answer = await self._calls.exchange(
            asked,
            exchange,
            "POST",
            exchange.own(self._deployment.scoring_uri),
            body=body,
            headers=headers,
            expected=(200, 201, 202),
        )
        return self._calls.parse(asked, answer, JobAnswer).job()

    async def cancel(self, workspace: WorkspaceId, name: str) -> None:
        await self._jobs.cancel(workspace, name)

    async def failure(self, workspace: WorkspaceId, name: str) -> JobFailure | None:
        return await self._jobs.failure(workspace, name)

    async def _read(self, exchange: Exchange, workspace: WorkspaceId, job: str) -> Job:
        """Raises NotFound."""
        asked = self._asked(workspace, "batchEndpoints/jobs/read", f"the job {job}")
        path = exchange.own(self._deployment.scoring_uri).path.rstrip("/")
        answer = await self._calls.exchange(asked, exchange, "GET", exchange.url(f"{path}/{job}"))
        return self._calls.parse(asked, answer, JobAnswer).job(job)

    async def _started_for(self, workspace: WorkspaceId, run: str) -> str | None:
        """The job that an earlier invocation for `run` began."""
        asked = Asked(workspace, "the jobs", "jobs/read")
        query = {"jobType": "Pipeline", "listViewType": "ActiveOnly"}
        async for item in self._calls.items(asked, "/jobs", Page[_Listed], query, most_pages=_SEARCHED_PAGES):
            if item.mentions(run):
                return item.name
        return None

    def _exchange(self, asked: Asked) -> Exchange:
        try:
            return self._plane.at(self._deployment.scoring_uri)
        except ExchangeFailed as failed:
            raise WorkspaceRefused(
                f"the scoring address of {asked.place} gets no token ({failed.cause}): only Azure Machine Learning's own "
                "addresses do, so check the endpoint and the app setting AZURE_CLOUD"
            ) from failed.__cause__

    def _asked(self, workspace: WorkspaceId, right: str, what: str | None = None) -> Asked:
        endpoint = self._deployment.endpoint
        return Asked(workspace, what or f"the batch endpoint {endpoint}", right, f"the batch endpoint {endpoint}")
