"""The routes under `/api/poison`: messages that could not be handled."""

import azure.functions as func

from shared.loading import at_first_use
from shared.triggers.http import answers, get_services, json_response

with at_first_use():
    from shared.workflows import poison

blueprint = func.Blueprint()  # type: ignore[no-untyped-call]


@blueprint.route(route="api/poison", methods=["GET"])
@answers
async def list_poison(req: func.HttpRequest) -> func.HttpResponse:
    messages = await get_services().poison.list()
    return json_response({"value": [message.render() for message in messages]})


@blueprint.route(route="api/poison/{id}/redrive", methods=["POST"])
@answers
async def redrive_poison(req: func.HttpRequest) -> func.HttpResponse:
    services = get_services()
    message = await poison.redrive(req.route_params["id"], store=services.poison, queues=services.queues)
    return json_response(message.render(), 202)
