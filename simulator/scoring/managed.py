"""POST /endpoints/{endpoint}/score: a managed online endpoint, from its front door to the model.

Status codes and headers: https://learn.microsoft.com/azure/machine-learning/how-to-troubleshoot-online-endpoints
The wording of the messages is ours.
"""

import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import partial
from random import Random

from starlette.requests import Request
from starlette.routing import Route
from starlette.types import Receive, Scope, Send

from simulator.arm.models import Deployment, OnlineEndpoint, Workspace
from simulator.identity import MACHINE_LEARNING
from simulator.scoring.answers import Answer, echo_answer, error_answer, model_failed
from simulator.scoring.call import answer_call, too_many
from simulator.scoring.faults import FaultMemory, Full
from simulator.scoring.model import Model, ModelTimeout, ModelUnreachable
from simulator.scoring.request_ids import RequestIdTooLong, request_ids
from simulator.scoring.wire import send_whole
from simulator.tokens import TokenRefused, TokenStore, bearer

DEPLOYMENT_HEADER = "azureml-model-deployment"
FRONT_DOOR = {"server": "azureml-frontdoor"}


class Refused(Exception):
    """The front door's own answer, before any deployment is reached."""

    def __init__(self, answer: Answer) -> None:
        super().__init__(answer.status)
        self.answer = answer


@dataclass
class ManagedScoring:
    """Without a `model` it echoes."""

    workspace: Workspace
    tokens: TokenStore
    memory: FaultMemory
    model: Model | None = None
    _random: Random = field(default_factory=lambda: Random("traffic"))

    def routes(self) -> list[Route]:
        return [Route("/endpoints/{endpoint}/score", self, methods=["POST"])]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        request = Request(scope, receive)
        try:
            await self._score(request, send)
        except Refused as refusal:
            await send_whole(refusal.answer.with_headers(FRONT_DOOR), send)

    async def _score(self, request: Request, send: Send) -> None:
        endpoint = self._endpoint(request.path_params["endpoint"])
        self._authenticate(endpoint, request.headers)
        ids = ids_or_refusal(request.headers)
        deployment = self._deployment(endpoint, request.headers.get(DEPLOYMENT_HEADER))
        named = {DEPLOYMENT_HEADER: deployment.name, "azureml-model-session": deployment.name}
        otherwise = partial(self._model_answer, request.headers, deployment)
        try:
            with self.memory.place(f"{endpoint.name}/{deployment.name}", deployment.capacity):
                await answer_call(request, send, self.memory, FRONT_DOOR | named | ids, otherwise)
        except Full as error:
            raise Refused(too_many(None).with_headers(named | ids)) from error

    def _endpoint(self, name: str) -> OnlineEndpoint:
        endpoint = self.workspace.online_endpoints.get(name.lower())
        if endpoint is None:
            raise Refused(error_answer(404, f"there is no endpoint {name}"))
        return endpoint

    def _authenticate(self, endpoint: OnlineEndpoint, headers: Mapping[str, str]) -> None:
        value = bearer(headers.get("authorization"))
        if value is None:
            raise unauthorized("the Authorization header is missing or holds no bearer token")
        if endpoint.auth_mode == "Key":
            if not has_key(endpoint, value):
                raise unauthorized("the key is not one of this endpoint's")
            return
        audience = MACHINE_LEARNING if endpoint.auth_mode == "AADToken" else endpoint.audience
        try:
            self.tokens.check(value, audience)
        except TokenRefused as refusal:
            raise unauthorized(f"the token is not good here: {refusal.reason}") from refusal

    def _deployment(self, endpoint: OnlineEndpoint, pinned: str | None) -> Deployment:
        """The pinned one, whatever its traffic; else one drawn by traffic."""
        if pinned is not None:
            if pinned.lower() not in endpoint.deployments:
                raise Refused(error_answer(404, f"there is no deployment {pinned}"))
            return endpoint.deployments[pinned.lower()]
        shares = {name: share for name, share in endpoint.traffic.items() if share > 0}
        if not shares:
            raise Refused(error_answer(404, "no deployment has traffic"))
        drawn = self._random.choices(list(shares), weights=list(shares.values()))[0]
        return endpoint.deployments[drawn.lower()]

    async def _model_answer(self, headers: Mapping[str, str], deployment: Deployment, body: bytes) -> Answer:
        try:
            answer = await self._scored(headers, deployment, body)
        except ModelTimeout:
            return error_answer(408, f"the model took longer than {deployment.request_timeout} s")
        except ModelUnreachable as error:
            return error_answer(503, str(error))
        return answer if answer.status == 200 else model_failed(answer)

    async def _scored(self, headers: Mapping[str, str], deployment: Deployment, body: bytes) -> Answer:
        if self.model is None:
            return echo_answer(body)
        return await self.model.score(body, headers, deployment.request_timeout)


def unauthorized(message: str) -> Refused:
    return Refused(error_answer(401, message, {"www-authenticate": "Bearer"}))


def has_key(endpoint: OnlineEndpoint, value: str) -> bool:
    keys = (endpoint.primary_key, endpoint.secondary_key)
    return any(secrets.compare_digest(value.encode(), key.encode()) for key in keys)


def ids_or_refusal(headers: Mapping[str, str]) -> dict[str, str]:
    try:
        return request_ids(headers)
    except RequestIdTooLong as error:
        raise Refused(error_answer(431, str(error))) from error
