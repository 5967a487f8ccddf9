"""Table storage's REST for rows alone, through azure.core's pipeline: its authentication, its retries, our bodies.

Everything else about storage stays with the SDKs. What a busy account refuses is asked for again at the pace that it takes.
"""

import asyncio
import base64
import hmac
import re
import time
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from email.utils import format_datetime
from functools import lru_cache
from typing import Any, Self

from azure.core import AsyncPipelineClient
from azure.core.pipeline import PipelineRequest, PipelineResponse
from azure.core.pipeline.policies import (
    AsyncBearerTokenCredentialPolicy,
    AsyncRetryPolicy,
    SansIOHTTPPolicy,
)
from azure.core.rest import HttpRequest
from azure.core.utils import parse_connection_string
from yarl import URL

from shared.storage.accounts import open_account
from shared.storage.pace import Pace, wait_turn
from shared.storage.tables import spelled_out
from shared.storage.transport import Reply, RowTransport

_SCOPE = "https://storage.azure.com/.default"
_VERSION = "2020-12-06"
_MOST_AT_ONCE = 32
"""Requests of this process at the account."""
_BUSY = (429, 503)
_BUSY_PART = re.compile(rb"\nHTTP/1\.1 (?:429|503) ")
_FIRST_PART = 4096
"""Bytes of an answer in which its first part begins."""
_PATIENCE = 10.0
"""Seconds that a request goes on asking an account that says it is busy."""


class _SharedKey(SansIOHTTPPolicy[HttpRequest, Any]):
    """Source: "Authorize with Shared Key", Shared Key Lite for the Table service: date and resource are signed."""

    def __init__(self, account: str, key: str) -> None:
        self._account = account
        self._key = base64.b64decode(key)

    def on_request(self, request: PipelineRequest[HttpRequest]) -> None:
        date = _date(int(time.time()))
        signed = f"{date}\n/{self._account}{_path_sent(request.http_request.url.partition('?')[0])}"
        digest = hmac.digest(self._key, signed.encode(), "sha256")
        headers = request.http_request.headers
        headers["x-ms-date"] = date
        headers["Authorization"] = f"SharedKeyLite {self._account}:{base64.b64encode(digest).decode()}"


@lru_cache(maxsize=2)
def _date(second: int) -> str:
    return format_datetime(datetime.fromtimestamp(second, UTC), usegmt=True)


@lru_cache(maxsize=64)
def _path_sent(address: str) -> str:
    """As aiohttp sends it: it writes some characters of a path in its own way."""
    return URL(address).raw_path


class _Signature(SansIOHTTPPolicy[HttpRequest, Any]):
    """A shared access signature, put behind every address."""

    def __init__(self, signature: str) -> None:
        self._signature = signature.removeprefix("?")

    def on_request(self, request: PipelineRequest[HttpRequest]) -> None:
        url = request.http_request.url
        if "sig=" not in url:
            request.http_request.url = f"{url}{'&' if '?' in url else '?'}{self._signature}"


class _Retry(AsyncRetryPolicy[HttpRequest, Any]):
    """But for what a busy account refuses: that waits in the plane, where all requests share what the account takes."""

    def is_retry(self, settings: dict[str, Any], response: PipelineResponse[Any, Any]) -> bool:
        return response.http_response.status_code not in _BUSY and super().is_retry(settings, response)


class RowPlane:
    """Requests to one account's tables. Raises AzureError where no answer comes."""

    def __init__(self, endpoint: str, credential: Any) -> None:
        self.endpoint = endpoint.rstrip("/")
        self._places = asyncio.Semaphore(_MOST_AT_ONCE)
        self._pace = Pace(time.monotonic)
        retry = _Retry(retry_total=4, retry_connect=1, retry_backoff_factor=0.2, retry_backoff_max=5)
        self._client: AsyncPipelineClient[HttpRequest, Any] = AsyncPipelineClient(
            self.endpoint, policies=[retry, credential], transport=RowTransport()
        )

    async def send(
        self,
        method: str,
        path: str,
        *,
        content: bytes | None = None,
        headers: Mapping[str, str],
        query: str = "",
        rows: int = 1,
    ) -> Reply:
        """The answer, read whole, whatever its status. `rows`: how many it writes, or asks for by key."""
        url = f"{self.endpoint}/{path}{query and '?'}{query}"
        sent = {"x-ms-version": _VERSION, "DataServiceVersion": "3.0", **headers}
        until = time.monotonic() + _PATIENCE
        async with self._places:
            while True:
                await wait_turn(self._pace, rows)
                response: Reply = await self._client.send_request(
                    HttpRequest(method, url, headers=sent, content=content)
                )
                if not _is_busy(response):
                    self._pace.taken(rows)
                    return response
                pause = _pause(response)
                self._pace.refused(pause)
                if time.monotonic() + pause > until:
                    return response

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *error: object) -> None:
        await self.close()

    async def close(self) -> None:
        await self._client.close()


def _is_busy(response: Reply) -> bool:
    """Of a transaction, the one answer within the answer says so: `0:The server is busy.`; nothing of it was done then."""
    if response.status_code != 202:
        return response.status_code in _BUSY
    return _BUSY_PART.search(response.content, 0, _FIRST_PART) is not None


def _pause(response: Reply) -> float:
    """Seconds that the account asks for, 0 where it does not say."""
    text = response.headers.get("Retry-After", "")
    return float(text) if text.isdecimal() else 0.0


def connect(connection: str, endpoint: str, credential: Callable[[], Any]) -> RowPlane:
    """By connection string (key or signature), else with this app's identity. Raises ConfigurationError."""
    return open_account(
        connection,
        endpoint,
        by_key=_by_connection_string,
        by_identity=lambda address: RowPlane(address, AsyncBearerTokenCredentialPolicy(credential(), _SCOPE)),
        setting="BRIDGE_STORAGE__tableServiceUri",
    )


def _by_connection_string(text: str) -> RowPlane:
    """Raises ValueError."""
    members = {name.lower(): value for name, value in parse_connection_string(spelled_out(text)).items()}
    account, key, signature = (
        members.get("accountname"),
        members.get("accountkey"),
        members.get("sharedaccesssignature"),
    )
    endpoint = members.get("tableendpoint") or _endpoint(members)
    if account and key:
        return RowPlane(endpoint, _SharedKey(account, key))
    if signature:
        return RowPlane(endpoint, _Signature(signature))
    raise ValueError("neither key nor signature")


def _endpoint(members: Mapping[str, str]) -> str:
    protocol, suffix = (
        members.get("defaultendpointsprotocol", "https"),
        members.get("endpointsuffix", "core.windows.net"),
    )
    return f"{protocol}://{members['accountname']}.table.{suffix}"
