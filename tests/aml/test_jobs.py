"""A run is one job, whatever gets lost on the way; why it failed; and where the tokens never go."""

import json
from collections.abc import AsyncIterator, Awaitable
from typing import Any

import httpx
import pytest

from shared.errors import BridgeError, NotFound, WorkspaceForbidden, WorkspaceRefused, WorkspaceUnavailable
from shared.workflows.workspaces import Job, JobFailure
from tests.aml.fakes import MACHINE_LEARNING, MANAGEMENT, FakeIdentity
from tests.aml.workspace import FORBIDDEN, WORKSPACE, Machinery, Simulated, machinery
from tests.simulator.jobs import job_body

RUN = "brg-churn-20261121T060000-abc123"
BODY = job_body(inputs={"transactions": {"jobInputType": "uri_file", "uri": "azureml://datastores/lake/paths/in.csv"}})
REGION = "https://westeurope.api.azureml.ms"


async def failed(attempt: Awaitable[object]) -> BridgeError:
    with pytest.raises(BridgeError) as raised:
        await attempt
    return raised.value


@pytest.fixture
async def simulated() -> AsyncIterator[Simulated]:
    """Its jobs stay in the queue until they are told otherwise."""
    simulated = Simulated()
    simulated.plan(fault="queuedForEver", jobs=5)
    yield simulated
    await simulated.simulator.jobs.forget()


# Submission


async def test_job_is_submitted_and_found(simulated: Simulated) -> None:
    assert await simulated.jobs.find(WORKSPACE, RUN) is None

    job = await simulated.jobs.submit(WORKSPACE, RUN, BODY)

    assert job.name == RUN
    assert job.studio_url is not None
    assert job.studio_url.startswith(f"https://ml.azure.com/runs/{RUN}")
    found = await simulated.jobs.find(WORKSPACE, RUN)
    assert found is not None
    assert (found.name, found.studio_url) == (job.name, job.studio_url)


async def test_submission_carries_both_tokens(simulated: Simulated) -> None:
    await simulated.jobs.submit(WORKSPACE, RUN, BODY)

    (put,) = [request for request in simulated.recorded.requests if request.method == "PUT"]
    tokens = simulated.simulator.tokens
    tokens.check(put.headers["x-azureml-token"], MACHINE_LEARNING)
    tokens.check(put.headers["authorization"].removeprefix("Bearer "), MANAGEMENT)
    assert put.headers["content-type"] == "application/json"
    assert json.loads(put.content) == BODY


async def test_submission_again_finds_the_job(simulated: Simulated) -> None:
    await simulated.jobs.submit(WORKSPACE, RUN, BODY)
    await simulated.jobs.submit(WORKSPACE, RUN, BODY)

    assert simulated.started == 1
    assert simulated.recorded.asked("PUT", RUN) == 1


@pytest.mark.parametrize(("drop", "started"), [("after", 1), ("before", 0)])
async def test_a_lost_answer_is_made_up_for(simulated: Simulated, drop: str, started: int) -> None:
    simulated.fault(method="PUT", path="/jobs/", drop=drop)

    error = await failed(simulated.jobs.submit(WORKSPACE, RUN, BODY))

    assert isinstance(error, WorkspaceUnavailable)
    found = await simulated.jobs.find(WORKSPACE, RUN)
    assert (found is not None) is bool(started)
    assert (await simulated.jobs.submit(WORKSPACE, RUN, BODY)).name == RUN
    assert simulated.started == 1
    assert simulated.recorded.asked("PUT", RUN) == 2 - started


async def test_throttled_submission_may_pass(simulated: Simulated) -> None:
    simulated.fault(method="PUT", status=429, retryAfter=9)

    error = await failed(simulated.jobs.submit(WORKSPACE, RUN, BODY))

    assert (error.retryable, error.retry_after) == (True, 9)
    assert simulated.started == 0


async def test_a_body_that_azure_does_not_take_fails_at_once(simulated: Simulated) -> None:
    body = job_body(inputs={"nonsense": {"jobInputType": "literal", "value": "1"}})

    error = await failed(simulated.jobs.submit(WORKSPACE, RUN, body))

    assert isinstance(error, WorkspaceRefused)
    assert "has no input nonsense" in error.message


async def test_submission_without_the_right(simulated: Simulated) -> None:
    error = await failed(simulated.jobs.submit(FORBIDDEN, RUN, BODY))

    assert isinstance(error, WorkspaceForbidden)
    assert "Microsoft.MachineLearningServices/workspaces/jobs/write" in error.message


async def test_another_process_was_quicker() -> None:
    answers = iter([httpx.Response(404), httpx.Response(409, json={}), httpx.Response(200, json=job_json("Running"))])
    on = machinery(lambda _: next(answers))

    assert await on.jobs.submit(WORKSPACE, RUN, BODY) == Job(RUN, "Running", studio_url=None)


async def test_a_refused_token_of_either_kind_is_renewed() -> None:
    seen: list[tuple[str, str | None]] = []

    def respond(request: httpx.Request) -> httpx.Response:
        if request.method == "GET":
            return httpx.Response(404)
        seen.append((request.headers["authorization"], request.headers["x-azureml-token"]))
        return httpx.Response(401) if len(seen) == 1 else httpx.Response(201, json=job_json("NotStarted"))

    await machinery(respond).jobs.submit(WORKSPACE, RUN, BODY)

    assert seen == [(f"Bearer {MANAGEMENT}#{n}", f"{MACHINE_LEARNING}#{n}") for n in (1, 2)]


@pytest.mark.parametrize("name", ["", "..", "a/b", "a?b", "-a", "a" * 256, "ü"])
async def test_a_name_that_no_job_has_is_not_sent(name: str) -> None:
    on = machinery(lambda request: pytest.fail(f"asked for {request.url}"))

    assert await on.jobs.find(WORKSPACE, name) is None
    assert isinstance(await failed(on.jobs.submit(WORKSPACE, name, BODY)), WorkspaceRefused)
    assert isinstance(await failed(on.jobs.cancel(WORKSPACE, name)), NotFound)


@pytest.mark.parametrize(
    ("services", "studio_url"),
    [(None, None), ({}, None), ({"Studio": None}, None), ({"Studio": {"endpoint": "https://s"}}, "https://s")],
)
async def test_link_to_the_studio(services: Any, studio_url: str | None) -> None:
    on = machinery(lambda _: httpx.Response(200, json=job_json("Running", services=services)))

    assert await on.jobs.find(WORKSPACE, RUN) == Job(RUN, "Running", studio_url=studio_url)


def job_json(status: str, **properties: Any) -> dict[str, Any]:
    return {"id": f"{WORKSPACE.path}/jobs/{RUN}", "name": RUN, "properties": {"status": status, **properties}}


# Cancellation


async def test_cancellation_again_and_again(simulated: Simulated) -> None:
    await simulated.jobs.submit(WORKSPACE, RUN, BODY)

    await simulated.jobs.cancel(WORKSPACE, RUN)
    await simulated.jobs.cancel(WORKSPACE, RUN)

    assert (await simulated.until(RUN, "Canceled")).status == "Canceled"
    await simulated.jobs.cancel(WORKSPACE, RUN)


async def test_cancellation_of_a_job_that_is_not_there(simulated: Simulated) -> None:
    assert isinstance(await failed(simulated.jobs.cancel(WORKSPACE, RUN)), NotFound)


@pytest.mark.parametrize(("status", "is_fine"), [("Completed", True), ("Canceled", True), ("Running", False)])
async def test_cancellation_refused_is_fine_for_a_job_that_is_over(status: str, is_fine: bool) -> None:
    on = machinery(
        lambda request: (
            httpx.Response(400, json={}) if request.method == "POST" else httpx.Response(200, json=job_json(status))
        )
    )

    if is_fine:
        await on.jobs.cancel(WORKSPACE, RUN)
    else:
        assert isinstance(await failed(on.jobs.cancel(WORKSPACE, RUN)), WorkspaceRefused)


async def test_cancellation_whose_answer_is_lost_may_be_repeated(simulated: Simulated) -> None:
    await simulated.jobs.submit(WORKSPACE, RUN, BODY)
    simulated.fault(path="/cancel", drop="after")

    assert (await failed(simulated.jobs.cancel(WORKSPACE, RUN))).retryable
    await simulated.jobs.cancel(WORKSPACE, RUN)

    assert (await simulated.until(RUN, "Canceled")).status == "Canceled"


# Why it failed


async def test_the_reason_of_a_failure() -> None:
    simulated = Simulated()
    simulated.plan(fault="fail", message="The column date is missing.")
    await simulated.jobs.submit(WORKSPACE, RUN, BODY)

    job = await simulated.until(RUN)
    reason = await simulated.jobs.failure(WORKSPACE, RUN)

    await simulated.simulator.jobs.forget()
    assert job.status == "Failed"
    assert reason == JobFailure("UserError", "The column date is missing.")


async def test_a_job_without_failure_has_no_reason(simulated: Simulated) -> None:
    await simulated.jobs.submit(WORKSPACE, RUN, BODY)

    assert await simulated.jobs.failure(WORKSPACE, RUN) is None
    assert await simulated.jobs.failure(WORKSPACE, "another") is None


def region(
    asked: list[httpx.Request],
    *,
    discovery_url: str = f"{REGION}/discovery",
    discovered: Any = None,
    history: httpx.Response | None = None,
) -> Machinery:
    """A workspace, its region's discovery, and run history."""

    def respond(request: httpx.Request) -> httpx.Response:
        asked.append(request)
        if request.url.path.endswith("/rundata"):
            return history or httpx.Response(200, json=run_json({"code": "UserError", "message": "m", "details": []}))
        if request.url.path.endswith("/discovery"):
            return httpx.Response(200, json={"api": REGION} if discovered is None else discovered)
        return httpx.Response(200, json={"id": WORKSPACE.path, "properties": {"discoveryUrl": discovery_url}})

    return machinery(respond, FakeIdentity())


def run_json(error: Any) -> dict[str, Any]:
    return {"runMetadata": {"runId": RUN, "error": error and {"error": error}}}


async def test_run_history_is_asked_with_its_own_token() -> None:
    asked: list[httpx.Request] = []
    on = region(asked)

    assert await on.jobs.failure(WORKSPACE, RUN) == JobFailure("UserError", "m")

    _, discovery, history = asked
    assert "authorization" not in discovery.headers
    assert str(history.url) == f"{REGION}/history/v1.0{WORKSPACE.path}/rundata"
    assert history.headers["authorization"] == f"Bearer {MACHINE_LEARNING}#1"
    assert json.loads(history.content) == {"runId": RUN, "selectRunMetadata": True}


async def test_the_regions_address_is_asked_for_once() -> None:
    asked: list[httpx.Request] = []
    on = region(asked)

    await on.jobs.failure(WORKSPACE, RUN)
    await on.jobs.failure(WORKSPACE, RUN)

    assert [request.url.path.rpartition("/")[2] for request in asked] == ["bridge", "discovery", "rundata", "rundata"]


async def test_the_older_hosts_of_run_history_are_passed_over() -> None:
    asked: list[httpx.Request] = []
    discovered = {"history": "https://westeurope.experiments.azureml.net", "api": REGION}

    assert await region(asked, discovered=discovered).jobs.failure(WORKSPACE, RUN) is not None
    assert asked[-1].url.host == "westeurope.api.azureml.ms"


@pytest.mark.parametrize(
    "address",
    [
        "https://evil.example",
        "https://api.azureml.ms.evil.example",
        "https://evilapi.azureml.ms",
        "https://westeurope.api.azureml.ms@evil.example",
        "http://westeurope.api.azureml.ms",
        "http://127.0.0.1:7072",
        "",
        "nonsense",
    ],
)
async def test_the_token_for_run_history_goes_to_no_other_host(address: str) -> None:
    asked: list[httpx.Request] = []

    assert await region(asked, discovered={"api": address, "history": address}).jobs.failure(WORKSPACE, RUN) is None
    assert await region(asked, discovery_url=f"{address}/discovery").jobs.failure(WORKSPACE, RUN) is None

    assert {request.url.host for request in asked} == {"management.azure.com", "westeurope.api.azureml.ms"}
    assert not [request for request in asked if MACHINE_LEARNING in request.headers.get("authorization", "")]


@pytest.mark.parametrize(
    "history",
    [
        httpx.Response(403, json={}),
        httpx.Response(404, json={}),
        httpx.Response(503),
        httpx.Response(200, content=b"no"),
        httpx.Response(200, json=run_json(None)),
        httpx.Response(200, json={"runMetadata": None}),
    ],
)
async def test_without_run_history_there_is_no_reason(history: httpx.Response) -> None:
    assert await region([], history=history).jobs.failure(WORKSPACE, RUN) is None


async def test_a_detail_that_repeats_the_message_is_not_told_twice() -> None:
    error = {
        "code": "UserError",
        "message": "no such column",
        "details": [{"message": "no such column"}, {"message": "b"}],
    }

    reason = await region([], history=httpx.Response(200, json=run_json(error))).jobs.failure(WORKSPACE, RUN)

    assert reason is not None
    assert (reason.message, reason.details) == ("no such column", ("b",))


async def test_a_reason_is_short_and_holds_no_token() -> None:
    details = [{"message": "x " * 5_000}] * 50
    error = {"code": None, "message": f"failed\nwith eyJ{'a' * 500} {'y ' * 5_000}", "details": details}

    reason = await region([], history=httpx.Response(200, json=run_json(error))).jobs.failure(WORKSPACE, RUN)

    assert reason is not None
    assert reason.code == "JobFailed"
    assert "aaaa" not in reason.message
    assert len(reason.message) <= 2_000
    assert len(reason.details) == 10
    assert all(len(detail) <= 500 for detail in reason.details)
