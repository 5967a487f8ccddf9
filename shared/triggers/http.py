"""The rim of every HTTP function: role, version, size, errors, request id. Handlers parse, call one function, render."""

import logging
import re
from collections.abc import Awaitable, Callable, Mapping
from functools import wraps
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import azure.functions as func

from shared.conditions import Conditions
from shared.errors import BadRequest, BridgeError, ErrorDetail, PayloadTooLarge, Unauthorized, UnsupportedApiVersion
from shared.loading import at_first_use
from shared.logs import bound, log_event, place_of
from shared.signals import Attributes
from shared.triggers.invocations import invocation, takes_context
from shared.wire import answer_bytes

if TYPE_CHECKING:
    from shared.app import Services

with at_first_use():
    from shared import app
    from shared.operations import roles
    from shared.skills import addresses

API_VERSIONS = ("2026-12-01",)
JSON = "application/json"
_UNPRINTABLE = re.compile(r"[^!-~]")
_LONGEST_REQUEST_ID = 100
_OPERATION_ID = re.compile(r"[!-~]{1,200}")

logger = logging.getLogger("bridge.http")

type Handler = Callable[[func.HttpRequest], Awaitable[func.HttpResponse]]
type Rim = Callable[..., Awaitable[func.HttpResponse]]
"""What the host calls: with the request as `req`, and with the call's `context`."""


def get_services() -> "Services":
    """The process's services. Raises ConfigurationError."""
    return app.get_services()


def answers(handler: Handler) -> Rim:
    """Checks what every route checks, and renders every error in the one shape. A stack goes to the log's own
    field alone, never into an answer. What is no GET changes something, and so needs an account that is this app's."""
    return _rim(handler, reads=False)


def answers_reading(handler: Handler) -> Handler:
    """The same for a POST that changes nothing."""
    return _rim(handler, reads=True)


def _rim(handler: Handler, *, reads: bool) -> Handler:
    @wraps(handler)
    async def rim(req: func.HttpRequest, context: func.Context | None = None) -> func.HttpResponse:
        request, caller = request_id(req), req.headers.get("traceparent")
        values = {Attributes.REQUEST: request, Attributes.METHOD: req.method}
        with (
            bound(request=request),
            invocation(handler.__name__, "http", context, parent=caller, values=values) as call,
        ):
            response = await answered(req, request)
            call.set(Attributes.STATUS, response.status_code)
            if response.status_code >= 500:
                call.fail(response.headers.get("x-ms-error-code") or str(response.status_code))
        return response

    async def answered(req: func.HttpRequest, request: str) -> func.HttpResponse:
        try:
            _check_role(handler.__name__, req)
            _check_version(req)
            if not reads and req.method != "GET":
                await get_services().account.check()
            response = await handler(req)
        except BridgeError as error:
            response = _error_response(error)
        except Exception as error:  # noqa: BLE001  # the rim: whatever it is, the caller gets the one shape
            log_event(
                logger,
                "request_failed",
                logging.ERROR,
                function=handler.__name__,
                error=type(error).__name__,
                at=place_of(error),
            )
            response = _error_response(
                BridgeError(f"something failed in this app that should not; its log has the request {request}")
            )
        response.headers["x-ms-request-id"] = request
        response.headers["api-version"] = _version(req)
        return response

    takes_context(rim, handler)
    return rim


def _check_role(function: str, req: func.HttpRequest) -> None:
    """Of one who signed in through Easy Auth, which alone makes these headers; who did not has brought the function's key to the
    host, or shows what the data plane asks for."""
    given = [req.headers.get(name) for name in ("x-ms-client-principal", "x-ms-client-principal-id")]
    if any(given) and function not in roles.OPEN and get_services().settings.WEBSITE_AUTH_ENABLED:
        roles.check_role(function, given[0] or "")


def _version(req: func.HttpRequest) -> str:
    """The one asked for, if it is one of ours: what else a caller writes does not come back in a header."""
    asked = req.params.get("api-version")
    return asked if asked in API_VERSIONS else API_VERSIONS[0]


def _check_version(req: func.HttpRequest) -> None:
    version = req.params.get("api-version")
    if version is not None and version not in API_VERSIONS:
        raise UnsupportedApiVersion(
            f"api-version {version[:40]!r} is not known; valid: {', '.join(API_VERSIONS)}", target="api-version"
        )


def request_id(req: func.HttpRequest) -> str:
    """The caller's id for the request (printable, at most 100 characters), or a new one."""
    given = req.headers.get("x-ms-client-request-id") or req.headers.get("x-request-id") or ""
    return _UNPRINTABLE.sub("", given)[:_LONGEST_REQUEST_ID] or uuid4().hex


def _error_response(error: BridgeError) -> func.HttpResponse:
    body: dict[str, Any] = {"code": error.code, "message": error.message}
    if error.target is not None:
        body["target"] = error.target
    if error.details:
        body["details"] = [_detail(detail) for detail in error.details]
    headers = {"x-ms-error-code": error.code}
    if error.retry_after is not None:
        headers["Retry-After"] = str(max(1, round(error.retry_after)))
    if isinstance(error, Unauthorized):
        headers["WWW-Authenticate"] = error.challenge
    return json_response({"error": body}, error.status, headers)


def _detail(detail: ErrorDetail) -> dict[str, str]:
    found = {"code": detail.code, "message": detail.message}
    return found | ({"target": detail.target} if detail.target is not None else {})


def json_response(body: object, status: int = 200, headers: Mapping[str, str] | None = None) -> func.HttpResponse:
    return func.HttpResponse(answer_bytes(body), status_code=status, mimetype=JSON, headers=dict(headers or {}))


def read_body(req: func.HttpRequest, services: "Services") -> bytes:
    """Raises PayloadTooLarge."""
    body = req.get_body()
    most = services.settings.MAX_BODY_BYTES
    if len(body) > most:
        raise PayloadTooLarge(
            f"the body has {len(body)} bytes, at most {most} are taken: send fewer records (app setting MAX_BODY_BYTES)"
        )
    if not body and "chunked" in req.headers.get("transfer-encoding", "").lower():
        raise BadRequest("the Functions host passes no chunked body on: send the request with a Content-Length")
    return body


def conditions(req: func.HttpRequest) -> Conditions:
    return Conditions(req.headers.get("if-match"), req.headers.get("if-none-match"))


def operation_id(req: func.HttpRequest) -> str | None:
    """By which a request may be repeated. Raises BadRequest."""
    given: str | None = req.headers.get("operation-id")
    if given is not None and not _OPERATION_ID.fullmatch(given):
        raise BadRequest("Operation-Id is 1 to 200 printable ASCII characters, such as a GUID", target="Operation-Id")
    return given


def asks(req: func.HttpRequest, option: str) -> bool:
    """Whether `?option=true`. Raises BadRequest for what is neither true nor false."""
    given = str(req.params.get(option, "false")).lower()
    if given not in ("true", "false"):
        raise BadRequest(f"{option} is true or false", target=option)
    return given == "true"


def principal(req: func.HttpRequest, services: "Services") -> str:
    """Who asks: the one who signed in, where Easy Auth is on and so made the header; else whoever holds a key, for the
    host does not tell which."""
    if services.settings.WEBSITE_AUTH_ENABLED:
        return req.headers.get("x-ms-client-principal-name") or "unknown principal"
    return "holder of a function key"


def base_url(req: func.HttpRequest, services: "Services") -> str:
    """Where callers reach this app: as configured, else the platform's name for it, else, locally, as it was called."""
    settings = services.settings
    if settings.PUBLIC_BASE_URL:
        return settings.PUBLIC_BASE_URL.rstrip("/")
    # Core Tools sets it as well, to an address that has no TLS. In Azure it is always set, so that no caller's
    # Host header decides where a skillset will send its documents.
    if settings.WEBSITE_HOSTNAME and not addresses.is_loopback_url(f"//{settings.WEBSITE_HOSTNAME}"):
        return f"https://{settings.WEBSITE_HOSTNAME}"
    return "/".join(req.url.split("/", 3)[:3])


__all__ = [
    "answers",
    "answers_reading",
    "asks",
    "base_url",
    "conditions",
    "get_services",
    "json_response",
    "principal",
    "read_body",
    "request_id",
]
