"""What would one write instead? A peer scores all records on one URL and gives the parsed answers in order.

Every peer reads the body, checks the status and parses the JSON. Each is written as its users write it, to
its advantage where there is a choice: one client a batch, a sliding window, no chunks, a shared TLS context.
"""

import asyncio
import functools
import ssl
import threading
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import aiohttp
import httpx
import requests
from httpx_aiohttp import AiohttpTransport

from benchmarks.raw import raw_workers

type Peer = Callable[[list[bytes], str, int], list[Any]]

HEADERS = {"Content-Type": "application/json"}
TIMEOUT = 30  # seconds, AmlSkill's default


def sequential(records: list[bytes], url: str, parallelism: int) -> list[Any]:
    """`requests.post`, one record after the other, whatever the parallelism."""
    return [_post(requests.post, url, body) for body in records]


def thread_pool(records: list[bytes], url: str, parallelism: int) -> list[Any]:
    """`requests.post` from a thread pool."""
    with ThreadPoolExecutor(parallelism) as pool:
        return list(pool.map(lambda body: _post(requests.post, url, body), records))


def thread_pool_session(records: list[bytes], url: str, parallelism: int) -> list[Any]:
    """A thread pool with one `requests.Session` a thread."""
    local = threading.local()
    sessions: list[requests.Session] = []

    def open_session() -> None:
        local.session = requests.Session()
        sessions.append(local.session)

    with ThreadPoolExecutor(parallelism, initializer=open_session) as pool:
        answers = list(pool.map(lambda body: _post(local.session.post, url, body), records))
    for session in sessions:
        session.close()
    return answers


def httpx_gather(records: list[bytes], url: str, parallelism: int) -> list[Any]:
    """`httpx.AsyncClient` with its defaults, `gather` over all records, a semaphore."""

    async def run() -> list[Any]:
        async with httpx.AsyncClient(verify=_tls()) as client:
            gate = asyncio.Semaphore(parallelism)

            async def score(body: bytes) -> Any:
                async with gate:
                    return await _post_httpx(client, url, body)

            return await asyncio.gather(*map(score, records))

    return asyncio.run(run())


def httpx_aiohttp_workers(records: list[bytes], url: str, parallelism: int) -> list[Any]:
    """`httpx.AsyncClient` over aiohttp's transport, as many workers as connections."""

    async def run() -> list[Any]:
        limits = httpx.Limits(max_connections=parallelism)
        transport = AiohttpTransport(verify=_tls(), limits=limits)
        async with httpx.AsyncClient(transport=transport, timeout=TIMEOUT) as client:
            return await _window(records, parallelism, lambda body: _post_httpx(client, url, body))

    return asyncio.run(run())


def aiohttp_workers(records: list[bytes], url: str, parallelism: int) -> list[Any]:
    """One `aiohttp.ClientSession`, as many workers as connections."""

    async def run() -> list[Any]:
        connector = aiohttp.TCPConnector(limit=parallelism)
        timeout = aiohttp.ClientTimeout(total=TIMEOUT)
        async with aiohttp.ClientSession(connector=connector, timeout=timeout, headers=HEADERS) as session:

            async def score(body: bytes) -> Any:
                async with session.post(url, data=body) as answer:
                    answer.raise_for_status()
                    return await answer.json()

            return await _window(records, parallelism, score)

    return asyncio.run(run())


def raw(records: list[bytes], url: str, parallelism: int) -> list[Any]:
    """`asyncio.Protocol` and httptools: the lower bound."""
    return asyncio.run(raw_workers(records, url, parallelism))


PEERS: dict[str, Peer] = {
    "requests sequential": sequential,
    "requests thread pool": thread_pool,
    "Session thread pool": thread_pool_session,
    "httpx gather": httpx_gather,
    "httpx + aiohttp": httpx_aiohttp_workers,
    "aiohttp workers": aiohttp_workers,
    "raw": raw,
}


def _post(post: Callable[..., requests.Response], url: str, body: bytes) -> Any:
    answer = post(url, data=body, headers=HEADERS, timeout=TIMEOUT)
    answer.raise_for_status()
    return answer.json()


async def _post_httpx(client: httpx.AsyncClient, url: str, body: bytes) -> Any:
    answer = await client.post(url, content=body, headers=HEADERS)
    answer.raise_for_status()
    return answer.json()


async def _window(records: list[bytes], parallelism: int, score: Callable[[bytes], Awaitable[Any]]) -> list[Any]:
    """A sliding window: every worker takes the next record when it has its answer."""
    answers: list[Any] = [None] * len(records)
    waiting = iter(enumerate(records))

    async def work() -> None:
        for index, body in waiting:
            answers[index] = await score(body)

    await asyncio.gather(*(work() for _ in range(parallelism)))
    return answers


@functools.cache
def _tls() -> ssl.SSLContext:
    """Reading the CA bundle costs as much as a hundred calls: once a process, as a long-lived client does."""
    return httpx.create_ssl_context()
