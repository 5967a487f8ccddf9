"""The data plane's own door: the host lets everyone through to it, because no key of the host's fits into Excel."""

from functools import wraps

import azure.functions as func

from shared.loading import at_first_use
from shared.triggers.http import Handler, get_services

with at_first_use():
    from shared.entities import sign_in


def needs_sign_in(handler: Handler) -> Handler:
    """Goes below `answers`, which renders the refusal."""

    @wraps(handler)
    async def checked(req: func.HttpRequest) -> func.HttpResponse:
        await get_services().sign_in.check(_visitor(req))
        return await handler(req)

    return checked


def _visitor(req: func.HttpRequest) -> "sign_in.Visitor":
    return sign_in.visitor(
        authorization=req.headers.get("authorization") or "",
        functions_key=req.headers.get("x-functions-key") or "",
        code=next((value for name, value in req.params.items() if name.lower() == "code"), ""),
        principal=req.headers.get("x-ms-client-principal-id") or "",
    )
