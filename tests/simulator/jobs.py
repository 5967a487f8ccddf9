"""Jobs as a workflow asks for them, over a client that holds a management token."""

import asyncio
from typing import Any

import httpx

from tests.simulator.arm import WORKSPACE

JOBS = f"{WORKSPACE}/jobs"
TRANSACTIONS = "azureml://datastores/workspaceblobstore/paths/samples/few.csv"
OVER = ("Completed", "Failed", "Canceled")
FEW = "customer_id,date,quantity,amount\n00001,1997-01-01,1,11.77\n00001,1997-03-01,1,5.00\n00002,1997-01-12,5,77.00\n"


def component(name: str, version: str = "1") -> str:
    return f"{WORKSPACE}/components/{name}/versions/{version}"


def job_body(
    component_id: str = component("customer_value", "2"),
    inputs: dict[str, Any] | None = None,
    output: str | None = "azureml://datastores/lake/paths/out/1/",
) -> dict[str, Any]:
    given = inputs or {"transactions": {"jobInputType": "uri_file", "uri": TRANSACTIONS}}
    scores = {"jobOutputType": "uri_folder", "mode": "Upload", "uri": output}
    return {
        "properties": {
            "jobType": "Pipeline",
            "experimentName": "bridge",
            "componentId": component_id,
            "inputs": given,
            "outputs": {} if output is None else {"scores": scores},
            "settings": {"force_rerun": True},
            "tags": {"workflow": "customer-value"},
        }
    }


def literal(value: str) -> dict[str, str]:
    return {"jobInputType": "literal", "value": value}


async def status_of(arm: httpx.AsyncClient, name: str) -> str:
    return str((await arm.get(f"{JOBS}/{name}")).json()["properties"]["status"])


async def until(arm: httpx.AsyncClient, name: str, *wanted: str) -> str:
    """The status in which the wait ended: a wanted one, or a last one."""
    async with asyncio.timeout(20):
        while (status := await status_of(arm, name)) not in (*wanted, *OVER):  # noqa: ASYNC110  a status is asked for
            await asyncio.sleep(0.01)
    return status
