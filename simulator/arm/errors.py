"""What does ARM answer when it refuses? `{"error": {"code", "message", …}}`."""

from collections.abc import Mapping
from typing import Any

from starlette.responses import JSONResponse


class ArmError(Exception):
    """Refused by ARM itself, before any resource provider: code and message alone."""

    def __init__(self, status: int, code: str, message: str, headers: Mapping[str, str] | None = None) -> None:
        super().__init__(message)
        self.status = status
        self.code = code
        self.headers = dict(headers or {})

    def error(self) -> dict[str, Any]:
        return {"code": self.code, "message": str(self)}

    def response(self) -> JSONResponse:
        return JSONResponse({"error": self.error()}, self.status, self.headers)


class ProviderError(ArmError):
    """Refused by Machine Learning, whose errors say which component they come from."""

    def error(self) -> dict[str, Any]:
        component = {"type": "ComponentName", "info": {"value": "managementfrontend"}}
        return {**super().error(), "target": None, "details": [], "additionalInfo": [component]}


def not_found(type_: str, name: str, group: str) -> ArmError:
    message = f"The Resource '{type_}/{name}' under resource group '{group}' was not found."
    return ArmError(404, "ResourceNotFound", message)
