"""Build what is deployed: the app, its requirements for Linux and Python 3.13, and bytecode of everything.

    python -m infra.package        # .build/package and .build/package.zip; or: make package

Azure runs the zip as it is, without a build of its own. `.funcignore` says what stays out of it. The bytecode carries no time
of its source (PEP 552, unchecked), because unpacking a zip changes times; so a file in the package is not to be edited.
"""

import argparse
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from pathlib import Path

from pathspec import GitIgnoreSpec

ROOT = Path(__file__).parents[1]
SITE_PACKAGES = Path(".python_packages/lib/site-packages")
"""Where the Functions host looks for packages that came with the app."""
HOME = "/home/site/wwwroot"
"""Where Azure unpacks it: what the bytecode says of where it came from."""
_SAME_TIME = (1980, 1, 1, 0, 0, 0)
"""The same package gives the same zip."""


def build(output: Path, uv: str) -> Path:
    """The zip of `output`, a folder that is made anew. Raises CalledProcessError."""
    shutil.rmtree(output, ignore_errors=True)
    copy_app(ROOT, output)
    install_requirements(output, uv)
    compile_all(output)
    return zip_folder(output)


def copy_app(root: Path, output: Path) -> None:
    """All that `.funcignore` does not name."""
    for file in deployed_files(root):
        target = output / file
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(root / file, target)


def deployed_files(root: Path) -> Iterator[Path]:
    """Relative to `root`."""
    ignored = GitIgnoreSpec.from_lines((root / ".funcignore").read_text().splitlines())
    for folder, folders, files in root.walk():
        here = folder.relative_to(root)
        folders[:] = [name for name in folders if not ignored.match_file(f"{(here / name).as_posix()}/")]
        yield from (here / name for name in files if not ignored.match_file((here / name).as_posix()))


def install_requirements(output: Path, uv: str) -> None:
    """Wheels alone, for the machine in Azure rather than this one."""
    target = ["--target", str(output / SITE_PACKAGES)]
    platform = ["--python-platform", "x86_64-manylinux_2_28", "--python-version", "3.13", "--only-binary", ":all:"]
    requirements = ["--require-hashes", "--requirements", str(output / "requirements.txt")]
    _run(uv, "pip", "install", "--quiet", "--python", sys.executable, *target, *platform, *requirements)


def compile_all(output: Path) -> None:
    places = ["-s", str(output), "-p", HOME]
    _run(
        sys.executable,
        "-m",
        "compileall",
        "-q",
        "-j",
        "0",
        "--invalidation-mode",
        "unchecked-hash",
        *places,
        str(output),
    )


def zip_folder(folder: Path) -> Path:
    """Beside the folder, and with its name."""
    path = folder.with_suffix(".zip")
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for file in sorted(found for found in folder.rglob("*") if found.is_file()):
            info = zipfile.ZipInfo(file.relative_to(folder).as_posix(), _SAME_TIME)
            info.external_attr = (0o100755 if file.stat().st_mode & 0o100 else 0o100644) << 16
            info.compress_type = zipfile.ZIP_DEFLATED
            archive.writestr(info, file.read_bytes())
    return path


def find_uv() -> str:
    """From the PATH, else the one that `make` installs."""
    return shutil.which("uv") or str(ROOT / ".venv-uv/bin/uv")


def _run(*command: str) -> None:
    subprocess.run(command, cwd=ROOT, check=True)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--output", type=Path, default=ROOT / ".build/package")
    parser.add_argument("--uv", default=find_uv())
    options = parser.parse_args()
    archive = build(options.output.absolute(), options.uv)
    print(f"{archive}  {archive.stat().st_size / 1e6:.1f} MB")
    return 0


if __name__ == "__main__":
    sys.exit(main())
