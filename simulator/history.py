"""Why did a run fail? Run history, a data plane of its own: the job in ARM does not tell.

    POST /history/v1.0{workspace id}/rundata  {"runId": "…", "selectRunMetadata": true}

wants a token for https://ml.azure.com and no api-version.
"""

import json
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import NAMESPACE_URL, uuid5

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from simulator.arm.errors import ProviderError
from simulator.arm.front import ArmFront
from simulator.arm.resources import WORKSPACE_PATH
from simulator.arm.workspaces import Workspaces
from simulator.jobs.models import TERMINAL, Failure, Job, Status
from simulator.jobs.store import Jobs

PATH = f"/history/v1.0{WORKSPACE_PATH}/rundata"


@dataclass
class RunHistory:
    workspaces: Workspaces
    front: ArmFront
    jobs: Jobs

    def routes(self) -> list[Route]:
        return [self.front.data_route("POST", PATH, self.get_run)]

    async def get_run(self, request: Request) -> Response:
        workspace = self.workspaces.permitted(request, "experiments/runs/read")
        asked = await run_asked_for(request)
        job = self.jobs.find(workspace, asked["runId"])
        if job is None:
            raise ProviderError(404, "UserError", f"Run {asked['runId']} was not found.")
        metadata = run_json(job) if asked.get("selectRunMetadata", True) else None
        return JSONResponse({"runMetadata": metadata, "runDefinition": None, "jobSpecification": None})


async def run_asked_for(request: Request) -> dict[str, Any]:
    try:
        asked = json.loads(await request.body())
    except ValueError:
        asked = None
    if not isinstance(asked, dict) or not isinstance(asked.get("runId"), str):
        raise ProviderError(400, "UserError", "The request body must be an object with a runId.")
    return asked


def run_json(job: Job) -> dict[str, Any]:
    return {
        "runId": job.name,
        "rootRunId": job.name,
        "parentRunId": None,
        "runUuid": str(uuid5(NAMESPACE_URL, job.id)),
        "experimentId": str(uuid5(NAMESPACE_URL, job.experiment)),
        "displayName": job.properties.get("displayName"),
        "status": job.status,
        "createdUtc": instant(job.since(Status.NOT_STARTED)),
        "startTimeUtc": instant(job.since(Status.RUNNING)),
        "endTimeUtc": instant(next((at for status, at in job.timeline if status in TERMINAL), None)),
        "runType": "azureml.PipelineRun",
        "tags": job.properties.get("tags") or {},
        "properties": {},
        "error": None if job.failure is None else failure_json(job, job.failure),
    }


def instant(at: datetime | None) -> str | None:
    return None if at is None else at.isoformat().replace("+00:00", "Z")


def failure_json(job: Job, failure: Failure) -> dict[str, Any]:
    details = (
        [] if failure.step is None else [{"code": "UserError", "message": failure.message, "target": failure.step}]
    )
    error = {
        "code": "UserError",
        "severity": None,
        "message": failure.message,
        "messageFormat": None,
        "target": failure.step,
        "details": details,
        "innerError": None,
    }
    return {
        "error": error,
        "environment": job.workspace.location,
        "location": job.workspace.location,
        "time": instant(job.since(Status.FAILED)),
        "componentName": "execution-worker",
    }
