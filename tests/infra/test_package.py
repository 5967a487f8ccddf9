"""What is deployed: it holds what Azure runs and nothing else, compiled, and runs from itself alone."""

import importlib.util
import json
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from infra.package import ROOT, SITE_PACKAGES, build, compile_all, copy_app, deployed_files, find_uv, zip_folder

UNCHECKED = 0b01
"""The flags of bytecode whose source is never looked at (PEP 552)."""
_RUN = """
import json, sys
sys.path[:0] = sys.argv[1:]
import function_app
from shared.loading import load_all
load_all()
files = [module.__file__ for module in list(sys.modules.values()) if getattr(module, "__file__", None)]
print(json.dumps({"functions": function_app.function_names(), "files": files}))
"""


@pytest.fixture(scope="module")
def app(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Without its requirements."""
    folder = tmp_path_factory.mktemp("package") / "package"
    copy_app(ROOT, folder)
    compile_all(folder)
    return folder


def test_what_is_deployed_is_the_app_and_nothing_beside_it() -> None:
    files = list(deployed_files(ROOT))

    assert {file.parts[0] for file in files} == {
        "console",
        "function_app.py",
        "host.json",
        "requirements.txt",
        "LICENSE",
        "shared",
    }
    assert {file.suffix for file in files if file.parts[0] == "shared"} == {".py", ".json"}
    assert len(files) == 6 + len([*(ROOT / "shared").rglob("*.py")])


@pytest.mark.parametrize(
    "file", [".env", ".venv/lib/x.py", "local.settings.json", "tests/x.py", "shared/__pycache__/x.pyc"]
)
def test_what_lies_about_is_not_deployed(tmp_path: Path, file: str) -> None:
    for name in (file, "shared/a.py"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text("")
    (tmp_path / ".funcignore").write_text((ROOT / ".funcignore").read_text())

    assert list(deployed_files(tmp_path)) == [Path("shared/a.py")]


def bytecode_of(folder: Path) -> Iterator[tuple[Path, bytes]]:
    """Of every source; empty where there is none."""
    for source in folder.rglob("*.py"):
        compiled = Path(importlib.util.cache_from_source(str(source)))
        yield source, compiled.read_bytes() if compiled.exists() else b""


def test_every_module_is_compiled_whatever_time_its_file_gets(app: Path) -> None:
    flags = {source: int.from_bytes(code[4:8], "little") if code else None for source, code in bytecode_of(app)}

    assert len(flags) > 100
    assert set(flags.values()) == {UNCHECKED}


def test_a_traceback_names_files_where_azure_has_them(app: Path) -> None:
    [code] = [code for source, code in bytecode_of(app) if source.name == "function_app.py"]

    assert b"/home/site/wwwroot/function_app.py" in code
    assert str(app).encode() not in code


def test_the_same_package_is_the_same_zip(app: Path) -> None:
    first = zip_folder(app).read_bytes()
    (app / "function_app.py").touch()

    assert zip_folder(app).read_bytes() == first


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_the_package_runs_from_itself_alone(tmp_path: Path) -> None:
    archive = build(tmp_path / "package", find_uv())
    unpacked = tmp_path / "wwwroot"
    with zipfile.ZipFile(archive) as zipped:
        zipped.extractall(unpacked)

    # Without site: nothing of this environment's packages can be found.
    command = [sys.executable, "-I", "-S", "-c", _RUN, str(unpacked), str(unpacked / SITE_PACKAGES)]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=True, timeout=120)

    found = json.loads(done.stdout)
    here = subprocess.run(
        [sys.executable, "-c", "import json, function_app; print(json.dumps(function_app.function_names()))"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    assert found["functions"] == json.loads(here.stdout)
    standard_library = str(Path(json.__file__).parents[1])
    strangers = [file for file in found["files"] if not file.startswith((str(unpacked), standard_library))]
    assert strangers == []
    assert not any((unpacked / name).exists() for name in ("tests", "devhost", "simulator", "samples", "infra"))
    assert {code != b"" for _, code in bytecode_of(unpacked / "shared")} == {True}
