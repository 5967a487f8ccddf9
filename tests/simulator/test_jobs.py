"""Do jobs run, end, repeat and stop as Azure ML's do?"""

import asyncio
import os
from typing import Any

import httpx
import pytest

from simulator.app import Simulator
from simulator.jobs.plans import JobPlan, Progression
from tests.simulator.arm import WORKSPACE
from tests.simulator.jobs import JOBS, TRANSACTIONS, component, job_body, literal, status_of, until
from tests.simulator.memory import MemoryStorage

HISTORY = f"/history/v1.0{WORKSPACE}/rundata"


def plan(simulator: Simulator, **members: Any) -> None:
    simulator.jobs.plans.waiting.append(JobPlan(**members))


async def test_the_sample_s_steps_run_and_their_output_is_stored(
    arm: httpx.AsyncClient, storage: MemoryStorage
) -> None:
    answer = await arm.put(f"{JOBS}/run-1", json=job_body())

    assert answer.status_code == 201
    assert answer.json()["properties"]["status"] == "NotStarted"
    assert await until(arm, "run-1") == "Completed"
    lines = storage.blobs["lake", "out/1/customer_value.csv"].decode().splitlines()
    assert lines[0].startswith("customer_id,frequency,recency,age,expected_purchases,probability_alive")
    assert [line.split(",")[0] for line in lines[1:]] == ["00001", "00002"]


async def test_output_by_parameters_goes_where_they_say(arm: httpx.AsyncClient, storage: MemoryStorage) -> None:
    inputs = {
        "transactions": {
            "jobInputType": "uri_file",
            "uri": f"azureml:/{WORKSPACE}/datastores/workspaceblobstore/paths/samples/few.csv",
        },
        "output_path": literal("b/scores.csv"),
        "output_datastore": literal("lake"),
    }
    await arm.put(f"{JOBS}/run-1", json=job_body(component("customer_value_parameters"), inputs, output=None))

    assert await until(arm, "run-1") == "Completed"
    assert storage.blobs["lake", "b/scores.csv"].startswith(b"customer_id,")


async def test_a_name_is_one_job_for_good(arm: httpx.AsyncClient, simulator: Simulator) -> None:
    first = await arm.put(f"{JOBS}/run-1", json=job_body())
    second = await arm.put(f"{JOBS}/RUN-1", json=job_body(output="azureml://datastores/lake/paths/out/2/"))

    assert (first.status_code, second.status_code) == (201, 200)
    assert second.json()["properties"]["outputs"]["scores"]["uri"].endswith("/out/1/")
    counts = (await arm.get("/control/jobs")).json()["counts"]
    assert counts == {"submitted": 1, "repeated": 1}


async def test_the_statuses_come_in_order(arm: httpx.AsyncClient) -> None:
    await arm.put(f"{JOBS}/run-1", json=job_body())
    await until(arm, "run-1")

    [job] = (await arm.get("/control/jobs")).json()["value"]
    assert [entry["status"] for entry in job["timeline"]] == [
        *("NotStarted", "Preparing", "Queued", "Running", "Finalizing", "Completed"),
    ]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"jobType": "Command"}, "Command"),
        ({"componentId": component("customer_value", "9")}, "There is no pipeline component"),
        ({"componentId": component("summarize_transactions")}, "There is no pipeline component"),
        ({"inputs": {}}, "'transactions' is required"),
        ({"inputs": {"transactions": literal("x"), "colour": literal("red")}}, "no input colour"),
        ({"inputs": {"transactions": literal("")}}, "null or empty"),
        ({"inputs": {"transactions": {"jobInputType": "uri_file", "uri": "https://elsewhere/x"}}}, "not a path in"),
        (
            {"inputs": {"transactions": {"jobInputType": "uri_file", "uri": TRANSACTIONS.replace("few", "../x")}}},
            "path",
        ),
        ({"outputs": {"predictions": {"jobOutputType": "uri_folder"}}}, "no output predictions"),
    ],
)
async def test_what_cannot_run_is_refused(arm: httpx.AsyncClient, change: dict[str, Any], message: str) -> None:
    body = job_body()
    body["properties"] |= change

    answer = await arm.put(f"{JOBS}/run-1", json=body)

    assert answer.status_code == 400
    assert answer.json()["error"]["code"] == "UserError"
    assert message in answer.json()["error"]["message"]
    assert (await arm.get(f"{JOBS}/run-1")).status_code == 404


async def test_a_failed_step_s_words_are_in_run_history(
    arm: httpx.AsyncClient, data_plane: httpx.AsyncClient, storage: MemoryStorage
) -> None:
    storage.blobs["azureml-blobstore", "samples/few.csv"] = b"id,date,amount\n1,1997-01-01,2\n"
    await arm.put(f"{JOBS}/run-1", json=job_body())

    assert await until(arm, "run-1") == "Failed"
    run = (await data_plane.post(HISTORY, json={"runId": "run-1", "selectRunMetadata": True})).json()["runMetadata"]
    assert run["status"] == "Failed"
    assert "column customer_id is missing" in run["error"]["error"]["message"]
    assert run["error"]["error"]["target"] == "summarize"


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (
            job_body(inputs={"transactions": {"jobInputType": "uri_file", "uri": TRANSACTIONS + "x"}}),
            "there is no file",
        ),
        (job_body(output="azureml://datastores/workspacefilestore/paths/x/"), "outputs cannot go to"),
    ],
)
async def test_data_that_are_not_there_fail_the_job(
    arm: httpx.AsyncClient, data_plane: httpx.AsyncClient, body: dict[str, Any], message: str
) -> None:
    await arm.put(f"{JOBS}/run-1", json=body)

    assert await until(arm, "run-1") == "Failed"
    run = (await data_plane.post(HISTORY, json={"runId": "run-1"})).json()["runMetadata"]
    assert message in run["error"]["error"]["message"]


async def test_run_history_wants_a_token_of_its_own(arm: httpx.AsyncClient) -> None:
    answer = await arm.post(HISTORY, json={"runId": "run-1"})

    assert answer.status_code == 401


async def test_cancel_is_202_until_the_job_is_canceled(arm: httpx.AsyncClient, simulator: Simulator) -> None:
    simulator.jobs.runner.progression = Progression(queued=60, cancel_requested=1)
    await arm.put(f"{JOBS}/run-1", json=job_body())
    await until(arm, "run-1", "Queued")

    answer = await arm.post(f"{JOBS}/run-1/cancel")
    again = await arm.post(f"{JOBS}/run-1/cancel")
    meanwhile = await status_of(arm, "run-1")
    poll = await arm.get(answer.headers["location"])
    last = await until(arm, "run-1")

    assert (answer.status_code, again.status_code, meanwhile, poll.status_code) == (202, 202, "CancelRequested", 202)
    assert last == "Canceled"
    assert (await arm.get(answer.headers["location"])).status_code == 200
    assert (await arm.post(f"{JOBS}/run-1/cancel")).status_code == 200


async def test_cancel_kills_the_step_s_process(
    arm: httpx.AsyncClient, simulator: Simulator, tmp_path: Any, storage: MemoryStorage
) -> None:
    script = tmp_path / "sleep"
    script.write_text(f"#!/bin/sh\necho $$ > {tmp_path}/pid\nexec sleep 60\n")
    script.chmod(0o755)
    simulator.jobs.runner.python = str(script)
    await arm.put(f"{JOBS}/run-1", json=job_body())
    async with asyncio.timeout(10):
        while not (tmp_path / "pid").exists() or not (tmp_path / "pid").read_text():  # noqa: ASYNC110
            await asyncio.sleep(0.01)

    await arm.post(f"{JOBS}/run-1/cancel")

    assert await until(arm, "run-1") == "Canceled"
    with pytest.raises(ProcessLookupError):
        os.kill(int((tmp_path / "pid").read_text()), 0)


async def test_a_job_that_is_over_can_be_deleted_and_no_other(arm: httpx.AsyncClient, simulator: Simulator) -> None:
    simulator.jobs.runner.progression = Progression(manual=True)
    await arm.put(f"{JOBS}/run-1", json=job_body())
    refused = await arm.delete(f"{JOBS}/run-1")
    await arm.post(f"{JOBS}/run-1/cancel")
    await until(arm, "run-1")

    assert refused.status_code == 409
    assert [(await arm.delete(f"{JOBS}/run-1")).status_code for _ in range(2)] == [200, 204]


async def test_jobs_are_listed_by_tag_the_newest_first(arm: httpx.AsyncClient) -> None:
    for name in ("run-1", "run-2"):
        await arm.put(f"{JOBS}/{name}", json=job_body())

    found = [(await arm.get(JOBS, params={"tag": tag})).json()["value"] for tag in ("workflow", "workflow=other")]

    assert [[job["name"] for job in page] for page in found] == [["run-2", "run-1"], []]


async def test_a_planned_failure_says_what_it_was_told(
    arm: httpx.AsyncClient, data_plane: httpx.AsyncClient, simulator: Simulator
) -> None:
    plan(simulator, fault="fail", message="the cluster is on fire", jobs=1)
    for name in ("run-1", "run-2"):
        await arm.put(f"{JOBS}/{name}", json=job_body())

    assert [await until(arm, name) for name in ("run-1", "run-2")] == ["Failed", "Completed"]
    run = (await data_plane.post(HISTORY, json={"runId": "run-1"})).json()["runMetadata"]
    assert run["error"]["error"]["message"] == "the cluster is on fire"


async def test_a_job_can_stay_queued_until_it_is_advanced(arm: httpx.AsyncClient, simulator: Simulator) -> None:
    plan(simulator, fault="queuedForEver")
    await arm.put(f"{JOBS}/run-1", json=job_body())
    await until(arm, "run-1", "Queued")
    await asyncio.sleep(0.1)
    still = await status_of(arm, "run-1")

    await arm.post("/control/jobs/run-1/advance")

    assert still == "Queued"
    assert await until(arm, "run-1") == "Completed"


async def test_in_manual_progression_each_status_waits_to_be_advanced(
    arm: httpx.AsyncClient, simulator: Simulator
) -> None:
    plan(simulator, files={"a.csv": "customer_id\n"})
    await arm.patch("/control/jobs", json={"progression": {"manual": True}})
    await arm.put(f"{JOBS}/run-1", json=job_body())

    seen = []
    for status in ("NotStarted", "Preparing", "Queued", "Running", "Finalizing"):
        seen.append(await until(arm, "run-1", status))
        await arm.post("/control/jobs/run-1/advance")

    assert seen == ["NotStarted", "Preparing", "Queued", "Running", "Finalizing"]
    assert await until(arm, "run-1") == "Completed"


async def test_a_job_can_stop_responding_and_recover(arm: httpx.AsyncClient, simulator: Simulator) -> None:
    plan(simulator, fault="notResponding", seconds=0.1)
    await arm.put(f"{JOBS}/run-1", json=job_body())

    assert await until(arm, "run-1") == "Completed"
    [job] = (await arm.get("/control/jobs")).json()["value"]
    assert [entry["status"] for entry in job["timeline"]][3:6] == ["Running", "NotResponding", "Running"]


async def test_a_job_can_complete_without_output(
    arm: httpx.AsyncClient, simulator: Simulator, storage: MemoryStorage
) -> None:
    plan(simulator, fault="noOutput")
    await arm.put(f"{JOBS}/run-1", json=job_body())

    assert await until(arm, "run-1") == "Completed"
    assert [container for container, _ in storage.blobs] == ["azureml-blobstore"]


async def test_a_plan_can_bring_its_own_files(
    arm: httpx.AsyncClient, simulator: Simulator, storage: MemoryStorage
) -> None:
    plan(simulator, files={"part-0.csv": "customer_id\n1\n", "part-1.csv": "customer_id\n2\n"}, name="run-")
    await arm.put(f"{JOBS}/run-1", json=job_body())

    assert await until(arm, "run-1") == "Completed"
    assert storage.blobs["lake", "out/1/part-1.csv"] == b"customer_id\n2\n"


async def test_an_inline_pipeline_with_the_component_as_a_node_runs(
    arm: httpx.AsyncClient, storage: MemoryStorage
) -> None:
    body = job_body()
    node = {
        "name": "n",
        "type": "pipeline",
        "componentId": body["properties"].pop("componentId"),
        "inputs": {"transactions": {"value": "${{parent.inputs.data}}", "job_input_type": "literal"}},
        "outputs": {"scores": {"value": "${{parent.outputs.scores}}", "type": "literal"}},
    }
    data = {"jobInputType": "uri_file", "uri": TRANSACTIONS}
    body["properties"] |= {"jobs": {"n": node}, "inputs": {"data": data}}
    await arm.put(f"{JOBS}/run-1", json=body)

    assert await until(arm, "run-1") == "Completed"
    assert ("lake", "out/1/customer_value.csv") in storage.blobs
