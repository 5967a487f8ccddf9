"""How does a test set the scene? Routes under /control, which Azure does not have.

GET   /control          what can be set, as it is
PATCH /control          {"tokenLifetime", "endpointTokenLifetime", "pageSize",
                         "throttle": {"calls", "retryAfter"}, "faults": [{"calls", …}]} (arm/faults.py)
POST  /control/revoke   {"audience"}: its tokens; {"endpoint"}: its keys and tokens; {}: all there are
PATCH /control/endpoints/{endpoint}/deployments/{deployment}
                        {"instances", "maxConcurrentRequestsPerInstance", "requestTimeout"}
"""

from dataclasses import dataclass
from typing import Annotated, Any

from pydantic import Field
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from simulator.arm.faults import CallFault
from simulator.arm.front import ArmFront, Throttle
from simulator.arm.models import OnlineEndpoint, Workspace
from simulator.arm.online_endpoints import OnlineEndpoints
from simulator.calls import Calls
from simulator.identity import ManagedIdentity, audience_of
from simulator.scoring.faults import FaultMemory
from simulator.wire import Control, read

Seconds = Annotated[int, Field(ge=0, le=86_400)]
Positive = Annotated[int, Field(ge=1, le=10_000)]


class ThrottleSetting(Control):
    calls: Annotated[int, Field(ge=0)]
    retry_after: Seconds = 1


class Settings(Control):
    token_lifetime: Seconds | None = None
    endpoint_token_lifetime: Seconds | None = None
    page_size: Positive | None = None
    throttle: ThrottleSetting | None = None
    faults: list[CallFault] | None = None


class Revocation(Control):
    audience: str | None = None
    endpoint: str | None = None


class DeploymentSetting(Control):
    instances: Positive | None = None
    max_concurrent_requests_per_instance: Positive | None = None
    request_timeout: Positive | None = None


@dataclass
class Controls:
    identity: ManagedIdentity
    front: ArmFront
    endpoints: OnlineEndpoints
    workspace: Workspace
    calls: Calls
    memory: FaultMemory

    def routes(self) -> list[Route]:
        deployment = "/control/endpoints/{endpoint}/deployments/{deployment}"
        return [
            Route("/calls", self.get_calls, methods=["GET"]),
            Route("/calls/log", self.get_log, methods=["GET"]),
            Route("/calls/reset", self.reset_calls, methods=["POST"]),
            Route("/control", self.get_settings, methods=["GET"]),
            Route("/control", self.change_settings, methods=["PATCH"]),
            Route("/control/revoke", self.revoke, methods=["POST"]),
            Route(deployment, self.change_deployment, methods=["PATCH"]),
        ]

    async def get_calls(self, request: Request) -> Response:
        return JSONResponse(self.calls.to_json())

    async def get_log(self, request: Request) -> Response:
        last = request.query_params.get("last", "50")
        if not last.isdecimal():
            raise HTTPException(400, "last must be a number")
        return JSONResponse({"value": self.calls.last(int(last))})

    async def reset_calls(self, request: Request) -> Response:
        self.calls.reset()
        self.memory.forget()
        return Response(status_code=204)

    async def get_settings(self, request: Request) -> Response:
        return JSONResponse(self._settings())

    async def change_settings(self, request: Request) -> Response:
        new = await read(request, Settings)
        if new.token_lifetime is not None:
            self.identity.lifetime = new.token_lifetime
        if new.endpoint_token_lifetime is not None:
            self.endpoints.token_lifetime = new.endpoint_token_lifetime
        if new.page_size is not None:
            self.endpoints.pages.size = new.page_size
        if new.throttle is not None:
            self.front.throttle = Throttle(new.throttle.calls, new.throttle.retry_after)
        if new.faults is not None:
            self.front.faults = new.faults
        return JSONResponse(self._settings())

    async def revoke(self, request: Request) -> Response:
        asked = await read(request, Revocation)
        if asked.endpoint is not None:
            endpoint = self._endpoint(asked.endpoint)
            return self._revoke([endpoint], endpoint.audience)
        if asked.audience is not None:
            return self._revoke([], audience_of(asked.audience))
        return self._revoke(list(self.workspace.online_endpoints.values()), None)

    async def change_deployment(self, request: Request) -> Response:
        endpoint = self._endpoint(request.path_params["endpoint"])
        deployment = endpoint.deployments.get(request.path_params["deployment"].lower())
        if deployment is None:
            raise HTTPException(404, "no deployment of this name")
        new = await read(request, DeploymentSetting)
        deployment.instances = new.instances or deployment.instances
        deployment.max_concurrent_requests = (
            new.max_concurrent_requests_per_instance or deployment.max_concurrent_requests
        )
        deployment.request_timeout = new.request_timeout or deployment.request_timeout
        return JSONResponse({"capacity": deployment.capacity})

    def _revoke(self, endpoints: list[OnlineEndpoint], audience: str | None) -> Response:
        for endpoint in endpoints:
            endpoint.renew_keys()
        revoked = self.endpoints.tokens.revoke(audience)
        return JSONResponse({"tokens": revoked, "endpointsWithNewKeys": [each.name for each in endpoints]})

    def _endpoint(self, name: str) -> OnlineEndpoint:
        endpoint = self.workspace.online_endpoints.get(name.lower())
        if endpoint is None:
            raise HTTPException(404, f"no endpoint {name}")
        return endpoint

    def _settings(self) -> dict[str, Any]:
        throttle = self.front.throttle
        return {
            "tokenLifetime": self.identity.lifetime,
            "endpointTokenLifetime": self.endpoints.token_lifetime,
            "pageSize": self.endpoints.pages.size,
            "throttle": throttle and {"calls": throttle.calls, "retryAfter": throttle.retry_after},
            "faults": [fault.model_dump(by_alias=True) for fault in self.front.faults],
        }
