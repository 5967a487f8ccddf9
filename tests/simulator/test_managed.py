"""Does a managed endpoint let in, route, forward and refuse as Azure's do?"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import httpx
import pytest

from simulator.app import Simulator, create_app
from simulator.arm.models import Deployment
from simulator.identity import MACHINE_LEARNING, MANAGEMENT
from simulator.scoring.answers import Answer
from simulator.scoring.model import InferenceServer, ModelTimeout, ModelUnreachable

SPANISH = Answer(200, b'{"detected_language_code": "es"}')
KEY, AML, AAD = "language-key", "language-aml-token", "language-aad-token"


@dataclass
class FakeModel:
    """Answers what it is given, and keeps what it was asked."""

    answer: Answer | Exception = SPANISH
    asked: list[tuple[bytes, dict[str, str], float]] = field(default_factory=list)

    async def score(self, body: bytes, headers: Mapping[str, str], seconds: float) -> Answer:
        self.asked.append((body, dict(headers), seconds))
        if isinstance(self.answer, Exception):
            raise self.answer
        return self.answer

    async def close(self) -> None:
        pass


def credential(simulator: Simulator, endpoint: str) -> str:
    held = simulator.workspace.online_endpoints[endpoint]
    if held.auth_mode == "Key":
        return held.primary_key
    audience = MACHINE_LEARNING if held.auth_mode == "AADToken" else held.audience
    return simulator.tokens.issue(audience, 60).value


async def score(
    simulator: Simulator,
    endpoint: str = KEY,
    bearer: str | None = None,
    query: str = "",
    body: Any = None,
    headers: Mapping[str, str] | None = None,
) -> httpx.Response:
    token = credential(simulator, endpoint) if bearer is None else bearer
    sent = {"authorization": f"Bearer {token}", **(headers or {})}
    transport = httpx.ASGITransport(create_app(simulator))
    async with httpx.AsyncClient(transport=transport, base_url="http://simulator") as client:
        url = f"/endpoints/{endpoint}/score{query}"
        return await client.post(url, headers=sent, json={"text": "hola"} if body is None else body)


@pytest.mark.parametrize("endpoint", [KEY, AML, AAD])
async def test_the_right_credential_is_let_in_and_the_model_answers(endpoint: str) -> None:
    model = FakeModel()

    answer = await score(Simulator(model=model), endpoint)

    assert answer.status_code == 200
    assert answer.json() == {"detected_language_code": "es"}
    assert model.asked[0][0] == b'{"text":"hola"}'


async def test_the_answer_has_the_headers_of_a_managed_endpoint() -> None:
    model = FakeModel(Answer(200, b"{}", headers={"x-ms-run-fn-exec-ms": "1.5"}))

    answer = await score(Simulator(model=model), headers={"x-request-id": "r1"})

    assert answer.headers["azureml-model-deployment"] == "blue"
    assert answer.headers["server"] == "azureml-frontdoor"
    assert answer.headers["x-request-id"] == answer.headers["x-ms-request-id"] == "r1"
    assert answer.headers["x-ms-run-fn-exec-ms"] == "1.5"


async def test_the_secondary_key_is_good_too(simulator: Simulator) -> None:
    key = simulator.workspace.online_endpoints[KEY].secondary_key

    answer = await score(simulator, bearer=key)

    assert answer.status_code == 200


@pytest.mark.parametrize("endpoint", [KEY, AML, AAD])
@pytest.mark.parametrize("wrong", ["made-up", "", "management", "key of another", "token of another"])
async def test_any_other_credential_is_401(simulator: Simulator, endpoint: str, wrong: str) -> None:
    other = simulator.tokens.issue("onlineEndpoints/another", 60).value
    bearers = {
        "management": simulator.tokens.issue(MANAGEMENT, 60).value,
        "key of another": credential(simulator, KEY if endpoint != KEY else AML),
        "token of another": other,
    }

    answer = await score(simulator, endpoint, bearers.get(wrong, wrong))

    assert answer.status_code == 401
    assert answer.headers["www-authenticate"] == "Bearer"


async def test_an_expired_token_is_401(simulator: Simulator) -> None:
    token = simulator.tokens.issue(MACHINE_LEARNING, 0).value

    answer = await score(simulator, AAD, token)

    assert answer.status_code == 401
    assert answer.json() == {"message": "the token is not good here: expired"}


async def test_an_unknown_endpoint_is_404(simulator: Simulator) -> None:
    answer = await score(simulator, "other", "x")

    assert answer.status_code == 404


@pytest.mark.parametrize(("pinned", "status"), [("blue", 200), ("BLUE", 200), ("green", 404), ("", 404)])
async def test_a_deployment_can_be_pinned(simulator: Simulator, pinned: str, status: int) -> None:
    answer = await score(simulator, headers={"azureml-model-deployment": pinned})

    assert answer.status_code == status


async def test_a_pinned_deployment_needs_no_traffic(simulator: Simulator) -> None:
    endpoint = simulator.workspace.online_endpoints[KEY]
    endpoint.deployments["green"] = Deployment("green")

    answer = await score(simulator, headers={"azureml-model-deployment": "green"})

    assert answer.headers["azureml-model-deployment"] == "green"


async def test_traffic_decides_otherwise(simulator: Simulator) -> None:
    endpoint = simulator.workspace.online_endpoints[KEY]
    endpoint.deployments["green"] = Deployment("green")
    endpoint.traffic = {"blue": 0, "green": 100}

    answer = await score(simulator)

    assert answer.headers["azureml-model-deployment"] == "green"


async def test_without_traffic_it_is_404(simulator: Simulator) -> None:
    simulator.workspace.online_endpoints[KEY].traffic = {"blue": 0}

    answer = await score(simulator)

    assert answer.status_code == 404


async def test_a_long_request_id_is_431(simulator: Simulator) -> None:
    answer = await score(simulator, headers={"x-request-id": "r" * 101})

    assert answer.status_code == 431


@pytest.mark.parametrize("status", [201, 400, 429, 500, 503])
async def test_a_model_that_answers_not_200_is_424_with_its_status(status: int) -> None:
    model = FakeModel(Answer(status, b'{"message": "text is missing"}'))

    answer = await score(Simulator(model=model))

    assert answer.status_code == 424
    assert answer.headers["ms-azureml-model-error-statuscode"] == str(status)
    assert answer.headers["ms-azureml-model-error-reason"]
    assert answer.json() == {"message": "text is missing"}


@pytest.mark.parametrize(("error", "status"), [(ModelTimeout(), 408), (ModelUnreachable("nobody there"), 503)])
async def test_a_model_that_does_not_answer(error: Exception, status: int) -> None:
    answer = await score(Simulator(model=FakeModel(error)))

    assert answer.status_code == status


async def test_the_model_gets_as_long_as_the_deployment_says() -> None:
    model = FakeModel()
    simulator = Simulator(model=model)
    simulator.workspace.online_endpoints[KEY].deployments["blue"].request_timeout = 7

    await score(simulator)

    assert model.asked[0][2] == 7


@pytest.mark.parametrize(
    ("query", "body", "status"),
    [
        ("?status=503", None, 503),
        ("", {"text": "a", "simulate": {"modelStatus": 503}}, 424),
        ("", {"text": "a", "simulate": {}}, 200),
        ("?answer=object", None, 200),
        ("?nonsense=1", None, 400),
        ("?capacity=0", None, 429),
    ],
)
async def test_a_fault_is_answered_without_the_model(query: str, body: Any, status: int) -> None:
    model = FakeModel()

    answer = await score(Simulator(model=model), query=query, body=body)

    assert answer.status_code == status
    assert answer.headers["azureml-model-deployment"] == "blue"
    assert model.asked == []


async def test_a_fault_does_not_open_the_door(simulator: Simulator) -> None:
    answer = await score(simulator, bearer="made-up", query="?status=200")

    assert answer.status_code == 401


async def test_a_call_that_the_fault_spares_reaches_the_model() -> None:
    model = FakeModel()
    simulator = Simulator(model=model)

    answers = [await score(simulator, query="?status=503&times=1") for _ in range(2)]

    assert [answer.status_code for answer in answers] == [503, 200]
    assert len(model.asked) == 1


async def test_without_a_model_it_echoes(simulator: Simulator) -> None:
    good = await score(simulator)
    bad = await score(simulator, body=[])

    assert good.json()["echo"] == {"text": "hola"}
    assert bad.status_code == 424
    assert bad.headers["ms-azureml-model-error-statuscode"] == "400"


async def test_a_real_server_behind_it_is_asked_over_http(served: str) -> None:
    """The bare endpoint of another simulator stands for the inference server."""
    model = InferenceServer(f"{served}/score/model")
    simulator = Simulator(model=model)

    good = await score(simulator, headers={"x-request-id": "through"})
    bad = await score(simulator, body=[])
    await model.close()

    assert good.json()["echo"] == {"text": "hola"}
    assert good.headers["x-request-id"] == "through"
    assert (bad.status_code, bad.headers["ms-azureml-model-error-statuscode"]) == (424, "400")


@pytest.mark.parametrize(
    ("path", "status"), [("/score?delay=5", 408), ("/score?drop=before", 503), ("/score?status=503", 424)]
)
async def test_a_real_server_that_fails(served: str, path: str, status: int) -> None:
    model = InferenceServer(served + path)
    simulator = Simulator(model=model)
    simulator.workspace.online_endpoints[KEY].deployments["blue"].request_timeout = 1

    answer = await score(simulator)
    await model.close()

    assert answer.status_code == status
