"""Does the simulator as a process run the sample on real storage, and leave nothing running behind?"""

import base64
import json
import os
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from azure.storage.blob import BlobServiceClient
from azure.storage.queue import QueueClient

from samples.customer_value.datastore import PATH, store_transactions
from tests.simulator.arm import WORKSPACE
from tests.simulator.conftest import PIPELINE_PYTHON
from tests.simulator.jobs import JOBS, OVER, job_body
from tests.simulator.process import ready_url, start_simulator
from tests.support.azurite import azurite

__all__ = ["azurite"]

QUEUE = "aml-events"


def connect(url: str) -> httpx.Client:
    """With a management token and an api-version."""
    query = {"api-version": "2019-08-01", "resource": "https://management.azure.com"}
    token = httpx.get(f"{url}/identity/token", params=query, headers={"x-identity-header": "local"}).json()
    headers = {"authorization": f"Bearer {token['access_token']}"}
    return httpx.Client(base_url=url, params={"api-version": "2025-12-01"}, headers=headers)


@pytest.fixture(scope="module")
def arm(azurite: str) -> Iterator[httpx.Client]:
    options = ("--storage", azurite, "--events-queue", QUEUE, "--python", str(PIPELINE_PYTHON))
    with start_simulator("--port", "0", "--scoring-url", "", *options) as process:
        with connect(ready_url(process)) as client:
            yield client
        process.terminate()


@pytest.fixture(scope="module")
def job(arm: httpx.Client, azurite: str) -> dict[str, Any]:
    """The sample's job over all transactions, at its end."""
    store_transactions(azurite)
    inputs = {"transactions": {"jobInputType": "uri_file", "uri": PATH}}
    arm.put(f"{JOBS}/run-1", json=job_body(inputs=inputs)).raise_for_status()
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        found: dict[str, Any] = arm.get(f"{JOBS}/run-1").json()
        if found["properties"]["status"] in OVER:
            return found
        time.sleep(0.05)
    pytest.fail("the job did not end within a minute")


def test_all_customers_are_scored(job: dict[str, Any], azurite: str) -> None:
    assert job["properties"]["status"] == "Completed"
    with BlobServiceClient.from_connection_string(azurite) as service:
        scores = service.get_blob_client("lake", "out/1/customer_value.csv").download_blob().readall()
    assert scores.count(b"\n") == 23_571
    assert b"\n00001,0," in scores


def test_event_grid_s_messages_are_in_the_queue(job: dict[str, Any], azurite: str) -> None:
    with QueueClient.from_connection_string(azurite, QUEUE) as queue:
        texts = [message.content for message in queue.receive_messages(max_messages=32)]

    events = [json.loads(base64.b64decode(text)) for text in texts]
    own = [event for event in events if event["data"]["runId"] == job["name"]]
    assert [event["data"].get("runStatus") for event in own][-2:] == ["completed", None]


def test_a_datastore_s_address_is_the_account_s(arm: httpx.Client, azurite: str) -> None:
    store = arm.get(f"{WORKSPACE}/datastores/workspaceblobstore").json()["properties"]

    port = azurite.partition("BlobEndpoint=http://127.0.0.1:")[2].partition("/")[0]
    assert (store["protocol"], store["accountName"], store["endpoint"]) == (
        "http",
        "devstoreaccount1",
        f"localhost:{port}",
    )


def test_a_signal_ends_it_and_the_step_that_runs(azurite: str, tmp_path: Path) -> None:
    store_transactions(azurite)
    python, pid = tmp_path / "python", tmp_path / "pid"
    python.write_text(f"#!/bin/sh\necho $$ > {pid}.new && mv {pid}.new {pid}\nexec sleep 60\n")
    python.chmod(0o755)
    with start_simulator("--port", "0", "--scoring-url", "", "--storage", azurite, "--python", str(python)) as process:
        with connect(ready_url(process)) as arm:
            body = job_body(inputs={"transactions": {"jobInputType": "uri_file", "uri": PATH}})
            arm.put(f"{JOBS}/run-1", json=body).raise_for_status()
        while not pid.exists():
            time.sleep(0.02)
        process.terminate()
        output, errors = process.communicate(timeout=10)

    assert (process.returncode, output, errors) == (0, "", "")
    with pytest.raises(ProcessLookupError):
        os.kill(int(pid.read_text()), 0)
