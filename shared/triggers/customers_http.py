"""The routes under `/api/customers`. An id goes into no message and no log line."""

import re

import azure.functions as func

from shared.errors import NotFound
from shared.loading import at_first_use
from shared.triggers.http import answers, answers_reading, get_services, json_response, read_body
from shared.wire import read_json

with at_first_use():
    from shared.entities import customers

blueprint = func.Blueprint()  # type: ignore[no-untyped-call]

_CUSTOMER = "api/customers/{customerId}"


@blueprint.route(route=_CUSTOMER, methods=["GET"])
@answers
async def get_customer(req: func.HttpRequest) -> func.HttpResponse:
    found = await customers.read_customer(_customer_id(req), get_services().data)
    return json_response(found.render())


@blueprint.route(route="api/customers/lookup", methods=["POST"])
@answers_reading
async def look_up_customers(req: func.HttpRequest) -> func.HttpResponse:
    services = get_services()
    lookup = customers.parse_lookup(read_json(read_body(req, services)))
    return json_response({"value": [found.render() for found in await customers.look_up(lookup, services.data)]})


@blueprint.route(route=_CUSTOMER, methods=["DELETE"])
@answers
async def erase_customer(req: func.HttpRequest) -> func.HttpResponse:
    report = await get_services().erasure.erase(_customer_id(req))
    return json_response(report.render())


@blueprint.route(route=f"{_CUSTOMER}/tombstone", methods=["DELETE"])
@answers
async def lift_tombstone(req: func.HttpRequest) -> func.HttpResponse:
    if not await get_services().erasure.lift(_customer_id(req)):
        raise NotFound("this customer has no tombstone", target="customerId")
    return func.HttpResponse(status_code=204)


def _customer_id(req: func.HttpRequest) -> str:
    """From the path, which the host decodes once, all but `%2F`; or from the query, for an id that no path can say."""
    return req.params.get("customerId") or re.sub("%2[Ff]", "/", req.route_params["customerId"])
