"""`GET /api/health`: is the app up, which one is it, and what does it serve?"""

from collections.abc import Callable, Sequence

import azure.functions as func

from shared.app import VERSION
from shared.triggers.http import answers, get_services, json_response


def health_blueprint(registered: Callable[[], Sequence[str]]) -> func.Blueprint:
    """`registered` names the app's functions."""
    blueprint = func.Blueprint()  # type: ignore[no-untyped-call]

    @blueprint.route(route="api/health", methods=["GET"], auth_level=func.AuthLevel.ANONYMOUS)
    @answers
    async def health(req: func.HttpRequest) -> func.HttpResponse:
        services = get_services()
        return json_response(
            {
                "status": "healthy",
                "version": VERSION,
                "instanceId": services.settings.WEBSITE_INSTANCE_ID or services.process_id,
                "functions": registered(),
            }
        )

    return blueprint
