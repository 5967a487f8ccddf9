"""The routes under `/api/workflows`."""

from typing import Any

import azure.functions as func

from shared.errors import Conflict
from shared.loading import at_first_use
from shared.triggers.http import answers, asks, conditions, get_services, json_response, read_body
from shared.triggers.runs_http import accepted, when_active
from shared.wire import read_json

with at_first_use():
    from shared.workflows import catalog, messages, runs

blueprint = func.Blueprint()  # type: ignore[no-untyped-call]

_WORKFLOWS = "api/workflows"
_WORKFLOW = "api/workflows/{workflow}"


@blueprint.route(route=_WORKFLOWS, methods=["GET"])
@answers
async def list_workflows(req: func.HttpRequest) -> func.HttpResponse:
    services = get_services()
    return json_response({"value": await services.views.render_all(await services.workflows.list())})


@blueprint.route(route=_WORKFLOW, methods=["PUT"])
@answers
async def put_workflow(req: func.HttpRequest) -> func.HttpResponse:
    services, name = get_services(), req.route_params["workflow"]
    body, now = read_json(read_body(req, services)), services.now()
    # All that is asked is read before anything is saved. A run that is active began with what was saved before.
    does_run, active = asks(req, "run"), when_active(req, messages.WhenActive.QUEUE)
    if asks(req, "dryRun"):
        review = await services.workflows.review(name, body, now)
        missing = list(review.mapping.missing)
        shown = {"workflow": {"name": name, **review.document}, "pipelineVersion": review.pipeline.version}
        return json_response({**shown, "ready": not missing, "missing": missing, "job": review.job(name)})
    workflow, is_new = await services.workflows.put(name, body, conditions(req), now)
    if not does_run:
        return json_response(await _rendered(workflow), 201 if is_new else 200, {"ETag": workflow.etag})
    try:
        begun = await services.refreshes.begin(workflow, runs.Trigger(runs.TriggerKind.SAVE), active)
    except Conflict as conflict:
        raise Conflict(f"saved, but not run: {conflict.message}", target=conflict.target) from conflict
    response = accepted(req, services, begun.run, await _rendered(workflow))
    response.headers["ETag"] = workflow.etag
    return response


@blueprint.route(route=_WORKFLOW, methods=["PATCH"])
@answers
async def patch_workflow(req: func.HttpRequest) -> func.HttpResponse:
    services, now = get_services(), get_services().now()
    body = read_json(read_body(req, services))
    workflow = await services.workflows.patch(req.route_params["workflow"], body, conditions(req), now)
    return json_response(await _rendered(workflow), headers={"ETag": workflow.etag})


@blueprint.route(route=_WORKFLOW, methods=["GET"])
@answers
async def get_workflow(req: func.HttpRequest) -> func.HttpResponse:
    services = get_services()
    workflow = await services.workflows.get(req.route_params["workflow"])
    return json_response(await _rendered(workflow), headers={"ETag": workflow.etag})


@blueprint.route(route=_WORKFLOW, methods=["DELETE"])
@answers
async def delete_workflow(req: func.HttpRequest) -> func.HttpResponse:
    services = get_services()
    workflow = await services.workflows.get(req.route_params["workflow"])
    await services.workflows.delete(workflow.name, conditions(req))
    await services.runs.cancel_all(workflow.name)
    return func.HttpResponse(status_code=204)


async def _rendered(workflow: "catalog.StoredWorkflow") -> dict[str, Any]:
    return (await get_services().views.render_all([workflow]))[0]
