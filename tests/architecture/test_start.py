"""What does a cold start load, what does it cost, and who may call which function?"""

import json
import os
import subprocess
import sys
from pathlib import Path
from statistics import median

import pytest

from tests.architecture.test_imports import IMPORTS, SOURCES, module_of

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
    "pyarrow",
    "pydantic",
    "shared.aml",
    "shared.services",
    "shared.settings",
    "shared.storage",
)
# Of the rooms, what a decorator needs.
EARLY = {"shared.workflows.queues"}
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
    rooms = ("shared.skills.", "shared.workflows.", "shared.entities.", "shared.operations.")

    loaded = {name for name in modules if name.startswith(rooms) and name != "shared.entities.odata"}

    assert loaded == EARLY


def test_a_cold_start_costs_little_more_than_the_programming_model(tmp_path: Path) -> None:
    compiled = {"PYTHONPYCACHEPREFIX": str(tmp_path)}
    run(_PRICE, **compiled)

    assert median(float(run(_PRICE, **compiled)) for _ in range(5)) <= MOST


def test_health_loads_all_that_any_function_will_need() -> None:
    loaded = set(json.loads(run(_ALL, PYTHONDONTWRITEBYTECODE="1")))
    ours = {module_of(path) for path in SOURCES} - {"function_app"}
    # `from package import module` as well as `from module import name`.
    foreign = {found.name for found in IMPORTS if not found.name.startswith("shared") and not found.for_types_only}

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
