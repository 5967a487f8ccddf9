"""The sample pipeline's own Python, and its steps as processes."""

import json
import subprocess
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
PYTHON = ROOT / ".venv-pipeline" / "bin" / "python"
SAMPLE = ROOT / "samples" / "customer_value"


def run(script: str, *arguments: str | Path) -> subprocess.CompletedProcess[str]:
    command = [PYTHON, SAMPLE / script, *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def evaluate(code: str) -> Any:
    """What `code` prints as JSON; the steps are importable, NumPy is `np`."""
    steps = SAMPLE / "steps"
    prelude = f"import json, sys; sys.path.insert(0, {str(steps)!r}); import numpy as np; import score\n"
    result = subprocess.run([PYTHON, "-c", prelude + code], capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stderr
    return json.loads(result.stdout)
