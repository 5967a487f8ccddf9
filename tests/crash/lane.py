"""Real parts around the app: Azurite, the simulator, relays between them and the app, and the app as a process that may
be killed and started again on what is stored."""

import re
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from typing import Any

import httpx
from azure.core.exceptions import ResourceExistsError
from azure.data.tables import TableClient, TableServiceClient
from azure.storage.blob import BlobServiceClient

from tests.crash.relay import Effect, Loop, Relay, Trap, When
from tests.simulator.process import ready_url, start_simulator
from tests.support.azurite import connection_string, running_azurite
from tests.support.bridge import ROOT, Bridge, running_bridge
from tests.triggers.test_connections import connection
from tests.triggers.test_workflows import PATH

CONTAINER, BLOB = "azureml-blobstore", "samples/cdnow.csv"
_STARTS = threading.Semaphore(2)
"""Processes that start at once: each is busy for a second or two, and they are given twenty."""


@dataclass
class Lane:
    """One storage account, one workspace, and the app between them."""

    storage: str
    """Azurite itself, past the relay."""
    relayed: str
    """The same, through the relay."""
    simulator: str
    arm: str
    """The simulator, through the relay."""
    relay: Relay
    settings: Mapping[str, str] = field(default_factory=dict)
    _app: ExitStack = field(default_factory=ExitStack)
    _bridge: Bridge | None = None

    @property
    def bridge(self) -> Bridge:
        """The app's process that was started last."""
        assert self._bridge is not None
        return self._bridge

    def start(self) -> None:
        """A new process of the app, on what is stored."""
        self.stop()
        with _STARTS:
            self._bridge = self._app.enter_context(self.another())

    @contextmanager
    def another(self) -> Iterator[Bridge]:
        """One more process of the app on the same storage."""
        settings = {"AZURE_RESOURCE_MANAGER": self.arm, **self.settings}
        with running_bridge(self.relayed, self.simulator, ROOT, **settings) as bridge:
            yield bridge

    def stop(self) -> None:
        self._app.close()

    def kill(self) -> None:
        """As a machine dies: nothing of the process runs any more."""
        self.bridge.host.process.kill()

    def set_trap(self, effect: Effect, when: When) -> Trap:
        self.relay.trap = Trap(effect, when, self.kill)
        return self.relay.trap

    def clear_trap(self) -> None:
        self.relay.trap = None

    def plan_output(self, files: Mapping[str, str], **members: Any) -> None:
        """What the next job puts out."""
        body = {"name": "", "files": dict(files), **members}
        httpx.post(f"{self.simulator}/control/jobs/plans", json=body).raise_for_status()

    def jobs(self, prefix: str) -> list[dict[str, Any]]:
        """Those in the workspace whose names start so."""
        found = httpx.get(f"{self.simulator}/control/jobs").json()["value"]
        return [job for job in found if str(job["name"]).startswith(prefix)]

    def rows(self, table: str, partition: str = "", prefix: str = "") -> list[Mapping[str, Any]]:
        """Of a table, as they are stored."""
        with TableClient.from_connection_string(self.storage, table) as client:
            found = client.query_entities(f"PartitionKey eq '{partition}'") if partition else client.list_entities()
            return [row for row in found if str(row["RowKey"]).startswith(prefix)]

    def tables(self, prefix: str) -> Sequence[str]:
        with TableServiceClient.from_connection_string(self.storage) as service:
            return [table.name for table in service.list_tables() if table.name.startswith(prefix)]


@contextmanager
def open_lane(loop: Loop, **settings: str) -> Iterator[Lane]:
    """With its app running, a connection saved and the pipeline's input stored."""
    with ExitStack() as parts:
        relay = Relay()
        with _STARTS:
            storage = parts.enter_context(running_azurite())
            process = parts.enter_context(start_simulator("--port", "0", "--scoring-url", "", "--storage", storage))
            parts.callback(process.terminate)
            simulator = ready_url(process)
        parts.callback(lambda: loop.do(relay.close()))
        ports = {service: loop.do(relay.listen(port)) for service, port in _ports(storage).items()}
        arm = loop.do(relay.listen(int(simulator.rpartition(":")[2])))
        lane = Lane(storage, connection_string(**ports), simulator, f"http://127.0.0.1:{arm}", relay, settings)
        _store_input(storage)
        parts.callback(lane.stop)
        lane.start()
        assert lane.bridge.call("PUT", "connections/wf", connection()).status == 201
        yield lane


def _ports(storage: str) -> dict[str, int]:
    found = re.findall(r"(Blob|Queue|Table)Endpoint=http://127\.0\.0\.1:(\d+)/", storage)
    return {service.lower(): int(port) for service, port in found}


def _store_input(storage: str) -> None:
    """Nobody reads it: the jobs' outputs are planned."""
    with BlobServiceClient.from_connection_string(storage) as service:
        try:
            service.create_container(CONTAINER)
        except ResourceExistsError:
            return
        finally:
            service.get_blob_client(CONTAINER, BLOB).upload_blob(b"customer_id\n00001\n", overwrite=True)


__all__ = ["PATH", "Lane", "open_lane"]
