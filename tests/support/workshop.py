"""The app beside a workspace whose jobs really run: Azurite, the simulator with storage, its events, the local host."""

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import httpx
import pytest
from azure.core.exceptions import ResourceNotFoundError
from azure.storage.blob import BlobServiceClient
from azure.storage.queue import QueueServiceClient

from samples.customer_value.datastore import CONTAINER, PIPELINE_PYTHON, make_container
from tests.devhost.running import Reply
from tests.simulator.process import ready_url, start_simulator
from tests.support.azurite import running_azurite
from tests.support.bridge import ROOT, Bridge, running_bridge

CONNECTION = "local"
TRANSACTIONS = "azureml://datastores/workspaceblobstore/paths/samples/few.csv"
FEW = "customer_id,date,quantity,amount\n00001,1997-01-01,1,11.77\n00001,1997-03-01,1,5.00\n00002,1997-01-12,5,77.00\n"
SCORES = "customer_id,score\n00001,0.5\n00002,1.5\n"
WAITING = {"queued", "running", "importing", "publishing"}
OVER = {"succeeded", "failed", "canceled", "held"}
NONSENSE = '{"workflow": 7}'
"""Sent to `workflow-refresh` at the start: the host gives a message up after five attempts, ten seconds apart."""
SOON = {"AzureFunctionsJobHost__extensions__queues__maxPollingInterval": "00:00:00.3"}
_PATIENCE = 60.0
AT_ONCE = {"notStarted": 0, "preparing": 0, "queued": 0, "finalizing": 0, "cancelRequested": 0}
_WORKSPACE = (
    "/subscriptions/00000000-0000-0000-0000-000000000001/resourceGroups/local"
    "/providers/Microsoft.MachineLearningServices/workspaces/bridge"
)

type Files = Mapping[str, str | bytes]


@dataclass(frozen=True)
class Workshop:
    """Tests take workflows of their own names; each writes the entity that is called like it."""

    bridge: Bridge
    account: str

    def save(self, name: str, query: str = "", **members: Any) -> Reply:
        return self.bridge.call("PUT", f"workflows/{name}{query}", workflow(name, **members))

    def start(self, name: str, files: Files | None = None, /, **members: Any) -> str:
        """Save and run; with `files` the job writes these instead of what its pipeline would. The run's id."""
        if files is not None:
            self.plan(name, files=files)
        reply = self.save(name, "?run=true", **members)
        assert reply.status == 202, reply.body
        return run_in(reply)

    def refresh(self, name: str, query: str = "", **headers: str) -> Reply:
        given = {header.replace("_", "-"): value for header, value in headers.items()}
        return self.bridge.call("POST", f"workflows/{name}/refresh{query}", headers=given)

    def run(self, run: str) -> dict[str, Any]:
        reply = self.bridge.call("GET", f"runs/{run}")
        assert reply.status == 200, reply.body
        found: dict[str, Any] = reply.json
        return found

    def occupy(self, name: str, **members: Any) -> str:
        """A run whose job waits until it is advanced or canceled."""
        self.plan(name, fault="queuedForEver", files={"scores.csv": SCORES})
        run = self.start(name, **members)
        self.wait_for(run, "running")
        return run

    def wait_for(self, run: str, *statuses: str) -> dict[str, Any]:
        """The run once it has one of the statuses; without any, once it moves no more by itself."""
        wanted = set(statuses) or OVER
        end = time.monotonic() + _PATIENCE
        while (found := self.run(run))["status"] not in wanted:
            assert found["status"] in WAITING, f"{run} ended otherwise: {found}"
            assert time.monotonic() < end, f"{run} is not {wanted} after {_PATIENCE} s: {found}"
            time.sleep(0.1)
        return found

    def publish(self, name: str, files: Files, **members: Any) -> dict[str, Any]:
        """A run from its start to its end."""
        return self.wait_for(self.start(name, files, **members), "succeeded")

    def rows(self, name: str) -> list[dict[str, Any]]:
        """Of the entity that the workflow `name` writes, as readers see it."""
        reply = self.bridge.call("GET", f"data/{entity_of(name)}")
        assert reply.status == 200, reply.body
        found: list[dict[str, Any]] = reply.json["value"]
        return found

    def plan(self, name: str, *, files: Files | None = None, **members: Any) -> None:
        """What shall become of the next job of the workflow `name`."""
        if files is not None:  # bytes travel as one character each
            texts = {
                path: content if isinstance(content, bytes) else content.encode() for path, content in files.items()
            }
            members |= {"files": {path: content.decode("latin-1") for path, content in texts.items()}}
            members["encoding"] = "latin-1"
        self._control("POST", "/jobs/plans", {"name": _jobs_of(name), **members})

    def plan_any(self, **members: Any) -> None:
        """What shall become of the next job, whatever its name: a batch endpoint gives its own."""
        self._control("POST", "/jobs/plans", members)

    def advance_job(self, job: str) -> None:
        """On from a status in which a plan holds it."""
        self._control("POST", f"/jobs/{job}/advance")

    def cancel_job(self, job: str) -> None:
        """As somebody does in the studio."""
        self._arm("POST", f"/jobs/{job}/cancel")

    def fault(self, *faults: Mapping[str, Any]) -> None:
        """The next calls of the workspace that match go wrong, and no others any more."""
        self._control("PATCH", "", {"faults": list(faults)})

    def deliver(self, **delivery: Any) -> None:
        """How Event Grid's messages look from now on; without a word: as usual."""
        self._control("PATCH", "/jobs", {"delivery": delivery})

    def jobs(self, name: str = "") -> list[dict[str, Any]]:
        """The workspace's jobs, with what they were given; those of a workflow."""
        jobs = httpx.get(f"{self.bridge.simulator}/control/jobs").json()["value"]
        return [job for job in jobs if job["name"].startswith(_jobs_of(name) if name else "")]

    def counts(self) -> dict[str, int]:
        counts: dict[str, int] = httpx.get(f"{self.bridge.simulator}/control/jobs").json()["counts"]
        return counts

    def send(self, queue: str, body: str) -> None:
        with QueueServiceClient.from_connection_string(self.account) as service:
            service.get_queue_client(queue).send_message(body)

    def clear(self, queue: str) -> None:
        """Messages are lost, those too that are not visible yet."""
        with QueueServiceClient.from_connection_string(self.account) as service:
            service.get_queue_client(queue).clear_messages()

    def waiting(self, queue: str) -> int:
        """Messages that are there, also those that are not visible."""
        with QueueServiceClient.from_connection_string(self.account) as service:
            return int(service.get_queue_client(queue).get_queue_properties().approximate_message_count or 0)

    def read_file(self, uri: str) -> bytes:
        """A file of the default datastore."""
        path = uri.removeprefix("azureml://datastores/workspaceblobstore/paths/")
        with BlobServiceClient.from_connection_string(self.account) as service:
            return service.get_blob_client(CONTAINER, path).download_blob().readall()

    def _arm(self, method: str, path: str) -> None:
        simulator = self.bridge.simulator
        asked = {"resource": "https://management.azure.com/", "api-version": "2019-08-01"}
        token = httpx.get(f"{simulator}/identity/token", params=asked, headers={"X-IDENTITY-HEADER": "local"}).json()
        answer = httpx.request(
            method,
            f"{simulator}{_WORKSPACE}{path}",
            params={"api-version": "2025-12-01"},
            headers={"Authorization": f"Bearer {token['access_token']}"},
        )
        assert answer.is_success, answer.text

    def _control(self, method: str, path: str, body: object = None) -> None:
        answer = httpx.request(method, f"{self.bridge.simulator}/control{path}", json=body)
        assert answer.is_success, answer.text


def workflow(name: str, **members: Any) -> dict[str, Any]:
    return {
        "connection": CONNECTION,
        "pipeline": "customer_value",
        "outputPath": f"outputs/{name}",
        "outputDatastore": "workspaceblobstore",
        "outputEntity": entity_of(name),
        "primaryKey": "customer_id",
        "customerId": "customer_id",
        "requiredData": {"transactions": {"path": TRANSACTIONS}},
        **members,
    }


def _jobs_of(workflow: str) -> str:
    """How their names begin: with the workflow, then the time."""
    return f"brg-{workflow.lower()}-20"


def entity_of(workflow: str) -> str:
    return "".join(part.capitalize() for part in workflow.split("-"))


def run_in(reply: Reply) -> str:
    """The id that an answer's Operation-Location tells."""
    return str(reply.headers["Operation-Location"]).rpartition("/")[2]


def at_once[T](work: Callable[[str], T], names: Sequence[str]) -> dict[str, T]:
    """Runs mostly wait, for queues and jobs: so those of several workflows wait together."""
    with ThreadPoolExecutor(len(names)) as pool:
        return dict(zip(names, pool.map(work, names), strict=True))


def statuses(run: Mapping[str, Any]) -> Sequence[str]:
    return [entry["status"] for entry in run["timeline"]]


@contextmanager
def running_workshop(**env: str) -> Iterator[Workshop]:
    with running_azurite() as account:
        store(account, "samples/few.csv", FEW.encode())
        for queue in ("aml-events", "run-advance", "workflow-refresh"):  # as a deployment makes them
            make_queue(account, queue)
        options = ("--port", "0", "--scoring-url", "", "--storage", account, "--events-queue", "aml-events")
        with start_simulator(*options, "--python", str(PIPELINE_PYTHON)) as process:
            try:
                simulator = ready_url(process)
                httpx.patch(f"{simulator}/control/jobs", json={"progression": AT_ONCE}).raise_for_status()
                with running_bridge(account, simulator, ROOT, **env) as bridge:
                    workshop = Workshop(bridge, account)
                    connect(workshop)
                    yield workshop
            finally:
                process.terminate()


def store(account: str, path: str, content: bytes) -> None:
    """A file in the default datastore."""
    with BlobServiceClient.from_connection_string(account) as service:
        make_container(service)
        service.get_blob_client(CONTAINER, path).upload_blob(content, overwrite=True)


def make_queue(account: str, name: str) -> None:
    with QueueServiceClient.from_connection_string(account) as service:
        client = service.get_queue_client(name)
        try:
            client.get_queue_properties()
        except ResourceNotFoundError:
            client.create_queue()


def connect(workshop: Workshop) -> None:
    body = {"tenant": "00000000-0000-0000-0000-0000000000aa", "workspace": _WORKSPACE, "consent": True}
    reply = workshop.bridge.call("PUT", f"connections/{CONNECTION}", body)
    assert reply.status == 201, reply.body


@pytest.fixture(scope="session")
def workshop() -> Iterator[Workshop]:
    """One that the session shares. Its account is its own: other apps would take its messages."""
    with running_workshop(**SOON) as workshop:
        workshop.send("workflow-refresh", NONSENSE)
        yield workshop
