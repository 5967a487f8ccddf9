"""The room knows no SDK, and a cold start pays for no Parquet."""

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]
MODULES = [f"shared.entities.{path.stem}" for path in sorted((ROOT / "shared" / "entities").glob("[a-z]*.py"))]


def test_importing_the_room_imports_neither_azure_nor_pyarrow() -> None:
    code = f"import sys, {', '.join(MODULES)}; print(*sorted({{name.partition('.')[0] for name in sys.modules}}))"

    answer = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)

    assert len(MODULES) > 10
    assert not {"azure", "pyarrow", "httpx", "aiohttp"} & set(answer.stdout.split())
