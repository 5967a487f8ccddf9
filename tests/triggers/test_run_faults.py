"""Every way to start a pipeline, and what Azure ML may do meanwhile: a run gets through, with one job, or says why not."""

from collections.abc import Iterator, Mapping
from typing import Any

import pytest

from tests.devhost.running import eventually
from tests.support.workshop import SCORES, Workshop, run_in
from tests.triggers.test_skills import error_of

CALLS: Mapping[str, dict[str, Any]] = {
    "throttled": {"status": 429, "retryAfter": 2, "method": "PUT"},
    "unavailable": {"status": 503, "method": "PUT"},
    "unsent": {"drop": "before", "method": "PUT"},
    "unanswered": {"drop": "after", "method": "PUT"},
    "unseen": {"status": 500, "method": "GET"},
}
PLANNED = ("component-version-1", "component-latest")
"""Their jobs write a file at once; the others' run the sample's steps."""
BATCH = "unanswered-batch"


@pytest.fixture(scope="module")
def troubled(workshop: Workshop) -> Iterator[Mapping[str, str]]:
    """By trouble: its run."""
    faults = [{"calls": 1, "path": f"/jobs/brg-{name}-", **fault} for name, fault in CALLS.items()]
    faults.append({"calls": 1, "method": "POST", "path": "/batch/customer-value/jobs", "drop": "after"})
    workshop.fault(*faults)
    runs = {name: workshop.start(name, {"scores.csv": SCORES}) for name in CALLS}
    runs[BATCH] = workshop.start(BATCH, provider="batchEndpoint", pipeline="customer-value")
    yield runs
    workshop.fault()


@pytest.fixture(scope="module")
def throttled(workshop: Workshop, troubled: Mapping[str, str]) -> dict[str, Any]:
    """A run while its workspace refuses the call."""
    [run] = eventually(lambda: [run for run in [workshop.run(troubled["throttled"])] if "retrying" in run])
    return run


# The providers


PROVIDERS: Mapping[str, dict[str, Any]] = {
    "component-output": {"pipeline": "customer_value"},
    "component-version-1": {"pipeline": "customer_value:1"},
    "component-latest": {"pipeline": "customer_value@latest"},
    "component-parameters": {"pipeline": "customer_value_parameters"},
    "batch-endpoint": {"provider": "batchEndpoint", "pipeline": "customer-value"},
}


@pytest.fixture(scope="module")
def provided(workshop: Workshop, throttled: Mapping[str, Any]) -> Mapping[str, dict[str, Any]]:
    """By provider: its run. Those in trouble wait longer, so they are begun before."""
    files = {name: {"scores.csv": SCORES} for name in PLANNED}
    started = {name: workshop.start(name, files.get(name), **members) for name, members in PROVIDERS.items()}
    return {name: workshop.wait_for(run) for name, run in started.items()}


@pytest.mark.parametrize("name", PROVIDERS)
def test_whatever_starts_the_pipeline_its_rows_arrive(
    workshop: Workshop, provided: Mapping[str, dict[str, Any]], name: str
) -> None:
    run = provided[name]

    assert run["status"] == "succeeded", run
    assert run["job"]["status"] == "Completed"
    assert {row["CustomerId"] for row in workshop.rows(name)} == {"00001", "00002"}


def test_a_batch_endpoint_names_the_job_itself_and_the_run_tells_it(
    provided: Mapping[str, dict[str, Any]],
) -> None:
    run = provided["batch-endpoint"]

    assert run["job"]["name"] != run["id"]
    assert run["id"] in run["output"]["path"]


def test_parameters_tell_the_pipeline_datastore_and_path_with_the_files_name(
    workshop: Workshop, provided: Mapping[str, dict[str, Any]]
) -> None:
    [job] = workshop.jobs("component-parameters")

    given = {name: value.get("value") for name, value in job["inputs"].items()}
    assert given["output_datastore"] == "workspaceblobstore"
    assert given["output_path"] == provided["component-parameters"]["output"]["path"]
    assert given["output_path"].endswith(".csv")


# What may happen to a call


def test_a_step_that_fails_for_now_is_told_with_when_it_is_tried_again(throttled: Mapping[str, Any]) -> None:
    assert throttled["status"] == "queued"
    assert throttled["retrying"]["attempts"] == 1
    assert throttled["retrying"]["nextAt"] > throttled["retrying"]["since"]
    assert "throttles" in throttled["retrying"]["message"]


@pytest.mark.parametrize("name", CALLS)
def test_whatever_happened_to_the_call_there_is_one_job_and_the_run_succeeds(
    workshop: Workshop, troubled: Mapping[str, str], name: str
) -> None:
    run = workshop.wait_for(troubled[name], "succeeded")

    [job] = workshop.jobs(name)
    assert [entry["status"] for entry in job["timeline"]].count("Running") == 1
    assert job["name"] == run["id"]
    assert "retrying" not in run


def test_an_invocation_whose_answer_was_lost_is_found_again_and_not_sent_twice(
    workshop: Workshop, troubled: Mapping[str, str]
) -> None:
    run = workshop.wait_for(troubled[BATCH], "succeeded")

    own = [job["name"] for job in workshop.jobs() if run["id"] in str(job["outputs"])]
    assert own == [run["job"]["name"]]


# What may happen to a job


def test_a_job_that_does_not_respond_for_a_while_is_waited_for(workshop: Workshop) -> None:
    workshop.plan("silent", fault="notResponding", seconds=1, files={"scores.csv": SCORES})

    run = workshop.wait_for(workshop.start("silent"), "succeeded")

    [job] = workshop.jobs("silent")
    assert "NotResponding" in [entry["status"] for entry in job["timeline"]]
    assert run["job"]["status"] == "Completed"


def test_a_job_that_is_canceled_in_azure_ml_cancels_its_run(workshop: Workshop) -> None:
    run = workshop.occupy("stopped-there")

    workshop.cancel_job(run)

    ended = workshop.wait_for(run, "canceled")
    assert ended["timeline"][-1]["note"] == "the job was canceled in Azure Machine Learning"


def test_a_pipeline_that_is_gone_fails_the_run_and_names_it(workshop: Workshop) -> None:
    reply = workshop.save("gone", pipeline="customer_value:7")

    assert (reply.status, error_of(reply)["code"]) == (404, "NotFound")
    assert "customer_value:7" in error_of(reply)["message"]


def test_a_right_that_is_lost_fails_the_run_with_what_it_takes(workshop: Workshop) -> None:
    workshop.save("rightless")
    workshop.fault({"calls": 9, "status": 403, "method": "PUT", "path": "/jobs/brg-rightless-"})

    run = workshop.wait_for(run_in(workshop.refresh("rightless")), "failed")

    workshop.fault()
    assert run["error"]["code"] == "WorkspaceForbidden"
    assert "jobs/write" in run["error"]["message"]


def test_a_canceled_run_of_a_batch_endpoint_reaches_its_job(workshop: Workshop) -> None:
    workshop.plan_any(fault="queuedForEver")
    run = workshop.start("canceled-batch", provider="batchEndpoint", pipeline="customer-value")
    job = workshop.wait_for(run, "running")["job"]["name"]

    workshop.bridge.call("POST", f"runs/{run}/cancel")

    assert workshop.wait_for(run, "canceled")["job"] == {**workshop.run(run)["job"], "name": job, "status": "Canceled"}
    assert [each["status"] for each in workshop.jobs() if each["name"] == job] == ["Canceled"]


@pytest.mark.slow
def test_a_job_that_waits_for_ever_fails_its_run_in_time_with_where_the_time_went(workshop: Workshop) -> None:
    workshop.plan("for-ever", fault="queuedForEver")
    run = workshop.start("for-ever", timeout="PT1M")

    [ended] = eventually(lambda: [each for each in [workshop.run(run)] if each["status"] == "failed"], 110)

    assert ended["error"]["code"] == "RunTimedOut"
    assert "waiting in Azure Machine Learning's queue" in ended["error"]["message"]
    assert workshop.jobs("for-ever")[0]["status"] == "Canceled"
    assert run_in(workshop.refresh("for-ever")) != run
