"""Jobs in ARM: put, get, list, cancel, delete.

A PUT of a name that is taken answers 200 with the job that is there, and starts nothing.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from simulator.arm.components import is_listed
from simulator.arm.errors import ProviderError, not_found
from simulator.arm.front import ArmFront
from simulator.arm.models import Workspace
from simulator.arm.paging import Pages
from simulator.arm.resources import SYSTEM_DATA, WORKSPACE_PATH, WORKSPACE_TYPE, resource
from simulator.arm.workspaces import Workspaces
from simulator.jobs.models import Job, Status
from simulator.jobs.store import Jobs

JOBS_PATH = f"{WORKSPACE_PATH}/jobs"
JOB_PATH = f"{JOBS_PATH}/{{job}}"
JOB_TYPE = f"{WORKSPACE_TYPE}/jobs"
# Members of a pipeline job that a request may have and an answer always has.
OPTIONAL = ("description", "displayName", "componentId", "computeId", "identity", "notificationSetting", "sourceJobId")
CANCEL_RETRY_SECONDS = "1"


@dataclass
class JobResources:
    workspaces: Workspaces
    front: ArmFront
    pages: Pages
    jobs: Jobs

    def routes(self) -> list[Route]:
        return [
            self.front.route("GET", JOBS_PATH, self.list_jobs),
            self.front.route("PUT", JOB_PATH, self.put_job),
            self.front.route("GET", JOB_PATH, self.get_job),
            self.front.route("DELETE", JOB_PATH, self.delete_job),
            self.front.route("POST", f"{JOB_PATH}/cancel", self.cancel_job),
            self.front.route("GET", f"{JOB_PATH}/operationResults/cancel", self.get_cancellation),
        ]

    async def list_jobs(self, request: Request) -> Response:
        """The newest first."""
        workspace = self.workspaces.permitted(request, "jobs/read")
        held = [job for job in reversed(self.jobs.all(workspace)) if is_wanted(job, request)]
        return self.pages.answer(request, [job_json(job, request) for job in held])

    async def put_job(self, request: Request) -> Response:
        workspace = self.workspaces.permitted(request, "jobs/write")
        properties = await sent_properties(request)
        job, is_new = self.jobs.submit(workspace, request.path_params["job"], properties)
        return JSONResponse(job_json(job, request), 201 if is_new else 200)

    async def get_job(self, request: Request) -> Response:
        return JSONResponse(job_json(self._job(request, "read"), request))

    async def delete_job(self, request: Request) -> Response:
        workspace = self.workspaces.permitted(request, "jobs/delete")
        job = self.jobs.find(workspace, request.path_params["job"])
        if job is None:
            return Response(status_code=204)
        if not job.is_over:
            raise ProviderError(409, "UserError", f"The job {job.name} is {job.status}: cancel it first.")
        self.jobs.delete(job)
        return Response(status_code=200)

    async def cancel_job(self, request: Request) -> Response:
        """200 for a job that is over; else 202, and Location tells when it is done."""
        job = self._job(request, "cancel/action")
        self.jobs.cancel(job)
        return cancellation(job, request)

    async def get_cancellation(self, request: Request) -> Response:
        return cancellation(self._job(request, "read"), request)

    def _job(self, request: Request, action: str) -> Job:
        workspace = self.workspaces.permitted(request, f"jobs/{action}")
        return find(self.jobs, workspace, request.path_params["job"])


def find(jobs: Jobs, workspace: Workspace, name: str) -> Job:
    job = jobs.find(workspace, name)
    if job is None:
        raise not_found(JOB_TYPE, f"{workspace.name}/{name}", workspace.resource_group)
    return job


def cancellation(job: Job, request: Request) -> Response:
    if job.is_over:
        return Response(status_code=200)
    version = request.query_params["api-version"]
    origin = str(request.base_url).rstrip("/")
    location = f"{origin}{job.id}/operationResults/cancel?api-version={version}"
    return Response(status_code=202, headers={"location": location, "retry-after": CANCEL_RETRY_SECONDS})


async def sent_properties(request: Request) -> Mapping[str, Any]:
    """Raises ProviderError 400 for a body that is no resource."""
    try:
        body = json.loads(await request.body())
    except ValueError as error:
        raise ProviderError(400, "UserError", "The request body is not JSON.") from error
    properties = body.get("properties") if isinstance(body, dict) else None
    if not isinstance(properties, dict):
        raise ProviderError(400, "UserError", "The request body has no object 'properties'.")
    return properties


def is_wanted(job: Job, request: Request) -> bool:
    query = request.query_params
    tags = job.properties.get("tags") or {}
    name, equals, value = query.get("tag", "").partition("=")
    right_tag = not name or (name in tags and (not equals or tags[name] == value))
    right_type = query.get("jobType", "Pipeline") == "Pipeline"
    return right_tag and right_type and is_listed(request, bool(job.properties.get("isArchived")))


def job_json(job: Job, request: Request) -> dict[str, Any]:
    sent = job.properties
    properties = {
        "jobType": "Pipeline",
        "status": job.status,
        "experimentName": job.experiment,
        "isArchived": bool(sent.get("isArchived")),
        "tags": sent.get("tags") or {},
        "properties": sent.get("properties") or {},
        "inputs": sent.get("inputs") or {},
        "outputs": sent.get("outputs") or {},
        "jobs": sent.get("jobs") or {},
        "settings": sent.get("settings"),
        "services": services(job, request),
        **{name: sent.get(name) for name in OPTIONAL},
    }
    created = job.since(Status.NOT_STARTED)
    known = {"createdAt": created.isoformat()} if created else {}
    return resource(job.id, JOB_TYPE, properties) | {"systemData": SYSTEM_DATA | known}


def services(job: Job, request: Request) -> dict[str, Any]:
    """Links for people. Studio's is of the form that real answers have."""
    studio = f"https://ml.azure.com/runs/{job.name}?wsid={job.workspace.id}&tid={job.workspace.tenant}"
    tracking = f"azureml://{request.url.netloc}/mlflow/v1.0{job.workspace.id}"
    return {
        name: {
            "jobServiceType": name,
            "endpoint": endpoint,
            "port": None,
            "status": None,
            "errorMessage": None,
            "properties": None,
            "nodes": None,
        }
        for name, endpoint in (("Tracking", tracking), ("Studio", studio))
    }
