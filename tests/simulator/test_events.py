"""Do runs' events come in both schemas, plain and in Base64, alone and in an array?"""

import base64
import json
from typing import Any

import httpx
import pytest

from tests.simulator.jobs import JOBS, job_body, until
from tests.simulator.memory import MemoryQueue

STATUSES = ["notstarted", "preparing", "queued", "running", "finalizing", "completed"]


def decoded(text: str) -> Any:
    return json.loads(text if text[0] in "{[" else base64.b64decode(text))


async def test_each_status_is_an_event_and_a_good_end_one_more(arm: httpx.AsyncClient, queue: MemoryQueue) -> None:
    await arm.put(f"{JOBS}/run-1", json=job_body())
    await until(arm, "run-1")

    own = [event for event in map(decoded, queue.texts) if event["data"]["runId"] == "run-1"]
    changed = [event["data"]["runStatus"] for event in own if event["eventType"].endswith(".RunStatusChanged")]
    assert changed == STATUSES
    assert own[-1]["eventType"] == "Microsoft.MachineLearningServices.RunCompleted"
    assert "runStatus" not in own[-1]["data"]
    assert len(queue.texts) == len(own) + 1, "a step's run has an event too"


@pytest.mark.parametrize("encoding", ["base64", "none"])
@pytest.mark.parametrize("array", [True, False])
@pytest.mark.parametrize("schema", ["EventGridSchema", "CloudEventSchemaV1_0"])
async def test_the_delivery_can_be_set(
    arm: httpx.AsyncClient, queue: MemoryQueue, schema: str, array: bool, encoding: str
) -> None:
    delivery = {"schemaName": schema, "array": array, "encoding": encoding}
    (await arm.patch("/control/jobs", json={"delivery": delivery})).raise_for_status()
    await arm.put(f"{JOBS}/run-1", json=job_body())
    await until(arm, "run-1")

    text = queue.texts[0]
    event = decoded(text)[0] if array else decoded(text)
    assert (text[0] in "{[") == (encoding == "none")
    assert event["type" if schema.startswith("Cloud") else "eventType"].endswith("RunStatusChanged")
    assert ("specversion" in event) == schema.startswith("Cloud")
    assert event["data"]["runId"] == "run-1"
