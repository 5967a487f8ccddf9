"""The app as it runs: `function_app` on Microsoft's worker library in the local host, with Azurite and the simulator."""

import json
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.devhost.running import Host, Reply, hosting
from tests.simulator.process import ready_url, start_simulator

ROOT = Path(__file__).parents[2]
SUBSCRIPTION = "00000000-0000-0000-0000-000000000001"
WORKSPACE = (
    f"/subscriptions/{SUBSCRIPTION}/resourceGroups/local/providers/Microsoft.MachineLearningServices/workspaces/bridge"
)
JSON = {"Content-Type": "application/json"}
INPUTS_AND_OUTPUTS = {
    "inputs": [{"name": "text", "source": "/document/content"}],
    "outputs": [{"name": "detected_language_code"}],
}


@dataclass
class Bridge:
    """A running app; paths are relative to `/api/`."""

    host: Host
    simulator: str
    """Its address."""

    def call(
        self,
        method: str,
        path: str,
        body: object = None,
        headers: Mapping[str, str] | None = None,
        *,
        raw: bool = False,
    ) -> Reply:
        """`body` is sent as JSON, or with `raw` as the bytes it is."""
        content = body if raw else None if body is None else json.dumps(body).encode()
        assert content is None or isinstance(content, bytes)
        return self.host.call(method, f"/api/{path}", content, {**JSON, **(headers or {})})

    def put(self, skill: str, *, fault: str = "", **members: Any) -> str:
        """A skill on the simulator's bare endpoint (with a path of its own) or, with `resourceId`, a managed one."""
        uri = {} if "resourceId" in members or "uri" in members else {"uri": f"{self.simulator}/score/{skill}{fault}"}
        reply = self.call("PUT", f"skills/{skill}", {**INPUTS_AND_OUTPUTS, **uri, **members})
        assert reply.status in (200, 201), reply.body
        return skill

    def enrich(self, skill: str, *texts: str | None, **headers: str) -> Reply:
        values = [{"recordId": str(index), "data": {"text": text}} for index, text in enumerate(texts)]
        return self.call("POST", f"skills/{skill}", {"values": values}, _spelled(headers))

    def calls(self, path: str) -> int:
        """How many calls the simulator has had at `path`."""
        counters = httpx.get(f"{self.simulator}/calls").json()
        return int(counters.get(path, {"calls": 0})["calls"])

    def control(self, path: str, body: object) -> None:
        method = "POST" if path == "revoke" else "PATCH"
        answer = httpx.request(method, f"{self.simulator}/control/{path}".rstrip("/"), json=body)
        assert answer.is_success, answer.text


def _spelled(headers: Mapping[str, str]) -> dict[str, str]:
    return {re.sub("_", "-", name): value for name, value in headers.items()}


@contextmanager
def simulating() -> Iterator[str]:
    """The address of a simulator without a model."""
    with start_simulator("--port", "0", "--scoring-url", "") as process:
        try:
            yield ready_url(process)
        finally:
            process.terminate()


def settings(azurite: str, simulator: str) -> dict[str, str]:
    """The app settings of a laptop."""
    return {
        "AzureWebJobsStorage": azurite,
        "ALLOW_LOOPBACK_SCORING": "true",
        "ALLOW_LITERAL_KEYS": "true",
        "AZURE_RESOURCE_MANAGER": simulator,
        "IDENTITY_ENDPOINT": f"{simulator}/identity/token",
        "IDENTITY_HEADER": "local",
    }


@contextmanager
def running_bridge(azurite: str, simulator: str, app: Path = ROOT, **env: str) -> Iterator[Bridge]:
    with hosting(app, **{**settings(azurite, simulator), **env}) as host:
        yield Bridge(host, simulator)


@pytest.fixture(scope="session")
def simulated() -> Iterator[str]:
    """The address of a simulator that the session shares."""
    with simulating() as address:
        yield address


@pytest.fixture(scope="session")
def bridge(azurite: str, simulated: str) -> Iterator[Bridge]:
    """An app that the session shares; tests take skills of their own names."""
    with running_bridge(
        azurite, simulated, SKILL_KEY_GOOD="sentinel-key-of-setting", MAX_BODY_BYTES="200000"
    ) as bridge:
        yield bridge
