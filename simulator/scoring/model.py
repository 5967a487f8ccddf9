"""Who answers for a managed endpoint that is asked for no fault? The inference server behind it."""

from collections.abc import Mapping
from typing import Protocol

import aiohttp

from simulator.scoring.answers import Answer

# What of the request the container sees, and of its answer the caller.
PASSED_ON = ("content-type", "accept", "x-request-id", "x-ms-client-request-id")
PASSED_BACK = ("x-ms-run-function-failed", "x-ms-run-fn-exec-ms", "x-ms-server-version")


class ModelUnreachable(Exception):
    """No inference server answers at the address."""


class ModelTimeout(Exception):
    """The model took longer than the deployment's requestTimeout."""


class Model(Protocol):
    async def score(self, body: bytes, headers: Mapping[str, str], seconds: float) -> Answer: ...

    async def close(self) -> None: ...


class InferenceServer:
    """A real one, `azureml-inference-server-http`, at `url`."""

    def __init__(self, url: str) -> None:
        self.url = url
        self._session: aiohttp.ClientSession | None = None

    async def score(self, body: bytes, headers: Mapping[str, str], seconds: float) -> Answer:
        passed = {name: headers[name] for name in PASSED_ON if name in headers}
        timeout = aiohttp.ClientTimeout(total=seconds)
        try:
            async with self._open().post(self.url, data=body, headers=passed, timeout=timeout) as answer:
                content = await answer.read()
        except TimeoutError as error:
            raise ModelTimeout from error
        except aiohttp.ClientError as error:
            raise ModelUnreachable(f"no inference server answers at {self.url}") from error
        back = {name: answer.headers[name] for name in PASSED_BACK if name in answer.headers}
        return Answer(answer.status, content, answer.headers.get("content-type"), back)

    async def close(self) -> None:
        if self._session is not None:
            await self._session.close()

    def _open(self) -> aiohttp.ClientSession:
        """Made at first use: a session belongs to the loop that is running then."""
        if self._session is None:
            self._session = aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0))
        return self._session
