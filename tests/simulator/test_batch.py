"""Can a batch endpoint be invoked as Azure's can?"""

from typing import Any

import httpx
import pytest

from simulator.app import Simulator
from tests.simulator.arm import WORKSPACE
from tests.simulator.jobs import TRANSACTIONS, until
from tests.simulator.memory import MemoryStorage

JOBS = "/batch/customer-value/jobs"
OUTPUT = f"{WORKSPACE}/datastores/workspaceblobstore/paths/out/b/"


def invocation(**changes: Any) -> dict[str, Any]:
    data = {
        "transactions": {"JobInputType": "UriFile", "Uri": TRANSACTIONS},
        "horizon_days": {"JobInputType": "Literal", "Value": 30},
    }
    scores = {"scores": {"JobOutputType": "UriFolder", "Uri": OUTPUT}}
    properties = {"InputData": data, "OutputData": scores, "properties": {"experimentName": "bridge"}}
    return {"properties": properties | changes}


def camel_case() -> dict[str, Any]:
    data = {"transactions": {"jobInputType": "UriFile", "uri": TRANSACTIONS}}
    return {"properties": {"inputData": data, "outputData": {"scores": {"jobOutputType": "UriFolder", "uri": OUTPUT}}}}


@pytest.mark.parametrize("body", [invocation(), camel_case()])
async def test_an_invocation_runs_the_pipeline_under_a_name_of_the_service(
    data_plane: httpx.AsyncClient, arm: httpx.AsyncClient, storage: MemoryStorage, body: dict[str, Any]
) -> None:
    answer = await data_plane.post(JOBS, json=body)
    again = await data_plane.post(JOBS, json=body)

    name = answer.json()["name"]
    assert answer.status_code == 200
    assert name != again.json()["name"]
    assert await until(arm, name) == "Completed"
    assert (await data_plane.get(f"{JOBS}/{name}")).json()["properties"]["status"] == "Completed"
    assert ("azureml-blobstore", "out/b/customer_value.csv") in storage.blobs


async def test_a_deployment_can_be_pinned(data_plane: httpx.AsyncClient) -> None:
    body = invocation(InputData=camel_case()["properties"]["inputData"])

    answer = await data_plane.post(JOBS, json=body, headers={"azureml-model-deployment": "v1"})

    assert answer.json()["properties"]["componentId"].endswith("/customer_value/versions/1")


@pytest.mark.parametrize(
    ("path", "body", "status"),
    [
        (JOBS, invocation(InputData={"transactions": {"JobInputType": "uri_file", "Uri": TRANSACTIONS}}), 400),
        (
            JOBS,
            invocation(
                OutputData={
                    "scores": {"JobOutputType": "UriFolder", "Uri": OUTPUT.replace("workspaceblobstore", "lake")}
                }
            ),
            400,
        ),
        (JOBS, invocation(InputData={}), 400),
        ("/batch/language-batch/jobs", invocation(), 400),
        ("/batch/none/jobs", invocation(), 404),
    ],
)
async def test_what_cannot_run_is_refused(
    data_plane: httpx.AsyncClient, simulator: Simulator, path: str, body: dict[str, Any], status: int
) -> None:
    answer = await data_plane.post(path, json=body)

    assert answer.status_code == status
    assert simulator.jobs.all() == []


async def test_a_management_token_is_refused(arm: httpx.AsyncClient) -> None:
    assert (await arm.post(JOBS, json=invocation())).status_code == 401
