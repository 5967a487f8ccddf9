"""Which ids does an answer carry? Those of the call, as Azure ML's inference server gives them back."""

from collections.abc import Mapping
from uuid import uuid4

LIMIT = 100


class RequestIdTooLong(Exception):
    """`str()` is the message; the status is 431."""


def request_ids(headers: Mapping[str, str]) -> dict[str, str]:
    """x-request-id is the call's own or made; x-ms-request-id is the client's id, if it gave one."""
    request_id = headers.get("x-request-id") or str(uuid4())
    client_id = headers.get("x-ms-client-request-id") or headers.get("x-ms-request-id")
    if max(len(request_id), len(client_id or "")) > LIMIT:
        raise RequestIdTooLong(f"a request id must not exceed {LIMIT} characters")
    ids = {"x-request-id": request_id, "x-ms-request-id": client_id or request_id}
    return {**ids, "x-ms-client-request-id": client_id} if client_id else ids
