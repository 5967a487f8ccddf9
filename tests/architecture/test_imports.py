"""Who may import whom? `function_app → triggers → app → {aml, storage} → rooms → {errors, wire}`, never the other way."""

import ast
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SOURCES = [ROOT / "function_app.py", *sorted((ROOT / "shared").rglob("*.py"))]
ROOMS = ("shared.skills", "shared.workflows", "shared.entities", "shared.operations")
EDGES = ("shared.aml", "shared.storage")
COMMON = (
    "shared.conditions",
    "shared.documents",
    "shared.duration",
    "shared.errors",
    "shared.logs",
    "shared.versions",
    "shared.signals",
    "shared.times",
    "shared.tracing",
    "shared.wire",
    "shared.settings",
)
PLAIN = tuple(name for name in COMMON if name != "shared.settings")

MAY_IMPORT = {
    "function_app": ("shared.triggers", "shared.loading"),
    "shared.triggers": ("shared.triggers", "shared.app", "shared.loading", "shared.openapi", *ROOMS, *COMMON),
    "shared.app": ("shared.services", "shared.telemetry", *COMMON),
    "shared.services": ("shared.services", *EDGES, *ROOMS, *COMMON),
    "shared.aml": ("shared.aml", *ROOMS, *COMMON),
    "shared.storage": ("shared.storage", *ROOMS, *COMMON),
    "shared.telemetry": ("shared.telemetry", *COMMON),
    # The rooms are handed their settings.
    "shared.skills": ("shared.skills", *PLAIN),
    # A run imports its output into an entity; entities know nothing of runs.
    "shared.workflows": ("shared.workflows", "shared.entities", *PLAIN),
    "shared.entities": ("shared.entities", *PLAIN),
    # What an operator does across the rooms, with the settings as one more subject.
    "shared.operations": ("shared.operations", "shared.skills", "shared.workflows", "shared.entities", *COMMON),
    # Describes what the rooms take and the triggers answer.
    "shared.openapi": ("shared.openapi", *ROOMS, *PLAIN),
    "shared.settings": ("shared.errors", "shared.skills.addresses"),
    "shared.wire": ("shared.errors",),
    "shared.logs": ("shared.tracing",),
    "shared.signals": (),
    "shared.times": (),
    "shared.tracing": ("shared.signals",),
    "shared.versions": ("shared.errors",),
    "shared.duration": (),
    "shared.conditions": ("shared.errors", "shared.wire"),
    "shared.documents": ("shared.errors",),
    "shared.errors": (),
    "shared.loading": (),
}

# Package to the folders that may import it.
EDGE_PACKAGES = {
    "azure.functions": ("function_app", "shared.triggers"),
    "azure.identity": ("shared.aml",),
    "azure.data": ("shared.storage",),
    "azure.storage": ("shared.storage",),
    "azure.core": ("shared.storage", "shared.aml.auth", "shared.aml.federation"),  # azure-identity raises its errors
    "azure.monitor": ("shared.telemetry",),
    "azure": (
        "function_app",
        "shared.triggers",
        "shared.aml.auth",
        "shared.aml.federation",
        "shared.storage",
        "shared.telemetry",
    ),
    "opentelemetry": ("shared.telemetry",),
    "httpx": ("shared.aml",),
    "httpx_aiohttp": ("shared.aml",),
    "aiohttp": ("shared.aml", "shared.storage.transport"),
}


@dataclass(frozen=True)
class Import:
    module: str
    """Who imports."""
    name: str
    line: int
    for_types_only: bool


def module_of(path: Path) -> str:
    return ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")


def imports_of(path: Path) -> Iterator[Import]:
    tree = ast.parse(path.read_text(), str(path))
    for_types = {
        id(node)
        for block in ast.walk(tree)
        if isinstance(block, ast.If) and isinstance(block.test, ast.Name) and block.test.id == "TYPE_CHECKING"
        for node in ast.walk(block)
    }
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            names = [f"{node.module}.{alias.name}" for alias in node.names]
        else:
            continue
        for name in names:
            yield Import(module_of(path), name, node.lineno, id(node) in for_types)


@cache
def imports() -> Sequence[Import]:
    return [found for path in SOURCES for found in imports_of(path)]


def is_under(name: str, *packages: str) -> bool:
    return any(name == package or name.startswith(f"{package}.") for package in packages)


def test_there_is_something_to_look_at() -> None:
    assert len(SOURCES) > 20
    assert len(imports()) > 100


def home_of(module: str) -> str:
    """The place of MAY_IMPORT that `module` belongs to."""
    homes = [home for home in MAY_IMPORT if is_under(module, home)]
    assert len(homes) == 1, f"{module} is in no place that this test knows"
    return homes[0]


def test_the_direction() -> None:
    wrong = [
        f"{found.module}:{found.line} imports {found.name}"
        for found in imports()
        if is_under(found.name, "shared") and not is_under(found.name, *MAY_IMPORT[home_of(found.module)])
    ]

    assert wrong == []


@pytest.mark.parametrize("package", EDGE_PACKAGES)
def test_a_package_is_known_at_its_edge_alone(package: str) -> None:
    homes = EDGE_PACKAGES[package]
    wrong = [
        f"{found.module}:{found.line} imports {found.name}"
        for found in imports()
        if is_under(found.name, package)
        and not is_under(found.module, *homes)
        and not (found.for_types_only and is_under(found.module, "shared.services"))
    ]

    assert wrong == []


def test_nothing_of_the_product_needs_what_is_for_a_laptop() -> None:
    beside = ("devhost", "simulator", "samples", "operate", "tests", "benchmarks", "deployment")
    wrong = [found for found in imports() if is_under(found.name, *beside)]

    assert wrong == []


def test_the_environment_is_read_in_one_place() -> None:
    readers = {
        module_of(path)
        for path in SOURCES
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Attribute)
        and isinstance(node.value, ast.Name)
        and node.value.id == "os"
        and node.attr in ("environ", "getenv", "environb", "putenv")
    }
    assert readers == {"shared.app"}
    assert not [found for found in imports() if found.name in ("os.environ", "os.getenv")]


def test_nothing_is_printed() -> None:
    printing = [
        f"{module_of(path)}:{node.lineno}"
        for path in SOURCES
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in ("print", "breakpoint")
    ]

    assert printing == []


def test_everything_is_caught_at_the_rim_alone() -> None:
    broad = {
        module_of(path)
        for path in SOURCES
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.ExceptHandler)
        and (node.type is None or (isinstance(node.type, ast.Name) and node.type.id in ("Exception", "BaseException")))
    }

    rims = {"function_app", "shared.triggers.http", "shared.triggers.queues", "shared.triggers.poison_queues"}
    # What becomes of telemetry must not touch what is told of.
    rims |= {"shared.telemetry.exporting"}
    # A fault in one step of a run must not stop it for ever: it is told on the run and tried again.
    assert broad <= rims | {"shared.workflows.advancing"}
