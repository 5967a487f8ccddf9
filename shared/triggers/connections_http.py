"""The routes under `/api/connections`, and the consent that a connection asks for."""

import azure.functions as func

from shared.loading import at_first_use
from shared.triggers.http import answers, conditions, get_services, json_response, principal, read_body
from shared.wire import read_json

with at_first_use():
    from shared.workflows import browsing, connections, workspaces

blueprint = func.Blueprint()  # type: ignore[no-untyped-call]

_CONNECTIONS = "api/connections"
_CONNECTION = "api/connections/{connection}"


@blueprint.route(route="api/consent", methods=["GET"])
@answers
async def get_consent(req: func.HttpRequest) -> func.HttpResponse:
    return json_response(connections.render_consent())


@blueprint.route(route=_CONNECTIONS, methods=["GET"])
@answers
async def list_connections(req: func.HttpRequest) -> func.HttpResponse:
    return json_response({"value": [connection.render() for connection in await get_services().connections.list()]})


@blueprint.route(route=_CONNECTION, methods=["PUT"])
@answers
async def put_connection(req: func.HttpRequest) -> func.HttpResponse:
    services = get_services()
    body = read_json(read_body(req, services))
    connection, is_new = await services.connections.put(
        req.route_params["connection"], body, principal(req, services), conditions(req), services.now()
    )
    return json_response(connection.render(), 201 if is_new else 200, {"ETag": connection.etag})


@blueprint.route(route=_CONNECTION, methods=["GET"])
@answers
async def get_connection(req: func.HttpRequest) -> func.HttpResponse:
    connection = await get_services().connections.get(req.route_params["connection"])
    return json_response(connection.render(), headers={"ETag": connection.etag})


@blueprint.route(route=_CONNECTION, methods=["DELETE"])
@answers
async def delete_connection(req: func.HttpRequest) -> func.HttpResponse:
    await get_services().connections.delete(req.route_params["connection"], conditions(req))
    return func.HttpResponse(status_code=204)


@blueprint.route(route=f"{_CONNECTION}/pipelines", methods=["GET"])
@answers
async def list_pipelines(req: func.HttpRequest) -> func.HttpResponse:
    services = get_services()
    connection = await services.connections.get(req.route_params["connection"])
    found = await browsing.pipelines_of(
        services.readers(connection.tenant), workspaces.WorkspaceId.parse(connection.workspace)
    )
    return json_response({"value": [choice.render() for choice in found]})


@blueprint.route(route=f"{_CONNECTION}/datastores", methods=["GET"])
@answers
async def list_datastores(req: func.HttpRequest) -> func.HttpResponse:
    services = get_services()
    connection = await services.connections.get(req.route_params["connection"])
    found = await browsing.output_datastores(
        services.readers(connection.tenant), workspaces.WorkspaceId.parse(connection.workspace)
    )
    return json_response({"value": [browsing.render_datastore(store) for store in found]})
