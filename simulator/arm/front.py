"""What does every call pass before its resource? Token, api-version, throttling, and the faults it was told."""

import asyncio
import re
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from uuid import uuid4

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from simulator.arm.errors import ArmError
from simulator.arm.faults import CallFault, HangUp, next_fault
from simulator.identity import MACHINE_LEARNING, MANAGEMENT
from simulator.tokens import Token, TokenRefused, TokenStore, bearer

Handler = Callable[[Request], Awaitable[Response]]

API_VERSION = re.compile(r"\d{4}-\d{2}-\d{2}(-preview|-dataplanepreview)?", re.ASCII)
EVERY_METHOD = ["GET", "PUT", "POST", "PATCH", "DELETE"]

# The codes ARM uses for a token it does not take.
TOKEN_CODES = {
    "unknown": ("InvalidAuthenticationToken", "The access token is invalid."),
    "expired": ("ExpiredAuthenticationToken", "The access token expiry is in the past."),
    "audience": ("InvalidAuthenticationTokenAudience", "The access token's audience is not '{audience}'."),
}
WRONG_TENANT = (
    "The access token is of the wrong tenant '{found}'. It must match the tenant '{wanted}' of this subscription."
)


class ArmRoute(Route):
    """A route that compares as ARM does: without regard to case."""

    def __init__(self, path: str, handler: Handler, methods: list[str]) -> None:
        super().__init__(path, handler, methods=methods)
        self.path_regex = re.compile(self.path_regex.pattern, re.IGNORECASE)


@dataclass
class Throttle:
    """The next `calls` calls are answered 429."""

    calls: int
    retry_after: int


@dataclass
class ArmFront:
    tokens: TokenStore
    tenant_of: Callable[[str], str | None] = lambda subscription: None
    """None for a subscription that nobody has."""
    throttle: Throttle | None = None
    faults: list[CallFault] = field(default_factory=list)

    def route(self, method: str, path: str, handler: Handler) -> ArmRoute:
        return ArmRoute(path, self._behind(handler, self.admit), [method])

    def data_route(self, method: str, path: str, handler: Handler) -> ArmRoute:
        """Of a data plane: a token for Machine Learning, and no api-version."""
        return ArmRoute(path, self._behind(handler, self.admit_data), [method])

    def anything_else(self) -> ArmRoute:
        """The last route: what no service has, though it wants a token as well."""
        return ArmRoute("/subscriptions/{rest:path}", self._behind(nothing_here, self.admit), EVERY_METHOD)

    def admit(self, request: Request) -> None:
        self._check_tenant(request, self._check_token(request, MANAGEMENT))
        check_api_version(request)
        self._check_throttle()

    def admit_data(self, request: Request) -> None:
        self._check_token(request, MACHINE_LEARNING)

    def _behind(self, handler: Handler, admit: Callable[[Request], None]) -> Handler:
        async def admitted(request: Request) -> Response:
            try:
                admit(request)
                response = await self._answer(handler, request)
            except ArmError as error:
                response = error.response()
            response.headers["x-ms-request-id"] = str(uuid4())
            response.headers["x-ms-correlation-request-id"] = str(uuid4())
            return response

        return admitted

    async def _answer(self, handler: Handler, request: Request) -> Response:
        fault = next_fault(self.faults, request)
        if fault is None:
            return await handler(request)
        await asyncio.sleep(fault.delay)
        if refusal := fault.refusal():
            raise refusal
        if fault.drop == "before":
            return HangUp()
        response = await handler(request)
        return HangUp() if fault.drop == "after" else response

    def _check_tenant(self, request: Request, token: Token) -> None:
        wanted = self.tenant_of(request.path_params.get("subscription", ""))
        if wanted is not None and wanted != token.tenant:
            message = WRONG_TENANT.format(found=token.tenant, wanted=wanted)
            raise unauthorized("InvalidAuthenticationTokenTenant", message)

    def _check_token(self, request: Request, audience: str) -> Token:
        value = bearer(request.headers.get("authorization"))
        if value is None:
            message = "Authentication failed. The 'Authorization' header is missing or is not a bearer token."
            raise unauthorized("AuthenticationFailed", message)
        try:
            return self.tokens.check(value, audience)
        except TokenRefused as refusal:
            code, message = TOKEN_CODES[refusal.reason]
            raise unauthorized(code, message.format(audience=audience)) from refusal

    def _check_throttle(self) -> None:
        if self.throttle is None or self.throttle.calls < 1:
            return
        self.throttle.calls -= 1
        seconds = str(self.throttle.retry_after)
        message = f"Number of requests exceeded the limit of the subscription. Try again after {seconds} seconds."
        raise ArmError(429, "SubscriptionRequestsThrottled", message, {"retry-after": seconds})


def unauthorized(code: str, message: str) -> ArmError:
    authority = 'Bearer authorization_uri="https://login.microsoftonline.com/"'
    challenge = f'{authority}, error="invalid_token", error_description="{message}"'
    return ArmError(401, code, message, {"www-authenticate": challenge})


def check_api_version(request: Request) -> None:
    version = request.query_params.get("api-version")
    if not version:
        message = "The api-version query parameter (?api-version=) is required for all requests."
        raise ArmError(400, "MissingApiVersionParameter", message)
    if not API_VERSION.fullmatch(version):
        message = f"The api-version '{version}' is invalid. It must be a date, optionally with -preview."
        raise ArmError(400, "InvalidApiVersionParameter", message)


async def nothing_here(request: Request) -> Response:
    raise ArmError(404, "NotFound", f"The simulator has nothing that answers {request.method} {request.url.path}.")
