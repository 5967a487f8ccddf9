"""A batch endpoint's job: its name is the service's, and yet a run is one job."""

import json
from collections.abc import AsyncIterator, Awaitable
from typing import Any

import httpx
import pytest

from shared.aml.batch import BatchJobs
from shared.errors import BridgeError, WorkspaceRefused, WorkspaceUnavailable
from shared.workflows.workspaces import BatchDeployment, PipelineJobs
from tests.aml.fakes import MACHINE_LEARNING, MANAGEMENT
from tests.aml.workspace import WORKSPACE, Simulated, machinery

RUN = "brg-churn-20261121T060000-abc123"
SCORING_URI = "https://churn.westeurope.inference.ml.azure.com/jobs"


def body(run: str = RUN) -> dict[str, Any]:
    given = {"JobInputType": "UriFile", "Uri": "azureml://datastores/lake/paths/in.csv"}
    uri = f"{WORKSPACE.path}/datastores/workspaceblobstore/paths/out/{run}/"
    output = {"JobOutputType": "UriFolder", "Uri": uri}
    return {
        "properties": {
            "InputData": {"transactions": given},
            "OutputData": {"scores": output},
            "properties": {"experimentName": "aml-bridge", "displayName": run},
        }
    }


def deployment(scoring_uri: str = SCORING_URI, *, is_default: bool = True) -> BatchDeployment:
    return BatchDeployment("churn", "v2", is_default, scoring_uri, f"{WORKSPACE.path}/components/churn/versions/2")


async def failed(attempt: Awaitable[object]) -> BridgeError:
    with pytest.raises(BridgeError) as raised:
        await attempt
    return raised.value


@pytest.fixture
async def simulated() -> AsyncIterator[Simulated]:
    simulated = Simulated()
    simulated.plan(fault="queuedForEver", jobs=50)
    yield simulated
    await simulated.simulator.jobs.forget()


@pytest.fixture
async def jobs(simulated: Simulated) -> BatchJobs:
    _, newest = await simulated.workspaces.batch_deployments(WORKSPACE)
    return simulated.batch(newest)


async def test_both_providers_are_one_port(simulated: Simulated, jobs: BatchJobs) -> None:
    providers: list[PipelineJobs] = [simulated.jobs, jobs]

    assert [await provider.find(WORKSPACE, RUN) for provider in providers] == [None, None]


async def test_job_is_begun_and_found_by_its_name_and_by_the_run(simulated: Simulated, jobs: BatchJobs) -> None:
    assert await jobs.find(WORKSPACE, RUN) is None

    job = await jobs.submit(WORKSPACE, RUN, body())

    assert job.name.startswith("batchjob-")
    assert job.studio_url is not None
    for name in (job.name, RUN):
        found = await jobs.find(WORKSPACE, name)
        assert found is not None
        assert found.name == job.name


async def test_submission_again_finds_the_job(simulated: Simulated, jobs: BatchJobs) -> None:
    first = await jobs.submit(WORKSPACE, RUN, body())

    assert (await jobs.submit(WORKSPACE, RUN, body())).name == first.name
    assert simulated.started == 1


async def test_another_run_is_another_job(simulated: Simulated, jobs: BatchJobs) -> None:
    first = await jobs.submit(WORKSPACE, RUN, body())

    assert (await jobs.submit(WORKSPACE, f"{RUN}4", body(f"{RUN}4"))).name != first.name
    assert simulated.started == 2


@pytest.mark.parametrize(("drop", "started"), [("after", 1), ("before", 0)])
async def test_a_lost_answer_is_made_up_for(simulated: Simulated, jobs: BatchJobs, drop: str, started: int) -> None:
    simulated.fault(method="POST", path="/batch/", drop=drop)

    error = await failed(jobs.submit(WORKSPACE, RUN, body()))

    assert isinstance(error, WorkspaceUnavailable)
    assert simulated.started == started
    await jobs.submit(WORKSPACE, RUN, body())
    assert simulated.started == 1


async def test_cancellation(simulated: Simulated, jobs: BatchJobs) -> None:
    job = await jobs.submit(WORKSPACE, RUN, body())

    await jobs.cancel(WORKSPACE, job.name)
    await jobs.cancel(WORKSPACE, job.name)

    assert (await simulated.until(job.name, "Canceled")).status == "Canceled"
    assert await jobs.failure(WORKSPACE, job.name) is None


@pytest.mark.parametrize(("is_default", "pinned"), [(True, None), (False, "v2")])
async def test_invocation(is_default: bool, pinned: str | None) -> None:
    asked: list[httpx.Request] = []

    def respond(request: httpx.Request) -> httpx.Response:
        asked.append(request)
        if request.method == "POST":
            return httpx.Response(200, json={"id": "/x/jobs/batchjob-1", "properties": {"status": "NotStarted"}})
        return httpx.Response(200, json={"value": []}) if "/subscriptions/" in request.url.path else httpx.Response(404)

    on = machinery(respond)
    jobs = on.batch(deployment(is_default=is_default))

    assert (await jobs.submit(WORKSPACE, RUN, body())).name == "batchjob-1"
    await jobs.submit(WORKSPACE, RUN, body())

    invocation, again = (request for request in asked if request.method == "POST")
    assert str(invocation.url) == SCORING_URI
    assert invocation.headers["authorization"] == f"Bearer {MACHINE_LEARNING}#1"
    assert invocation.headers.get("azureml-model-deployment") == pinned
    assert json.loads(invocation.content) == body()
    assert invocation.headers["repeatability_request-id"] == again.headers["repeatability_request-id"]
    by_host = {(request.url.host, request.headers["authorization"]) for request in asked}
    assert by_host == {
        ("churn.westeurope.inference.ml.azure.com", f"Bearer {MACHINE_LEARNING}#1"),
        ("management.azure.com", f"Bearer {MANAGEMENT}#1"),
    }


@pytest.mark.parametrize(
    "uri",
    [
        "https://evil.example/jobs",
        "https://evilinference.ml.azure.com/jobs",
        "https://churn.inference.ml.azure.com@evil.example/jobs",
        "http://churn.westeurope.inference.ml.azure.com/jobs",
        "http://127.0.0.1:7072/batch/churn/jobs",
        "",
    ],
)
async def test_the_token_goes_to_no_other_host(uri: str) -> None:
    jobs = machinery(lambda request: pytest.fail(f"asked for {request.url}")).batch(deployment(uri))

    for error in (await failed(jobs.find(WORKSPACE, RUN)), await failed(jobs.submit(WORKSPACE, RUN, body()))):
        assert isinstance(error, WorkspaceRefused)
        assert not error.retryable


@pytest.mark.parametrize("status", [429, 503])
async def test_a_busy_endpoint_may_pass(status: int) -> None:
    respond = httpx.Response(status, headers={"Retry-After": "7"})

    error = await failed(machinery(lambda _: respond).batch(deployment()).submit(WORKSPACE, RUN, body()))

    assert (error.retryable, error.retry_after) == (True, 7)
    assert "the batch endpoint churn" in error.message
