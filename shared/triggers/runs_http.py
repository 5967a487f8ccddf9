"""The routes under `/api/runs`, a workflow's refresh and its runs."""

import re
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

import azure.functions as func

from shared.errors import BadRequest
from shared.loading import at_first_use
from shared.triggers.http import answers, base_url, get_services, json_response, operation_id

if TYPE_CHECKING:
    from shared.app import Services

with at_first_use():
    from shared.workflows import messages, refreshing, runs

blueprint = func.Blueprint()  # type: ignore[no-untyped-call]

_RUN = "api/runs/{run}"
_PAGE = 100
_MOST_IN_PAGE = 1000
_COUNT = re.compile(r"[0-9]{1,9}")
_RETRY_AFTER = "5"
"""Seconds; a job takes minutes, a look costs little."""


@blueprint.route(route="api/workflows/{workflow}/refresh", methods=["POST"])
@answers
async def refresh_workflow(req: func.HttpRequest) -> func.HttpResponse:
    services = get_services()
    workflow = await services.workflows.get(req.route_params["workflow"])
    trigger = runs.Trigger(runs.TriggerKind.HTTP, operation_id=operation_id(req))
    begun = await services.refreshes.begin(workflow, trigger, when_active(req, messages.WhenActive.RETURN))
    return accepted(req, services, begun.run)


@blueprint.route(route="api/workflows/{workflow}/runs", methods=["GET"])
@answers
async def list_workflow_runs(req: func.HttpRequest) -> func.HttpResponse:
    services = get_services()
    workflow = await services.workflows.get(req.route_params["workflow"])
    return await _listed(req, services, refreshing.RunFilter(workflow.name, _status(req), _since(req)))


@blueprint.route(route="api/runs", methods=["GET"])
@answers
async def list_runs(req: func.HttpRequest) -> func.HttpResponse:
    return await _listed(
        req, get_services(), refreshing.RunFilter(req.params.get("workflow"), _status(req), _since(req))
    )


@blueprint.route(route=_RUN, methods=["GET"])
@answers
async def get_run(req: func.HttpRequest) -> func.HttpResponse:
    run = await get_services().runs.get(req.route_params["run"])
    headers = {} if run.status.is_terminal else {"Retry-After": _RETRY_AFTER}
    return json_response(runs.render_run(run), headers=headers)


@blueprint.route(route=f"{_RUN}/cancel", methods=["POST"])
@answers
async def cancel_run(req: func.HttpRequest) -> func.HttpResponse:
    services = get_services()
    return accepted(req, services, await services.runs.cancel(req.route_params["run"]))


@blueprint.route(route=f"{_RUN}/publish", methods=["POST"])
@answers
async def publish_run(req: func.HttpRequest) -> func.HttpResponse:
    services = get_services()
    return accepted(req, services, await services.runs.publish(req.route_params["run"]))


@blueprint.route(route=f"{_RUN}/discard", methods=["POST"])
@answers
async def discard_run(req: func.HttpRequest) -> func.HttpResponse:
    services = get_services()
    return accepted(req, services, await services.runs.discard(req.route_params["run"]))


@blueprint.route(route=f"{_RUN}/import", methods=["POST"])
@answers
async def import_run(req: func.HttpRequest) -> func.HttpResponse:
    services = get_services()
    begun = await services.runs.import_again(req.route_params["run"], services.now(), operation_id(req))
    return accepted(req, services, begun.run)


def accepted(
    req: func.HttpRequest, services: "Services", run: "runs.Run", body: Mapping[str, Any] | None = None
) -> func.HttpResponse:
    """202 with the run (or `body`) and where to follow it; 200 for a run that has ended."""
    headers = {"Operation-Location": f"{base_url(req, services)}/api/runs/{run.id}"}
    shown = runs.render_run(run) if body is None else body
    if run.status.is_terminal:
        return json_response(shown, headers=headers)
    return json_response(shown, 202, headers | {"Retry-After": _RETRY_AFTER})


def when_active(req: func.HttpRequest, default: "messages.WhenActive") -> "messages.WhenActive":
    given = req.params.get("whenActive", default)
    if given not in tuple(messages.WhenActive):
        raise BadRequest(f"whenActive is one of {', '.join(messages.WhenActive)}", target="whenActive")
    return messages.WhenActive(given)


async def _listed(req: func.HttpRequest, services: "Services", chosen: "refreshing.RunFilter") -> func.HttpResponse:
    size = _size(req)
    page = await services.runs.list(chosen, size=size, token=_token(req))
    body: dict[str, Any] = {"value": [runs.render_run(run) for run in page.runs]}
    if page.token is not None:
        asked = {name: value for name, value in req.params.items() if name in ("status", "workflow", "since", "top")}
        path = req.url.partition("?")[0].split("/", 3)[3]
        body["nextLink"] = f"{base_url(req, services)}/{path}?{urlencode(asked | {'skiptoken': page.token})}"
    return json_response(body)


def _token(req: func.HttpRequest) -> str | None:
    token: str | None = req.params.get("skiptoken")
    if token is not None and not token.startswith("run|"):
        raise BadRequest("skiptoken is not one that this service gave out", target="skiptoken")
    return token


def _size(req: func.HttpRequest) -> int:
    given = req.params.get("top", str(_PAGE))
    if not _COUNT.fullmatch(given) or not 1 <= int(given) <= _MOST_IN_PAGE:
        raise BadRequest(f"top is a number from 1 to {_MOST_IN_PAGE}", target="top")
    return int(given)


def _status(req: func.HttpRequest) -> "runs.RunStatus | None":
    given = req.params.get("status")
    if given is None:
        return None
    if given not in tuple(runs.RunStatus):
        raise BadRequest(f"status is one of {', '.join(runs.RunStatus)}", target="status")
    return runs.RunStatus(given)


def _since(req: func.HttpRequest) -> datetime | None:
    given = req.params.get("since")
    if given is None:
        return None
    try:
        moment = datetime.fromisoformat(given.replace(" ", "+"))  # a + that came undone in the query
    except ValueError as error:
        raise BadRequest("since is a time such as 2026-11-21T10:00:00Z", target="since") from error
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)
