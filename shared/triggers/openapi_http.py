"""The API's description, and the page that shows it. `/` leads there."""

import azure.functions as func

from shared.loading import at_first_use
from shared.triggers.http import answers, json_response

with at_first_use():
    from shared import app
    from shared.openapi import document, page

blueprint = func.Blueprint()  # type: ignore[no-untyped-call]


@blueprint.route(route="/", methods=["GET"], auth_level=func.AuthLevel.ANONYMOUS)
@answers
async def home(req: func.HttpRequest) -> func.HttpResponse:
    return func.HttpResponse(status_code=302, headers={"Location": "/api/docs"})


@blueprint.route(route="api/docs", methods=["GET"], auth_level=func.AuthLevel.ANONYMOUS)
@answers
async def api_page(req: func.HttpRequest) -> func.HttpResponse:
    shown = page.page(app.VERSION)
    return func.HttpResponse(shown.html, mimetype="text/html", headers=dict(shown.headers))


@blueprint.route(route="api/openapi.json", methods=["GET"])
@answers
async def api_document(req: func.HttpRequest) -> func.HttpResponse:
    return json_response(document.description(app.VERSION))
