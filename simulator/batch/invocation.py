"""POST {scoringUri}: a batch endpoint runs its pipeline, as a job whose name the service chooses.

Wants a token for https://ml.azure.com; case does not matter to member names, but it does to values: `UriFile`,
`UriFolder`, `Literal`. Outputs go to AzureBlob datastores alone. `GET {scoringUri}/{job}` tells how it stands.
Source: https://learn.microsoft.com/azure/machine-learning/how-to-access-data-batch-endpoints-jobs
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from uuid import uuid4

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from simulator.arm.errors import ProviderError
from simulator.arm.front import ArmFront
from simulator.arm.jobs import find, job_json, sent_properties
from simulator.arm.models import BatchDeployment, BatchEndpoint, Workspace
from simulator.arm.registry import component_id
from simulator.arm.workspaces import Workspaces
from simulator.jobs.store import Jobs
from simulator.jobs.uris import BadDataUri, DataUri

DEPLOYMENT_HEADER = "azureml-model-deployment"
TYPES = {"UriFile": "uri_file", "UriFolder": "uri_folder"}


@dataclass
class BatchInvocation:
    workspace: Workspace
    workspaces: Workspaces
    front: ArmFront
    jobs: Jobs

    def routes(self) -> list[Route]:
        path = "/batch/{endpoint}/jobs"
        return [
            self.front.data_route("POST", path, self.invoke),
            self.front.data_route("GET", f"{path}/{{job}}", self.get_job),
        ]

    async def invoke(self, request: Request) -> Response:
        self.workspaces.check(self.workspace, "batchEndpoints/jobs/write")
        deployment = self._deployment(self._endpoint(request), request.headers.get(DEPLOYMENT_HEADER))
        properties = job_properties(self.workspace, deployment, any_case(await sent_properties(request)))
        job = self.jobs.invoke(self.workspace, f"batchjob-{uuid4()}", properties)
        return JSONResponse(job_json(job, request))

    async def get_job(self, request: Request) -> Response:
        self.workspaces.check(self.workspace, "batchEndpoints/jobs/read")
        self._endpoint(request)
        return JSONResponse(job_json(find(self.jobs, self.workspace, request.path_params["job"]), request))

    def _endpoint(self, request: Request) -> BatchEndpoint:
        name = request.path_params["endpoint"]
        endpoint = self.workspace.batch_endpoints.get(name.lower())
        if endpoint is None:
            raise ProviderError(404, "UserError", f"There is no batch endpoint {name}.")
        return endpoint

    def _deployment(self, endpoint: BatchEndpoint, pinned: str | None) -> BatchDeployment:
        deployment = endpoint.deployments.get((pinned or endpoint.default).lower())
        if deployment is None:
            raise ProviderError(404, "UserError", f"There is no deployment {pinned}.")
        return deployment


def any_case(value: Any) -> Any:
    """Member names in lower case, but for those a user chose: inputs and outputs by name."""
    if not isinstance(value, dict):
        return value
    lower = {name.lower(): member for name, member in value.items()}
    return {
        name: {own: any_case(each) for own, each in member.items()}
        if name in ("inputdata", "outputdata") and isinstance(member, dict)
        else any_case(member)
        for name, member in lower.items()
    }


def job_properties(workspace: Workspace, deployment: BatchDeployment, sent: Mapping[str, Any]) -> dict[str, Any]:
    """The invocation as the body of a job. Raises ProviderError."""
    if deployment.component is None:
        raise ProviderError(400, "UserError", "The simulator runs deployments of pipeline components alone.")
    return {
        "jobType": "Pipeline",
        "componentId": component_id(workspace, deployment.component),
        "experimentName": (sent.get("properties") or {}).get("experimentname"),
        "inputs": {name: job_input(name, given) for name, given in (sent.get("inputdata") or {}).items()},
        "outputs": {name: job_output(workspace, name, given) for name, given in (sent.get("outputdata") or {}).items()},
    }


def job_input(name: str, given: Mapping[str, Any]) -> dict[str, Any]:
    """A literal may be a number here; a job's is text."""
    type_ = given.get("jobinputtype")
    if type_ == "Literal":
        value = given.get("value")
        return {"jobInputType": "literal", "value": None if value is None else str(value)}
    if type_ not in TYPES:
        raise ProviderError(400, "UserError", f"JobInputType of {name} is UriFile, UriFolder or Literal, not {type_}.")
    return {"jobInputType": TYPES[type_], "uri": given.get("uri")}


def job_output(workspace: Workspace, name: str, given: Mapping[str, Any]) -> dict[str, Any]:
    type_ = given.get("joboutputtype")
    if type_ not in TYPES:
        raise ProviderError(400, "UserError", f"JobOutputType of {name} is UriFile or UriFolder, not {type_}.")
    try:
        uri = DataUri.parse(str(given.get("uri")), workspace)
    except BadDataUri as error:
        raise ProviderError(400, "UserError", str(error)) from error
    datastore = workspace.datastores.get(uri.datastore.lower())
    if datastore is None or datastore.type != "AzureBlob":
        raise ProviderError(400, "UserError", f"Output {name} must go to an AzureBlob datastore.")
    path = f"azureml://datastores/{uri.datastore}/paths/{uri.path}"
    return {"jobOutputType": TYPES[type_], "mode": "Upload", "uri": path}
