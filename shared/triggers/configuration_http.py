"""The routes of the configuration as one document."""

import azure.functions as func

from shared.loading import at_first_use
from shared.triggers.http import JSON, answers, asks, conditions, get_services, json_response, principal, read_body
from shared.wire import readable_bytes

with at_first_use():
    from shared.operations import configuration, environments, importing

blueprint = func.Blueprint()  # type: ignore[no-untyped-call]


@blueprint.route(route="api/export", methods=["GET"])
@answers
async def export_configuration(req: func.HttpRequest) -> func.HttpResponse:
    services = get_services()
    render = environments.parameterized if asks(req, "parameterize") else configuration.export_document
    stored = await services.configuration()
    body = readable_bytes(render(stored, services.now()))
    return func.HttpResponse(body, mimetype=JSON, headers={"ETag": stored.etag()})


@blueprint.route(route="api/import", methods=["POST"])
@answers
async def import_configuration(req: func.HttpRequest) -> func.HttpResponse:
    services = get_services()
    how = importing.Import(principal(req, services), services.now(), prune=asks(req, "prune"))
    dry_run = asks(req, "dryRun")
    done = await services.import_configuration(read_body(req, services), how, conditions(req), dry_run=dry_run)
    headers = {"ETag": (await services.configuration()).etag()}
    return json_response(done, headers=headers)
