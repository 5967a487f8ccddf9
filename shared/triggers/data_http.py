"""The data plane: entities over OData, under `/api/data` and in the address that Customer Insights documents."""

import re
from functools import wraps
from urllib.parse import quote

import azure.functions as func

from shared.entities.odata import check_version, parse_request
from shared.entities.reading import answer, service_document
from shared.triggers.http import Handler, answers, base_url, get_services, json_response
from shared.triggers.sign_in import needs_sign_in

blueprint = func.Blueprint()  # type: ignore[no-untyped-call]

_DATA = "api/data"
_JSON = "application/json;odata.metadata=minimal"
_STILL_ENCODED = re.compile(r"[A-Za-z][A-Za-z0-9_]*(?:/(?:\$|%24)count)?%3[Ff]")
"""Of an entity's name, `%3F` is no part: it is a `?` that nobody has decoded yet."""


def speaks_odata(handler: Handler) -> Handler:
    """Its version goes with every answer, errors included."""

    @wraps(handler)
    async def speaking(req: func.HttpRequest) -> func.HttpResponse:
        response = await handler(req)
        response.headers["OData-Version"] = "4.0"
        return response

    return speaking


@blueprint.route(route=f"{_DATA}/{{*path}}", methods=["GET"], auth_level=func.AuthLevel.ANONYMOUS)
@speaks_odata
@answers
@needs_sign_in
async def get_data(req: func.HttpRequest) -> func.HttpResponse:
    return await _answer(req)


@blueprint.route(route="v1/instances/{instanceId}/data/{*path}", methods=["GET"], auth_level=func.AuthLevel.ANONYMOUS)
@speaks_odata
@answers
@needs_sign_in
async def get_instance_data(req: func.HttpRequest) -> func.HttpResponse:
    return await _answer(req)


async def _answer(req: func.HttpRequest) -> func.HttpResponse:
    check_version(req.headers.get("OData-MaxVersion"))
    services, path = get_services(), _path(req)
    root = f"{base_url(req, services)}/{_DATA}"
    if not path:
        return _odata_response(await service_document(services.data.entities, root))
    return _odata_response(await answer(parse_request(path, _query(req)), services.data, root))


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


def _odata_response(found: dict[str, object] | int) -> func.HttpResponse:
    if isinstance(found, int):
        return func.HttpResponse(str(found), mimetype="text/plain")
    return json_response(found, headers={"Content-Type": _JSON})
