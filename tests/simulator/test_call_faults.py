"""Can a call go wrong on its way?"""

from typing import Any

import httpx
import pytest

from simulator.app import Simulator
from tests.simulator.arm import VERSION, WORKSPACE
from tests.simulator.jobs import JOBS, job_body


@pytest.mark.parametrize(
    ("fault", "status", "retry_after"),
    [
        ({"calls": 1, "status": 429, "retryAfter": 7}, 429, "7"),
        ({"calls": 1, "status": 503}, 503, None),
        ({"calls": 1, "status": 500, "method": "get", "path": "/COMPONENTS"}, 500, None),
    ],
)
async def test_the_next_calls_fail_as_told(
    arm: httpx.AsyncClient, fault: dict[str, Any], status: int, retry_after: str | None
) -> None:
    await arm.patch("/control", json={"faults": [fault]})

    answers = [await arm.get(f"{WORKSPACE}/components") for _ in range(2)]

    assert [answer.status_code for answer in answers] == [status, 200]
    assert answers[0].headers.get("retry-after") == retry_after
    assert answers[0].json()["error"]["code"]


async def test_a_fault_leaves_other_calls_alone(arm: httpx.AsyncClient) -> None:
    await arm.patch("/control", json={"faults": [{"calls": 1, "status": 503, "method": "PUT", "path": "/jobs/"}]})

    answers = [await arm.get(f"{WORKSPACE}/components"), await arm.put(f"{JOBS}/run-1", json=job_body())]

    assert [answer.status_code for answer in answers] == [200, 503]
    assert (await arm.get("/control")).json()["faults"][0]["calls"] == 0


async def test_a_refused_submission_starts_nothing(arm: httpx.AsyncClient, simulator: Simulator) -> None:
    await arm.patch("/control", json={"faults": [{"calls": 1, "status": 500}]})
    await arm.put(f"{JOBS}/run-1", json=job_body())

    assert simulator.jobs.all() == []


def test_the_answer_to_an_accepted_job_can_get_lost(served: str) -> None:
    query = {"api-version": "2019-08-01", "resource": "https://management.azure.com"}
    token = httpx.get(f"{served}/identity/token", params=query, headers={"x-identity-header": "local"}).json()
    arm = {"authorization": f"Bearer {token['access_token']}"}
    fault = {"calls": 1, "method": "PUT", "path": "/jobs/", "drop": "after"}
    httpx.patch(f"{served}/control", json={"faults": [fault]}).raise_for_status()

    with pytest.raises(httpx.RemoteProtocolError):
        httpx.put(f"{served}{JOBS}/lost{VERSION}", json=job_body(), headers=arm)
    again = httpx.put(f"{served}{JOBS}/lost{VERSION}", json=job_body(), headers=arm)

    assert again.status_code == 200
    assert httpx.get(f"{served}/control/jobs").json()["counts"] == {"submitted": 1, "repeated": 1}
