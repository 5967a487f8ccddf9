"""`GET /api/health`: is the app up, which one is it, and what does it serve?"""

import asyncio
from collections.abc import Callable, Mapping, Sequence

import azure.functions as func

from shared.loading import at_first_use
from shared.triggers.http import answers, get_services, json_response

with at_first_use():
    from shared import app

type Registered = Callable[[], Sequence[str]]
"""The names of the app's functions."""
type Unloadable = Callable[[], Mapping[str, str] | None]
"""What to answer where a module cannot be loaded; takes a second the first time."""


def health_blueprint(registered: Registered, unloadable: Unloadable) -> func.Blueprint:
    blueprint = func.Blueprint()  # type: ignore[no-untyped-call]

    @blueprint.route(route="api/health", methods=["GET"], auth_level=func.AuthLevel.ANONYMOUS)
    @answers
    async def health(req: func.HttpRequest) -> func.HttpResponse:
        unhealthy = await asyncio.to_thread(unloadable)
        if unhealthy is not None:
            return json_response(unhealthy, 503)
        services = get_services()
        return json_response(
            {
                "status": "healthy",
                "version": app.VERSION,
                "instanceId": services.settings.WEBSITE_INSTANCE_ID or services.process_id,
                "functions": registered(),
            }
        )

    return blueprint
