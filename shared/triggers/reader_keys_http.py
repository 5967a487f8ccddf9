"""The routes under `/api/reader-keys`."""

import azure.functions as func

from shared.triggers.http import answers, get_services, json_response, principal, read_body
from shared.wire import read_json

blueprint = func.Blueprint()  # type: ignore[no-untyped-call]

_KEYS = "api/reader-keys"
_KEY = "api/reader-keys/{name}"


@blueprint.route(route=_KEYS, methods=["POST"])
@answers
async def create_reader_key(req: func.HttpRequest) -> func.HttpResponse:
    services = get_services()
    body = read_json(read_body(req, services))
    created = await services.reader_keys.create(body, principal(req, services), services.now())
    return json_response(created, 201, {"Cache-Control": "no-store"})


@blueprint.route(route=_KEYS, methods=["GET"])
@answers
async def list_reader_keys(req: func.HttpRequest) -> func.HttpResponse:
    return json_response({"value": [key.render() for key in await get_services().reader_keys.list()]})


@blueprint.route(route=_KEY, methods=["GET"])
@answers
async def get_reader_key(req: func.HttpRequest) -> func.HttpResponse:
    return json_response((await get_services().reader_keys.get(req.route_params["name"])).render())


@blueprint.route(route=_KEY, methods=["DELETE"])
@answers
async def revoke_reader_key(req: func.HttpRequest) -> func.HttpResponse:
    await get_services().reader_keys.revoke(req.route_params["name"])
    return func.HttpResponse(status_code=204)
