"""How does ARM page a list? `{"value", "nextLink"}`, where nextLink carries `$skip`."""

import base64
import binascii
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from simulator.arm.errors import ProviderError


@dataclass
class Pages:
    """One size for all lists."""

    size: int = 20

    def answer(self, request: Request, items: Sequence[dict[str, Any]]) -> Response:
        """The page of `items` that `request` asks for."""
        start = skip_to(request.query_params.get("$skip"))
        end = start + self.size
        token = base64.urlsafe_b64encode(str(end).encode()).decode()
        following = str(request.url.include_query_params(**{"$skip": token})) if end < len(items) else None
        return JSONResponse({"value": items[start:end], "nextLink": following})


def skip_to(token: str | None) -> int:
    try:
        return int(base64.urlsafe_b64decode(token)) if token else 0
    except (binascii.Error, ValueError) as error:
        raise ProviderError(400, "UserError", "The continuation token in $skip is invalid.") from error
