"""Why did a job fail? Run history tells, a data plane of the workspace's region: the job in ARM does not.

Source: the run history client of azureml-core: the workspace's discoveryUrl, then `POST …/history/v1.0{workspace}/rundata`.
"""

import logging
from collections.abc import Sequence

import httpx

from shared.aml.exchange import Answer, DataPlane, ExchangeFailed, read_as
from shared.aml.workspace_calls import Asked, WorkspaceCalls, clean, unusable
from shared.errors import BridgeError
from shared.logs import log_event
from shared.workflows.workspaces import JobFailure, WorkspaceId, WorkspaceReader

# By the audience of tokens: the domain of the regions' hosts.
DOMAINS = {
    "https://ml.azure.com": "api.azureml.ms",
    "https://ml.azure.us": "api.ml.azure.us",
    "https://ml.azure.cn": "api.ml.azure.cn",
}
_SERVICE = "the run history of Azure Machine Learning"
_LONGEST_CODE = 100
_LONGEST_MESSAGE = 2_000
_LONGEST_DETAIL = 500
_MOST_DETAILS = 10

logger = logging.getLogger(__name__)


class _Discovery(Answer):
    api: str | None = None
    history: str | None = None


class _Detail(Answer):
    code: str | None = None
    message: str | None = None


class _Error(_Detail):
    details: tuple[_Detail, ...] | None = None


class _ErrorResponse(Answer):
    error: _Error | None = None


class _Metadata(Answer):
    error: _ErrorResponse | None = None


class _RunData(Answer):
    run_metadata: _Metadata | None = None


class RunHistory:
    """`plane` is the workspaces' own: a token goes to hosts under its domain alone."""

    def __init__(self, calls: WorkspaceCalls, reader: WorkspaceReader, plane: DataPlane) -> None:
        self._calls = calls
        self._reader = reader
        self._plane = plane
        self._hosts: dict[str, str] = {}

    async def failure(self, workspace: WorkspaceId, job: str) -> JobFailure | None:
        """None where there is none, or where it cannot be read: the link to the studio is left then."""
        try:
            return await self._read(workspace, job)
        except (BridgeError, ExchangeFailed) as error:
            self._hosts.pop(workspace.path, None)
            log_event(logger, "job_failure_unknown", logging.WARNING, job=job, cause=error)
            return None

    async def reach(self, workspace: WorkspaceId) -> str:
        """The service's host, once it has answered anything at all. Raises WorkspaceUnavailable, BridgeError."""
        asked = Asked(workspace, "the run history", "experiments/runs/read", _SERVICE)
        self._hosts.pop(workspace.path, None)
        try:
            address = await self._host(workspace)
            await self._plane.read_openly(address)
        except ExchangeFailed as failed:
            raise unusable(asked, failed) from failed.__cause__
        return str(httpx.URL(address).host)

    async def _read(self, workspace: WorkspaceId, job: str) -> JobFailure | None:
        asked = Asked(workspace, f"the job {job}", "experiments/runs/read", _SERVICE)
        exchange = self._plane.at(await self._host(workspace))
        url = exchange.url(f"/history/v1.0{workspace.path}/rundata")
        body = {"runId": job, "selectRunMetadata": True}
        answer = await self._calls.exchange(asked, exchange, "POST", url, body=body)
        metadata = self._calls.parse(asked, answer, _RunData).run_metadata
        error = metadata and metadata.error and metadata.error.error
        return _failure(error) if error else None

    async def _host(self, workspace: WorkspaceId) -> str:
        """Raises ExchangeFailed: where it leads elsewhere than to this service."""
        if workspace.path not in self._hosts:
            discovery_url = (await self._reader.workspace(workspace)).discovery_url
            answer = await self._plane.read_openly(discovery_url)
            if answer.status != 200:
                raise ExchangeFailed(f"{answer.status} to the question for its address")
            found = read_as(_Discovery, answer)
            self._hosts[workspace.path] = self._first_of_ours([found.api, found.history])
        return self._hosts[workspace.path]

    def _first_of_ours(self, addresses: Sequence[str | None]) -> str:
        for address in addresses:
            try:
                return str(self._plane.check(address or ""))
            except ExchangeFailed:
                continue
        raise ExchangeFailed("with addresses of other services")


def _failure(error: _Error) -> JobFailure:
    """A detail that only repeats the message is none."""
    message = clean(error.message or "", _LONGEST_MESSAGE)
    details = [clean(item.message, _LONGEST_DETAIL) for item in error.details or () if item.message]
    return JobFailure(
        code=clean(error.code or "JobFailed", _LONGEST_CODE),
        message=message or "Azure Machine Learning gives no reason",
        details=tuple(detail for detail in details if not message.startswith(detail))[:_MOST_DETAILS],
    )
