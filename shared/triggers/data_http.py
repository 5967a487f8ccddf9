"""The data plane: entities over OData, under `/api/data` and in the address that Customer Insights documents."""

import re
from functools import wraps
from typing import Any
from urllib.parse import quote

import azure.functions as func

from shared.errors import BadRequest
from shared.loading import at_first_use
from shared.triggers.http import (
    Rim,
    answers,
    answers_reading,
    base_url,
    get_services,
    json_response,
    read_body,
)
from shared.triggers.sign_in import needs_sign_in

with at_first_use():
    from shared.entities import reading
    from shared.entities.odata import formats, requests

blueprint = func.Blueprint()  # type: ignore[no-untyped-call]

_DATA = "api/data"
_INSTANCES = "v1/instances/{instanceId}/data"
_STILL_ENCODED = re.compile(r"[A-Za-z][A-Za-z0-9_]*(?:/(?:\$|%24)(?:count|query))?%3[Ff]")
"""Of an entity's name, `%3F` is no part: it is a `?` that nobody has decoded yet."""


def speaks_odata(rim: Rim) -> Rim:
    """Its version goes with every answer, errors included."""

    @wraps(rim)
    async def speaking(req: func.HttpRequest, **host: Any) -> func.HttpResponse:
        response = await rim(req, **host)
        response.headers["OData-Version"] = "4.0"
        return response

    return speaking


@blueprint.route(route=f"{_DATA}/{{*path}}", methods=["GET"], auth_level=func.AuthLevel.ANONYMOUS)
@speaks_odata
@answers
@needs_sign_in
async def get_data(req: func.HttpRequest) -> func.HttpResponse:
    return await _answer(req)


@blueprint.route(route=f"{_INSTANCES}/{{*path}}", methods=["GET"], auth_level=func.AuthLevel.ANONYMOUS)
@speaks_odata
@answers
@needs_sign_in
async def get_instance_data(req: func.HttpRequest) -> func.HttpResponse:
    return await _answer(req)


@blueprint.route(route=f"{_DATA}/{{*path}}", methods=["POST"], auth_level=func.AuthLevel.ANONYMOUS)
@speaks_odata
@answers_reading
@needs_sign_in
async def query_data(req: func.HttpRequest) -> func.HttpResponse:
    formats.check_body(req.headers.get("Content-Type"))
    return await _answer(req, body=_text(read_body(req, get_services())))


async def _answer(req: func.HttpRequest, body: str | None = None) -> func.HttpResponse:
    headers = req.headers
    formats.check_versions(headers.get("OData-MaxVersion"), headers.get("OData-Version"))
    request = requests.parse_request(
        _path(req), _query(req), body=body, accept=headers.get("Accept"), prefer=headers.get("Prefer")
    )
    services = get_services()
    root = f"{base_url(req, services)}/{_DATA}"
    return _odata_response(await reading.answer(request, services.data, root, services.now()))


def _path(req: func.HttpRequest) -> str:
    """What follows `data/`, percent-encoded once, as it was sent.

    The host decodes a path once, all but `%2F`, and hands on an address in which `%2520` and `%20` both are `%20`.
    Only the route's value tells them apart.
    """
    path = str(req.route_params.get("path") or "")
    return path if _STILL_ENCODED.match(path) else quote(re.sub("%2[Ff]", "/", path), safe="'()$,=")


def _query(req: func.HttpRequest) -> str:
    """As it was sent: the host's own `params` leave out empty ones and join those given twice."""
    return str(req.url).partition("?")[2]


def _text(body: bytes) -> str:
    try:
        return body.decode()
    except UnicodeDecodeError:
        raise BadRequest("the body is not UTF-8: send the query as text/plain") from None


def _odata_response(found: "reading.Answer") -> func.HttpResponse:
    headers = {**found.headers, "Content-Type": found.content_type}
    if isinstance(found.body, dict):
        return json_response(found.body, found.status, headers)
    return func.HttpResponse(found.body, status_code=found.status, headers=headers)
