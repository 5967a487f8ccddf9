"""`GET /api/doctor`: does everything stand that this app needs?"""

import azure.functions as func

from shared.loading import at_first_use
from shared.triggers.http import answers, json_response

with at_first_use():
    from shared import app

blueprint = func.Blueprint()  # type: ignore[no-untyped-call]


@blueprint.route(route="api/doctor", methods=["GET"])
@answers
async def doctor(req: func.HttpRequest) -> func.HttpResponse:
    return json_response(await app.examine(req.params, "/".join(req.url.split("/", 3)[:3])))
