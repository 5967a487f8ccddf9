"""What the stack says to its own function app, over HTTP as anybody would."""

import json
import urllib.error
import urllib.request
from collections.abc import Mapping
from typing import Any

from devhost.stack.config import StackConfig, StackError


class BridgeClient:
    """JSON to and from the app. Raises StackError with the app's own message for a status of 400 and above."""

    def __init__(self, config: StackConfig) -> None:
        self._address = config.bridge
        self._key = config.key

    def call(self, method: str, path: str, body: object = None, headers: dict[str, str] | None = None) -> Any:
        return self.send(method, path, body, headers)[0]

    def send(
        self, method: str, path: str, body: object = None, headers: dict[str, str] | None = None
    ) -> tuple[Any, Mapping[str, str]]:
        """The answer with its headers, which are looked up in any case."""
        sent = {
            "Content-Type": "application/json",
            **({"x-functions-key": self._key} if self._key else {}),
            **(headers or {}),
        }
        content = None if body is None else json.dumps(body, ensure_ascii=False).encode()
        request = urllib.request.Request(f"{self._address}{path}", content, sent, method=method)  # noqa: S310
        try:
            with urllib.request.urlopen(request, timeout=240) as response:  # noqa: S310
                return json.loads(response.read() or b"null"), response.headers
        except urllib.error.HTTPError as error:
            raise StackError(f"{method} {path} answered {error.code}: {_message(error.read())}") from error


def _message(body: bytes) -> str:
    try:
        return str(json.loads(body)["error"]["message"])
    except (ValueError, KeyError, TypeError):
        return "no message"
