"""The row plane's HTTP: aiohttp under azure.core's pipeline, every answer read whole.

azure.core's own transport makes each answer ready to be streamed, and goes once more around the event loop to close it:
half as much again as the request itself, for answers of a few KB.
"""

from dataclasses import dataclass
from types import TracebackType
from typing import Any, Self

import aiohttp
from azure.core.exceptions import (
    IncompleteReadError,
    ServiceRequestError,
    ServiceRequestTimeoutError,
    ServiceResponseError,
    ServiceResponseTimeoutError,
)
from azure.core.pipeline.transport import AsyncHttpTransport
from azure.core.rest import HttpRequest
from multidict import CIMultiDictProxy

_TIMEOUT = aiohttp.ClientTimeout(sock_connect=1.5, sock_read=15)


@dataclass(frozen=True, slots=True)
class Reply:
    """An answer, read whole."""

    request: HttpRequest
    status_code: int
    headers: CIMultiDictProxy[str]
    content: bytes


class RowTransport(AsyncHttpTransport[HttpRequest, Any]):
    """One pool of connections, opened at first use."""

    def __init__(self) -> None:
        self._session: aiohttp.ClientSession | None = None

    async def open(self) -> None:
        self._opened()

    def _opened(self) -> aiohttp.ClientSession:
        if self._session is None:
            # No type of content is made up: it would be signed otherwise than it is sent.
            self._session = aiohttp.ClientSession(
                timeout=_TIMEOUT, cookie_jar=aiohttp.DummyCookieJar(), skip_auto_headers=("Content-Type",)
            )
        return self._session

    async def close(self) -> None:
        session, self._session = self._session, None
        if session is not None:
            await session.close()

    async def __aenter__(self) -> Self:
        await self.open()
        return self

    async def __aexit__(
        self,
        exc_type: type[BaseException] | None = None,
        exc_value: BaseException | None = None,
        traceback: TracebackType | None = None,
    ) -> None:
        await self.close()

    async def send(self, request: HttpRequest, **options: Any) -> Reply:
        """Raises AzureError, of the kind that azure.core's own transport over aiohttp raises."""
        session = self._opened()
        try:
            async with session.request(
                request.method, request.url, headers=request.headers, data=request.content, allow_redirects=False
            ) as found:
                return Reply(request, found.status, found.headers, await found.read())
        except aiohttp.ClientPayloadError as error:
            raise IncompleteReadError(error, error=error) from error
        except aiohttp.ClientResponseError as error:
            raise ServiceResponseError(error, error=error) from error
        except aiohttp.ConnectionTimeoutError as error:
            raise ServiceRequestTimeoutError(error, error=error) from error
        except TimeoutError as error:
            raise ServiceResponseTimeoutError(error, error=error) from error
        except aiohttp.ClientError as error:
            raise ServiceRequestError(error, error=error) from error
