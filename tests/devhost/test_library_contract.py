"""What devhost takes from azure-functions-runtime. If this fails after an upgrade, read `devhost/worker.py` anew."""

import inspect
import json
import subprocess
import sys
from importlib.metadata import version
from typing import Any

import azure_functions_runtime as library
import pytest

from devhost.errors import StartError
from devhost.worker import LIBRARY, check_library
from tests.devhost.running import ROOT, SAMPLE, clean_env


def test_the_installed_version_is_the_one_devhost_is_made_for() -> None:
    check_library(version(LIBRARY))


@pytest.mark.parametrize("other", ["1.2.9", "1.4.0", "2.0.0", "1.30.0"])
def test_any_other_version_is_refused(other: str) -> None:
    with pytest.raises(StartError, match=other):
        check_library(other)


@pytest.mark.parametrize(
    "name",
    [
        "worker_init_request",
        "functions_metadata_request",
        "function_load_request",
        "invocation_request",
        "start_threadpool_executor",
        "stop_threadpool_executor",
        "invocation_id_cv",
    ],
)
def test_each_name_we_use_is_public(name: str) -> None:
    assert name in library.__all__
    if name.endswith("_request"):
        assert inspect.iscoroutinefunction(getattr(library, name))
        assert list(inspect.signature(getattr(library, name)).parameters) == ["request"]


@pytest.fixture(scope="module")
def shapes() -> Any:
    done = subprocess.run(
        [sys.executable, "-m", "tests.devhost.contract_probe", str(SAMPLE)],
        cwd=ROOT,
        env=clean_env({}),
        capture_output=True,
        text=True,
        timeout=30,
        check=True,
    )
    return json.loads(done.stdout.splitlines()[-1])


def test_start_needs_nothing_of_protobuf(shapes: Any) -> None:
    assert shapes["init"][:2] == ["WorkerInitResponse", 1]
    assert {"RawHttpBodyBytes", "RpcHttpBodyOnly", "RpcHttpTriggerMetadataRemoved"} <= set(shapes["init"][2])
    assert "HttpUri" not in shapes["init"][2]
    assert shapes["loaded"] == ["FunctionLoadResponse", 1]
    assert shapes["protobuf imported"] is False
    assert (shapes["script_file"], shapes["retry"]) == ("function_app.py", None)


def test_bindings_have_the_shape_that_we_read(shapes: Any) -> None:
    bindings = shapes["bindings"]

    assert subset(
        bindings["item"][0],
        {
            "type": "httpTrigger",
            "direction": "IN",
            "route": "items/{id:int?}",
            "methods": ["GET"],
            "authLevel": "ANONYMOUS",
        },
    )
    assert subset(bindings["item"][1], {"type": "http", "direction": "OUT", "name": "$return"})
    assert {"type": "queue", "direction": "OUT", "name": "msg", "queueName": "%OUT_QUEUE%"}.items() <= by_type(
        bindings["out"], "queue"
    ).items()
    assert subset(by_type(bindings["forward"], "queue"), {"name": "$return", "direction": "OUT"})
    assert subset(
        by_type(bindings["forward"], "queueTrigger"),
        {"name": "msg", "queueName": "in-q", "connection": "AzureWebJobsStorage"},
    )
    assert subset(bindings["tick"][0], {"type": "timerTrigger", "name": "timer", "schedule": "%TICK%"})
    assert subset(bindings["nightly"][0], {"runOnStartup": True})


@pytest.mark.parametrize(
    ("function", "expected"),
    [
        ("echo", {"status": 1, "returned": "http", "http": ["200", ["content-type"], "bytes"], "cookies": None}),
        ("cookies", {"status": 1, "cookies": ["a", "b"]}),
        ("text", {"status": 1, "returned": "string"}),
        ("nothing", {"status": 0, "error": "TypeError", "returned": None}),
        ("fail", {"status": 0, "error": "ValueError"}),
        ("out", {"status": 1, "outputs": [["msg", "string", '["a", "b"]']]}),
        ("outlist", {"status": 1, "outputs": [["msgs", "json", '["a","b"]']]}),
    ],
)
def test_an_invocation_answers_in_the_shape_that_we_read(shapes: Any, function: str, expected: dict[str, Any]) -> None:
    assert subset(shapes[function], expected)


def subset(whole: dict[str, Any], part: dict[str, Any]) -> bool:
    assert {name: whole.get(name) for name in part} == part
    return True


def by_type(bindings: list[dict[str, Any]], kind: str) -> dict[str, Any]:
    return next(binding for binding in bindings if binding["type"] == kind)
