"""What does Event Grid say about runs? RunStatusChanged at each status, RunCompleted at a good end, into a queue.

Schemas: Event Grid's own, CloudEvents 1.0; plain or in Base64; an event, or an array of one. Steps' runs have events too.
Source: https://learn.microsoft.com/azure/event-grid/event-schema-machine-learning
"""

import base64
import json
import sys
from collections import Counter
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Literal, Protocol
from uuid import NAMESPACE_URL, uuid4, uuid5

from simulator.jobs.models import Job, Status
from simulator.wire import Control

PROVIDER = "Microsoft.MachineLearningServices"


class Queue(Protocol):
    async def put(self, text: str) -> None: ...


class Delivery(Control):
    enabled: bool = True
    schema_name: Literal["EventGridSchema", "CloudEventSchemaV1_0"] = "EventGridSchema"
    encoding: Literal["base64", "none"] = "base64"
    array: bool = False


@dataclass
class Events:
    """Without a queue there are none."""

    queue: Queue | None = None
    delivery: Delivery = field(default_factory=Delivery)
    counts: Counter[str] = field(default_factory=Counter)

    async def status_changed(self, job: Job) -> None:
        await self._put(job, job.name, "RunStatusChanged", {"runStatus": job.status.lower()})
        if job.status == Status.COMPLETED:
            await self._put(job, str(uuid4()), "RunCompleted", {})
            await self._put(job, job.name, "RunCompleted", {})

    async def _put(self, job: Job, run: str, kind: str, more: dict[str, Any]) -> None:
        if self.queue is None or not self.delivery.enabled:
            return
        try:
            await self.queue.put(as_message(event(job, run, kind, more), self.delivery))
            self.counts["sent"] += 1
        except Exception as error:  # noqa: BLE001  a lost event is not a failed job
            self.counts["lost"] += 1
            print(f"event not sent: {type(error).__name__}: {error}", file=sys.stderr)


def event(job: Job, run: str, kind: str, more: dict[str, Any]) -> dict[str, Any]:
    experiment = str(uuid5(NAMESPACE_URL, job.experiment))
    return {
        "id": str(uuid4()),
        "topic": job.workspace.id,
        "subject": f"experiments/{experiment}/runs/{run}",
        "eventType": f"{PROVIDER}.{kind}",
        "eventTime": datetime.now(UTC).isoformat().replace("+00:00", "Z"),
        "data": {
            "experimentId": experiment,
            "experimentName": job.experiment,
            "runId": run,
            "runType": "azureml.PipelineRun" if run == job.name else "azureml.StepRun",
            "runTags": job.properties.get("tags") or {},
            "runProperties": {},
            **more,
        },
        "dataVersion": "",
        "metadataVersion": "1",
    }


def as_cloud_event(event: dict[str, Any]) -> dict[str, Any]:
    return {
        "specversion": "1.0",
        "id": event["id"],
        "source": event["topic"],
        "subject": event["subject"],
        "type": event["eventType"],
        "time": event["eventTime"],
        "data": event["data"],
    }


def as_message(event: dict[str, Any], delivery: Delivery) -> str:
    one = event if delivery.schema_name == "EventGridSchema" else as_cloud_event(event)
    text = json.dumps([one] if delivery.array else one)
    return base64.b64encode(text.encode()).decode() if delivery.encoding == "base64" else text
