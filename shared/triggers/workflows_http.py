"""The routes under `/api/workflows`."""

import azure.functions as func

from shared.errors import BadRequest, NotSupported
from shared.triggers.http import answers, conditions, get_services, json_response, read_body
from shared.wire import read_json

blueprint = func.Blueprint()  # type: ignore[no-untyped-call]

_WORKFLOWS = "api/workflows"
_WORKFLOW = "api/workflows/{workflow}"


@blueprint.route(route=_WORKFLOWS, methods=["GET"])
@answers
async def list_workflows(req: func.HttpRequest) -> func.HttpResponse:
    services = get_services()
    now = services.now()
    return json_response({"value": [workflow.render(now) for workflow in await services.workflows.list()]})


@blueprint.route(route=_WORKFLOW, methods=["PUT"])
@answers
async def put_workflow(req: func.HttpRequest) -> func.HttpResponse:
    services, name = get_services(), req.route_params["workflow"]
    body, now = read_json(read_body(req, services)), services.now()
    if _asks(req, "run"):
        raise NotSupported(
            "run=true: this version reviews and saves workflows, and does not run them yet", target="run"
        )
    if _asks(req, "dryRun"):
        review = await services.workflows.review(name, body, now)
        missing = list(review.mapping.missing)
        shown = {"workflow": {"name": name, **review.document}, "pipelineVersion": review.pipeline.version}
        return json_response({**shown, "ready": not missing, "missing": missing, "job": review.job(name)})
    workflow, is_new = await services.workflows.put(name, body, conditions(req), now)
    return json_response(workflow.render(now), 201 if is_new else 200, {"ETag": workflow.etag})


@blueprint.route(route=_WORKFLOW, methods=["PATCH"])
@answers
async def patch_workflow(req: func.HttpRequest) -> func.HttpResponse:
    services, now = get_services(), get_services().now()
    body = read_json(read_body(req, services))
    workflow = await services.workflows.patch(req.route_params["workflow"], body, conditions(req), now)
    return json_response(workflow.render(now), headers={"ETag": workflow.etag})


@blueprint.route(route=_WORKFLOW, methods=["GET"])
@answers
async def get_workflow(req: func.HttpRequest) -> func.HttpResponse:
    services = get_services()
    workflow = await services.workflows.get(req.route_params["workflow"])
    return json_response(workflow.render(services.now()), headers={"ETag": workflow.etag})


@blueprint.route(route=_WORKFLOW, methods=["DELETE"])
@answers
async def delete_workflow(req: func.HttpRequest) -> func.HttpResponse:
    await get_services().workflows.delete(req.route_params["workflow"], conditions(req))
    return func.HttpResponse(status_code=204)


def _asks(req: func.HttpRequest, option: str) -> bool:
    given = str(req.params.get(option, "false")).lower()
    if given not in ("true", "false"):
        raise BadRequest(f"{option} is true or false", target=option)
    return given == "true"
