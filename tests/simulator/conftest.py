"""A simulator of one's own in process, and one on a real socket for what only a socket shows."""

from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import httpx
import pytest

from simulator.app import Simulator, create_app
from simulator.identity import MACHINE_LEARNING, MANAGEMENT
from simulator.jobs.plans import Progression
from tests.simulator.jobs import FEW
from tests.simulator.memory import MemoryQueue, MemoryStorage
from tests.simulator.process import ready_url, start_simulator

PIPELINE_PYTHON = Path(__file__).parents[2] / ".venv-pipeline" / "bin" / "python"
AT_ONCE = Progression(not_started=0, preparing=0, queued=0, finalizing=0, cancel_requested=0)


@pytest.fixture
def storage() -> MemoryStorage:
    """With three purchases of two customers in it."""
    storage = MemoryStorage()
    storage.blobs["azureml-blobstore", "samples/few.csv"] = FEW.encode()
    return storage


@pytest.fixture
def queue() -> MemoryQueue:
    return MemoryQueue()


@pytest.fixture
async def simulator(storage: MemoryStorage, queue: MemoryQueue) -> AsyncIterator[Simulator]:
    """Its jobs take no longer than their steps."""
    simulator = Simulator(storage=storage, queue=queue, python=str(PIPELINE_PYTHON))
    simulator.jobs.runner.progression = AT_ONCE
    yield simulator
    await simulator.jobs.forget()


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


@pytest.fixture
async def data_plane(simulator: Simulator) -> AsyncIterator[httpx.AsyncClient]:
    """A client with a token for Machine Learning, and no api-version."""
    headers = {"authorization": f"Bearer {simulator.tokens.issue(MACHINE_LEARNING, 3_600).value}"}
    transport = httpx.ASGITransport(create_app(simulator))
    async with httpx.AsyncClient(transport=transport, base_url="http://simulator", headers=headers) as client:
        yield client


@pytest.fixture(scope="session")
def served() -> Iterator[str]:
    """The address of a simulator process without a model."""
    with start_simulator("--port", "0", "--scoring-url", "") as process:
        yield ready_url(process)
        process.terminate()
