"""A simulator of one's own in process, and one on a real socket for what only a socket shows."""

from collections.abc import AsyncIterator, Iterator

import httpx
import pytest

from simulator.app import Simulator, create_app
from simulator.identity import MANAGEMENT
from tests.simulator.process import ready_url, start_simulator


@pytest.fixture
def simulator() -> Simulator:
    return Simulator()


@pytest.fixture
async def client(simulator: Simulator) -> AsyncIterator[httpx.AsyncClient]:
    transport = httpx.ASGITransport(create_app(simulator))
    async with httpx.AsyncClient(transport=transport, base_url="http://simulator") as client:
        yield client


@pytest.fixture
def arm(client: httpx.AsyncClient, simulator: Simulator) -> httpx.AsyncClient:
    """The client, with a good management token and an api-version in every call."""
    token = simulator.tokens.issue(MANAGEMENT, 3_600)
    client.headers["authorization"] = f"Bearer {token.value}"
    client.params = client.params.set("api-version", "2025-12-01")
    return client


@pytest.fixture(scope="session")
def served() -> Iterator[str]:
    """The address of a simulator process without a model."""
    with start_simulator("--port", "0", "--scoring-url", "") as process:
        yield ready_url(process)
        process.terminate()
