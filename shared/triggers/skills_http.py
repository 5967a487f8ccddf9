"""The routes under `/api/skills`: one function a method and route, so that each can have a key of its own."""

import azure.functions as func

from shared.loading import at_first_use
from shared.triggers.http import (
    answers,
    answers_reading,
    base_url,
    conditions,
    get_services,
    json_response,
    read_body,
    request_id,
)
from shared.wire import read_json

with at_first_use():
    from shared.skills import contract, deadlines, definition, documents, enrichment, gateway, web_api_skill

blueprint = func.Blueprint()  # type: ignore[no-untyped-call]

_SKILLS = "api/skills"
_SKILL = "api/skills/{skill}"


@blueprint.route(route=_SKILLS, methods=["GET"])
@answers
async def list_skills(req: func.HttpRequest) -> func.HttpResponse:
    return json_response({"value": [skill.render() for skill in await get_services().skills.list()]})


@blueprint.route(route=_SKILL, methods=["PUT"])
@answers
async def put_skill(req: func.HttpRequest) -> func.HttpResponse:
    services, name = get_services(), req.route_params["skill"]
    body = read_json(read_body(req, services))
    skill, is_new = await services.skills.put(name, body, conditions(req), services.now())
    services.forget_skill(name)
    return json_response(skill.render(), 201 if is_new else 200, {"ETag": skill.etag})


@blueprint.route(route=_SKILL, methods=["GET"])
@answers
async def get_skill(req: func.HttpRequest) -> func.HttpResponse:
    skill = await get_services().skills.get(req.route_params["skill"])
    return json_response(skill.render(), headers={"ETag": skill.etag})


@blueprint.route(route=_SKILL, methods=["DELETE"])
@answers
async def delete_skill(req: func.HttpRequest) -> func.HttpResponse:
    services, name = get_services(), req.route_params["skill"]
    await services.skills.delete(name, conditions(req))
    services.forget_skill(name)
    return func.HttpResponse(status_code=204)


@blueprint.route(route=_SKILL, methods=["POST"])
@answers_reading
async def call_skill(req: func.HttpRequest) -> func.HttpResponse:
    services = get_services()
    records = contract.parse_request(read_body(req, services), most_records=services.settings.MAX_RECORDS)
    skill = await services.skill(req.route_params["skill"])
    results = await enrichment.enrich_records(
        skill, records, _seconds(req, skill, deadlines.ENVELOPE_WAIT), request_id(req)
    )
    return json_response(contract.render_response(results))


@blueprint.route(route=f"{_SKILL}/score", methods=["POST"])
@answers_reading
async def score_skill(req: func.HttpRequest) -> func.HttpResponse:
    services = get_services()
    inputs = read_json(read_body(req, services))
    skill = await services.skill(req.route_params["skill"])
    seconds = _seconds(req, skill, deadlines.waits_for(skill.definition.timeout))
    return json_response(await enrichment.score_inputs(skill, inputs, seconds, request_id(req)))


@blueprint.route(route=f"{_SKILL}/enrich", methods=["POST"])
@answers_reading
async def enrich_skill(req: func.HttpRequest) -> func.HttpResponse:
    services = get_services()
    given = documents.parse_documents(
        read_json(read_body(req, services)), most_documents=services.settings.MAX_DOCUMENTS
    )
    skill = await services.skill(req.route_params["skill"])
    results = await documents.enrich_documents(
        skill, given, _seconds(req, skill, definition.LONGEST_DEADLINE), request_id(req)
    )
    return json_response({"documents": [result.render() for result in results]})


@blueprint.route(route=f"{_SKILL}/web-api-skill", methods=["GET"])
@answers
async def web_api_skill_of(req: func.HttpRequest) -> func.HttpResponse:
    services = get_services()
    served = await services.serve(req.route_params["skill"])
    skill, warnings = web_api_skill.web_api_skill(
        served.skill.definition,
        f"{base_url(req, services)}/{_SKILLS}/{served.skill.name}",
        web_api_skill.Measured(served.skill.stats.percentile(0.95), await served.endpoint.capacity()),
        most_records=services.settings.MAX_RECORDS,
    )
    return json_response({"skill": skill, "warnings": warnings})


@blueprint.route(route=f"{_SKILL}/stats", methods=["GET"])
@answers
async def skill_stats(req: func.HttpRequest) -> func.HttpResponse:
    services = get_services()
    served = await services.serve(req.route_params["skill"])
    return json_response({"skill": served.skill.name, "process": services.process_id, **served.snapshot()})


def _seconds(req: func.HttpRequest, skill: "gateway.Skill", default: float) -> float:
    return deadlines.usable_seconds(
        deadlines.caller_waits(skill.definition, req.headers.get(deadlines.HEADER), default)
    )
