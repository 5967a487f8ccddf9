"""Does the model answer right through Microsoft's inference server, and refuse what it cannot score?"""

import json
import signal
import socket
import subprocess
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx
import pytest

from samples.language.documents import documents
from simulator.app import Simulator, create_app
from simulator.scoring.model import InferenceServer
from tests.support.ports import free_port

ROOT = Path(__file__).resolve().parents[2]
PYTHON = ROOT / ".venv-scoring" / "bin" / "python"
START_SECONDS = 60


def start_server(port: int) -> subprocess.Popen[bytes]:
    command = [str(PYTHON), str(ROOT / "samples/language/serve.py"), "--port", str(port)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)


def wait_until_healthy(process: subprocess.Popen[bytes], url: str) -> None:
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline and process.poll() is None:
        try:
            if httpx.get(url).status_code == 200:
                return
        except httpx.TransportError:
            time.sleep(0.05)
    process.kill()
    pytest.fail(f"the inference server did not start: {process.communicate()[0].decode()}")


@pytest.fixture(scope="module")
def server() -> Iterator[httpx.Client]:
    port = free_port()
    with start_server(port) as process, httpx.Client(base_url=f"http://127.0.0.1:{port}") as client:
        wait_until_healthy(process, f"http://127.0.0.1:{port}/")
        yield client
        process.terminate()


def score(server: httpx.Client, body: str | bytes) -> httpx.Response:
    return server.post("/score", content=body, headers={"content-type": "application/json"})


def test_the_answer_is_a_json_object_with_the_language(server: httpx.Client) -> None:
    answer = score(server, json.dumps({"text": "Este es un contrato entre dos personas"}))

    assert answer.status_code == 200
    assert answer.headers["content-type"] == "application/json"
    assert answer.headers["x-ms-server-version"] == "azmlinfsrv/1.5.1"
    assert answer.json().keys() == {"detected_language_code", "confidence"}
    assert answer.json()["detected_language_code"] == "es"
    assert 0 < answer.json()["confidence"] <= 1


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ({}, "text is missing"),
        ({"texts": "a"}, "text is missing"),
        ({"text": None}, "text must be a string, not null"),
        ({"text": 42}, "text must be a string, not a number"),
        ({"text": True}, "text must be a string, not a boolean"),
        ({"text": ["a"]}, "text must be a string, not an array"),
        ({"text": {"a": 1}}, "text must be a string, not an object"),
        ({"text": " \n "}, "text is empty"),
        ([{"text": "a"}], "the body must be a JSON object with a text, not an array"),
        ("text", "the body must be a JSON object with a text, not a string"),
    ],
)
def test_bad_input_is_a_400_that_says_why(server: httpx.Client, body: Any, message: str) -> None:
    answer = score(server, json.dumps(body))

    assert answer.status_code == 400
    assert answer.headers["content-type"] == "application/json"
    assert answer.json() == {"message": message}


@pytest.mark.parametrize("body", [b"", b"{", b"\xff\xfe"])
def test_a_body_that_is_not_json_is_a_400(server: httpx.Client, body: bytes) -> None:
    answer = score(server, body)

    assert answer.status_code == 400
    assert answer.json()["message"]


def test_of_109_languages_all_but_bosnian_are_named_right(server: httpx.Client) -> None:
    declarations = documents()

    with ThreadPoolExecutor(8) as pool:
        answers = pool.map(lambda document: score(server, json.dumps({"text": document.content})), declarations)
        detected = [answer.json()["detected_language_code"] for answer in answers]

    errors = {
        document.language: code
        for document, code in zip(declarations, detected, strict=True)
        if code != document.language
    }
    assert len(declarations) == 109
    assert errors == {"bs": "hr"}


async def test_through_a_managed_endpoint_the_model_s_own_refusal_is_a_424(server: httpx.Client) -> None:
    model = InferenceServer(str(server.base_url.join("/score")))
    simulator = Simulator(model=model)
    key = simulator.workspace.online_endpoints["language-key"].primary_key
    transport = httpx.ASGITransport(create_app(simulator))

    async with httpx.AsyncClient(transport=transport, base_url="http://simulator") as client:
        client.headers["authorization"] = f"Bearer {key}"
        good = await client.post("/endpoints/language-key/score", json={"text": "Guten Tag, wie geht es?"})
        bad = await client.post("/endpoints/language-key/score", json={"text": ""})
    await model.close()

    assert good.json()["detected_language_code"] == "de"
    assert good.headers["x-ms-server-version"] == "azmlinfsrv/1.5.1"
    assert bad.status_code == 424
    assert bad.headers["ms-azureml-model-error-statuscode"] == "400"
    assert bad.json() == {"message": "text is empty"}


def test_every_document_has_a_language_the_model_can_name() -> None:
    names = "from py3langid.langid import *; print(*LanguageIdentifier.from_model_file(MODEL_FILE).labels)"

    labels = subprocess.run([PYTHON, "-c", names], capture_output=True, check=True, text=True).stdout.split()

    assert {document.language for document in documents()} <= set(labels)


def test_the_server_listens_on_loopback_only_and_stops_cleanly() -> None:
    port = free_port()
    with start_server(port) as process:
        wait_until_healthy(process, f"http://127.0.0.1:{port}/")
        with socket.socket() as other_address:
            refused = other_address.connect_ex(("127.0.0.2", port))
        score_once = httpx.post(f"http://127.0.0.1:{port}/score", json={"text": "hello"})
        process.send_signal(signal.SIGTERM)
        output = process.communicate(timeout=60)[0].decode()

    assert refused != 0
    assert score_once.status_code == 200
    assert process.returncode == 0
    assert "POST" not in output
