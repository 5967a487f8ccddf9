"""What does a cold start load, what does it cost, and who may call which function?"""

import json
import os
import subprocess
import sys
from pathlib import Path
from statistics import median

import pytest

from tests.architecture.test_imports import SOURCES, imports, module_of

ROOT = Path(__file__).parents[2]
# Imported at first use: together they would multiply the cold start by four.
LATE = (
    "azure.core",
    "azure.data",
    "azure.identity",
    "azure.storage",
    "aiohttp",
    "cronsim",
    "httpx",
    "opentelemetry",
    "pyarrow",
    "pydantic",
    "shared.aml",
    "shared.services",
    "shared.settings",
    "shared.storage",
    "shared.telemetry",
)
ROOMS = ("shared.skills.", "shared.workflows.", "shared.entities.", "shared.operations.")
# A decorator needs it; an empty package.
EARLY = {"shared.workflows.queues", "shared.entities.odata"}
MOST = 1.35
"""Of the CPU time of `import azure.functions`, which every app has to pay."""
_START = """
import json, sys
import function_app
triggers = {f.get_function_name(): f.get_trigger() for f in function_app.create_app().get_functions()}
functions = {name: str(t.auth_level.name) for name, t in triggers.items() if t.get_binding_name() == "httpTrigger"}
print(json.dumps({"modules": sorted(sys.modules), "functions": functions}))
"""
_PRICE = """
import time
started = time.process_time()
import azure.functions
floor = time.process_time()
import function_app
print((time.process_time() - started) / (floor - started))
"""
_INDEXED = """
import asyncio, json, sys
from types import SimpleNamespace as Message
import azure_functions_runtime as library
from devhost import protos

async def index():
    init = Message(capabilities={}, function_app_directory=".", host_version="4.0")
    request = Message(worker_init_request=init)
    await library.worker_init_request(Message(name="", request=request, properties={"protos": protos, "host": "127.0.0.1"}))
    listed = await library.functions_metadata_request(Message(name="", request=Message(), properties=None))
    for found in listed.function_metadata_results:
        load = Message(function_load_request=Message(function_id=found.function_id))
        await library.function_load_request(Message(name="", request=load, properties=None))
    return len(listed.function_metadata_results)

print(json.dumps({"functions": asyncio.run(index()), "modules": sorted(sys.modules)}))
"""
_ALL = """
import json, sys
from shared.loading import load_all
load_all()
print(json.dumps(sorted(sys.modules)))
"""


def run(code: str, **environment: str) -> str:
    env = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"} | environment
    command = [sys.executable, "-c", code]
    return subprocess.run(command, cwd=ROOT, env=env, capture_output=True, text=True, check=True, timeout=60).stdout


@pytest.fixture(scope="module")
def started() -> dict[str, object]:
    found: dict[str, object] = json.loads(run(_START, PYTHONDONTWRITEBYTECODE="1"))
    return found


@pytest.mark.parametrize("package", LATE)
def test_a_cold_start_does_not_load(started: dict[str, object], package: str) -> None:
    modules = started["modules"]
    assert isinstance(modules, list)

    assert [name for name in modules if name == package or name.startswith(f"{package}.")] == []


def test_a_cold_start_loads_no_room(started: dict[str, object]) -> None:
    modules = started["modules"]
    assert isinstance(modules, list)

    assert {name for name in modules if name.startswith(ROOMS)} == EARLY


def test_indexing_and_loading_every_function_loads_no_room_either() -> None:
    found = json.loads(run(_INDEXED, PYTHONDONTWRITEBYTECODE="1"))
    edges = ("shared.aml.", "shared.storage.", "shared.services.")

    assert found["functions"] > len(EARLY)
    assert [name for name in found["modules"] if name.startswith((*ROOMS, *edges)) and name not in EARLY] == []


def test_a_cold_start_costs_little_more_than_the_programming_model(tmp_path: Path) -> None:
    compiled = {"PYTHONPYCACHEPREFIX": str(tmp_path)}
    run(_PRICE, **compiled)

    assert median(float(run(_PRICE, **compiled)) for _ in range(5)) <= MOST


def test_health_loads_all_that_any_function_will_need() -> None:
    loaded = set(json.loads(run(_ALL, PYTHONDONTWRITEBYTECODE="1")))
    ours = {module_of(path) for path in SOURCES if "telemetry" not in path.parts} - {"function_app"}
    # `from package import module` as well as `from module import name`.
    foreign = {
        found.name
        for found in imports()
        if not found.name.startswith("shared")
        and not found.for_types_only
        and not found.module.startswith("shared.telemetry.")  # only where it is configured
    }

    missing = {name for name in foreign if not {name, name.rpartition(".")[0]} & loaded}

    assert ours <= loaded
    assert missing == set()


def test_every_function_with_a_route_wants_a_key_of_the_hosts_but_health_the_pages_and_the_data_plane(
    started: dict[str, object],
) -> None:
    levels = started["functions"]
    assert isinstance(levels, dict)

    # The data plane has keys of its own, which the host does not know: tests/triggers/test_sign_in.py.
    for name in ("health", "home", "api_page", "get_data", "get_instance_data", "query_data"):
        assert levels.pop(name) == "ANONYMOUS"
    assert set(levels.values()) == {"FUNCTION"}
    assert len(levels) >= 9
