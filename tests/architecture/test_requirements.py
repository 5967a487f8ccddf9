"""Are the compiled requirements in step with pyproject.toml? `make lock` compiles them anew."""

import re
import tomllib
from pathlib import Path

import pytest
from packaging.markers import Marker
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

ROOT = Path(__file__).parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())
RUNTIME: list[str] = PROJECT["project"]["dependencies"]
DEV: list[str] = PROJECT["dependency-groups"]["dev"]
_PIN = re.compile(r"^(?P<name>[A-Za-z0-9._-]+)==(?P<version>\S+?)(?: *; *(?P<marker>[^\\]+?))? *\\?$", re.MULTILINE)
LOCKED = ("requirements.txt", "requirements-dev.txt")


def pins(file: str) -> dict[str, Version]:
    """Of this platform."""
    return {
        canonicalize_name(pin["name"]): Version(pin["version"])
        for pin in _PIN.finditer((ROOT / file).read_text())
        if pin["marker"] is None or Marker(pin["marker"]).evaluate()
    }


@pytest.mark.parametrize(
    ("file", "asked"), [("requirements.txt", RUNTIME), ("requirements-dev.txt", [*RUNTIME, *DEV])], ids=LOCKED
)
def test_a_lock_holds_what_is_asked_for(file: str, asked: list[str]) -> None:
    held = pins(file)
    missing = []
    for requirement in map(Requirement, asked):
        pin = held.get(canonicalize_name(requirement.name))
        if pin is None or not requirement.specifier.contains(pin, prereleases=True):
            missing.append(f"{requirement}: {file} has {pin}; run make lock")

    assert missing == []


def test_dev_holds_what_azure_installs_at_the_same_versions() -> None:
    runtime, dev = pins("requirements.txt"), pins("requirements-dev.txt")

    assert {name: dev.get(name) for name in runtime} == runtime


@pytest.mark.parametrize("file", LOCKED)
def test_every_pin_has_a_hash(file: str) -> None:
    lines = (ROOT / file).read_text().splitlines()
    bare = [line for line, after in zip(lines, [*lines[1:], ""], strict=True) if "==" in line and "--hash" not in after]

    assert bare == []


@pytest.mark.parametrize("file", [*LOCKED, "package-lock.json", "pyproject.toml", ".npmrc"])
def test_no_address_of_a_registry(file: str) -> None:
    text = (ROOT / file).read_text()

    assert not re.search(r"(index-url|\"resolved\"|registry *=)", text)
    assert file == "package-lock.json" or "http://" not in text
    assert not file.startswith("requirements") or "https://" not in text


def test_azure_runs_the_python_that_was_tested() -> None:
    version = (ROOT / ".python-version").read_text().strip()

    assert version.startswith("3.13")
    assert PROJECT["project"]["requires-python"] == ">=3.13,<3.14"
