"""The routes under `/api/entities`."""

import time

import azure.functions as func

from shared.loading import at_first_use
from shared.triggers.http import answers, base_url, conditions, get_services, json_response, operation_id

with at_first_use():
    from shared.entities import catalog

blueprint = func.Blueprint()  # type: ignore[no-untyped-call]

_ENTITIES = "api/entities"
_ENTITY = "api/entities/{entity}"
_REBUILD_SECONDS = 90.0
"""After which a rebuilding stops at the next row group: the platform ends a request after 230 s."""


@blueprint.route(route=_ENTITIES, methods=["GET"])
@answers
async def get_entities(req: func.HttpRequest) -> func.HttpResponse:
    services = get_services()
    found = await catalog.list_entities(services.snapshots.entities)
    ages = await services.workflows.max_ages()
    value = [kept.render(ages.get(kept.entity.name.lower()), services.now()) for kept in found]
    return json_response({"value": value})


@blueprint.route(route=_ENTITY, methods=["GET"])
@answers
async def get_entity(req: func.HttpRequest) -> func.HttpResponse:
    kept = await catalog.read_entity(get_services().snapshots.entities, req.route_params["entity"])
    return await _answered(kept)


@blueprint.route(route=_ENTITY, methods=["DELETE"])
@answers
async def delete_entity(req: func.HttpRequest) -> func.HttpResponse:
    services, name = get_services(), req.route_params["entity"]
    await catalog.delete_entity(name, services.snapshots, await services.workflows.writer(name))
    return func.HttpResponse(status_code=204)


@blueprint.route(route=f"{_ENTITY}/rollback", methods=["POST"])
@answers
async def roll_back_entity(req: func.HttpRequest) -> func.HttpResponse:
    services = get_services()
    kept = await catalog.roll_back(
        services.snapshots,
        req.route_params["entity"],
        services.now(),
        operation_id=operation_id(req),
        conditions=conditions(req),
    )
    return await _answered(kept)


@blueprint.route(route=f"{_ENTITY}/unpin", methods=["POST"])
@answers
async def unpin_entity(req: func.HttpRequest) -> func.HttpResponse:
    kept = await catalog.release(get_services().snapshots.entities, req.route_params["entity"])
    return await _answered(kept)


@blueprint.route(route=f"{_ENTITY}/rejects", methods=["GET"])
@answers
async def get_rejects(req: func.HttpRequest) -> func.HttpResponse:
    services = get_services()
    page = await catalog.read_rejects(
        req.route_params["entity"],
        services.snapshots,
        run=req.params.get("run"),
        table=req.params.get("snapshot"),
        after=req.params.get("after"),
    )
    return json_response(page.render(base_url(req, services)))


@blueprint.route(route=f"{_ENTITY}/rebuild", methods=["POST"])
@answers
async def rebuild_entity(req: func.HttpRequest) -> func.HttpResponse:
    services = get_services()
    end = time.monotonic() + _REBUILD_SECONDS
    done = await catalog.rebuild(
        services.snapshots,
        req.route_params["entity"],
        services.erased,
        start=req.params.get("from"),
        table=req.params.get("snapshot"),
        is_over=lambda: time.monotonic() > end,
    )
    base = base_url(req, services)
    link = done.next(base)
    return json_response(done.render(base), 200 if link is None else 202, {"Location": link} if link else {})


async def _answered(kept: "catalog.KeptEntity") -> func.HttpResponse:
    services = get_services()
    ages = await services.workflows.max_ages()
    body = kept.render(ages.get(kept.entity.name.lower()), services.now())
    return json_response(body, headers={"ETag": kept.entity.etag})
