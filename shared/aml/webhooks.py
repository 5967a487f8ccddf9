"""One attempt to tell a receiver of ours something over HTTP: an allowed host, ten seconds, no redirect."""

import asyncio
from collections.abc import Mapping
from http import HTTPStatus

import httpx

from shared.aml.http import CallFailed, HttpAnswer, send
from shared.errors import NotificationFailed
from shared.skills.addresses import ScoringHosts
from shared.skills.failures import Kind

_MOST_SECONDS = 10.0
_MOST_BYTES = 64 * 1024
"""Of an answer; nobody reads it."""


class Webhooks:
    """Posts to the hosts that the setting NOTIFY_HOSTS allows."""

    def __init__(self, transport: httpx.AsyncBaseTransport, hosts: ScoringHosts) -> None:
        self._transport = transport
        self._hosts = hosts

    async def post(self, url: str, headers: Mapping[str, str], body: bytes) -> None:
        """JSON. Any status of 200 to 299 is a success. Raises NotificationFailed; of the address it names the host alone."""
        try:
            self._hosts.check(url)
            address = httpx.URL(url)
        except (ValueError, httpx.InvalidURL) as error:
            raise NotificationFailed(f"its address is refused: {error}") from error
        sent = {
            **headers,
            "Content-Type": "application/json",
            "Accept-Encoding": "identity",
            "User-Agent": "aml-bridge",
        }
        answer = await self._send(httpx.Request("POST", address, headers=sent, content=body))
        if answer is None or 200 <= answer.status < 300:
            return
        if 300 <= answer.status < 400:
            raise NotificationFailed(
                f"{address.host} answered {answer.status}, a redirect, which is not followed: name the address that it leads to"
            )
        raise NotificationFailed(
            f"{address.host} answered {answer.status}; any status of 200 to 299 takes a notification",
            is_final=answer.status == HTTPStatus.GONE,
        )

    async def _send(self, request: httpx.Request) -> HttpAnswer | None:
        """None for a success with more to say than is read."""
        try:
            async with asyncio.timeout(_MOST_SECONDS):
                return await send(self._transport, request, most_bytes=_MOST_BYTES)
        except TimeoutError as error:
            raise NotificationFailed(f"{request.url.host} did not answer within {_MOST_SECONDS:g} s") from error
        except CallFailed as failed:
            if failed.kind is Kind.ANSWER_TOO_LARGE:
                return None
            raise NotificationFailed(f"{request.url.host} gave no answer ({failed.kind.code})") from failed
