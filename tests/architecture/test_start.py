"""What does a cold start load, and who may call which function?"""

import json
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
# Imported at first use: together they would more than double the cold start.
LATE = (
    "azure.core",
    "azure.data",
    "azure.identity",
    "azure.storage",
    "aiohttp",
    "httpx",
    "pyarrow",
    "shared.aml",
    "shared.storage",
)
_START = """
import json, sys
import function_app
triggers = {f.get_function_name(): f.get_trigger() for f in function_app.create_app().get_functions()}
functions = {name: str(t.auth_level.name) for name, t in triggers.items() if t.get_binding_name() == "httpTrigger"}
print(json.dumps({"modules": sorted(sys.modules), "functions": functions}))
"""


@pytest.fixture(scope="module")
def started() -> dict[str, object]:
    done = subprocess.run(
        [sys.executable, "-c", _START], cwd=ROOT, capture_output=True, text=True, check=True, timeout=60
    )
    found: dict[str, object] = json.loads(done.stdout)
    return found


@pytest.mark.parametrize("package", LATE)
def test_a_cold_start_does_not_load(started: dict[str, object], package: str) -> None:
    modules = started["modules"]
    assert isinstance(modules, list)

    assert [name for name in modules if name == package or name.startswith(f"{package}.")] == []


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
