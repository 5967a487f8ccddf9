"""`GET /api/health`: is the app up, which one is it, what does it serve, and is its data account its own?"""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import azure.functions as func

from shared.errors import AccountInUse, BridgeError
from shared.loading import at_first_use
from shared.triggers.http import answers, get_services, json_response

if TYPE_CHECKING:
    from shared.app import Services

with at_first_use():
    from shared import app

_PATIENCE = 2.0
"""Seconds that storage has to say whose the account is."""

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
        refused = await _refused(services)
        told: dict[str, Any] = {
            "status": "unhealthy" if refused else "healthy",
            "version": app.VERSION,
            "instanceId": services.settings.WEBSITE_INSTANCE_ID or services.process_id,
            "functions": registered(),
        }
        if refused is None:
            return json_response(told)
        told["error"] = {"code": refused.code, "message": refused.message}
        return json_response(told, refused.status, {"x-ms-error-code": refused.code})

    return blueprint


async def _refused(services: "Services") -> AccountInUse | None:
    """Storage that is away makes no process unhealthy that another would not be, too: what needs it says so."""
    try:
        async with asyncio.timeout(_PATIENCE):
            await services.account.check()
    except AccountInUse as refused:
        return refused
    except (BridgeError, TimeoutError):
        return None
    return None
