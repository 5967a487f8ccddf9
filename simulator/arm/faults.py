"""How does a call go wrong on its way? With another status, late, or without an answer.

{"calls": 2, "status": 503}                                   the next two calls
{"calls": 1, "status": 429, "retryAfter": 7, "method": "GET", "path": "/jobs/"}
{"calls": 1, "method": "PUT", "path": "/jobs/", "drop": "after"}
                                                              accepted, and the answer lost
"""

from collections.abc import Sequence
from http import HTTPStatus
from typing import Annotated, Literal

from pydantic import Field
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from simulator.arm.errors import ArmError
from simulator.scoring.wire import hang_up, wait_until_gone
from simulator.wire import Control

CODES = {429: "TooManyRequests", 500: "InternalServerError", 503: "ServiceUnavailable", 504: "GatewayTimeout"}


class CallFault(Control):
    """`calls` counts down as they come. `path` is a part of the path, `method` the method; without them any call."""

    calls: Annotated[int, Field(ge=0)]
    status: Annotated[int, Field(ge=400, le=599)] | None = None
    retry_after: Annotated[int, Field(ge=0, le=86_400)] | None = None
    drop: Literal["before", "after"] | None = None
    delay: Annotated[float, Field(ge=0, le=600)] = 0
    method: str | None = None
    path: str | None = None

    def applies_to(self, request: Request) -> bool:
        right_method = self.method is None or self.method.upper() == request.method
        right_path = self.path is None or self.path.lower() in request.url.path.lower()
        return self.calls > 0 and right_method and right_path

    def refusal(self) -> ArmError | None:
        if self.status is None:
            return None
        headers = {} if self.retry_after is None else {"retry-after": str(self.retry_after)}
        code = CODES.get(self.status) or HTTPStatus(self.status).phrase.replace(" ", "")
        return ArmError(self.status, code, "The simulator was told to fail.", headers)


def next_fault(faults: Sequence[CallFault], request: Request) -> CallFault | None:
    """The first that applies; it is one call nearer to its end."""
    for fault in faults:
        if fault.applies_to(request):
            fault.calls -= 1
            return fault
    return None


class HangUp(Response):
    """No answer: the connection is closed."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        hang_up(scope)()
        await wait_until_gone(receive)
