"""How does a step run? Its component's command, as a process in the component's code folder.

    python score.py --summary ${{inputs.summary}} $[[--horizon_days ${{inputs.horizon_days}}]]

A part in `$[[…]]` is left out where an optional input in it has no value. No shell is involved; `python` is the
pipeline's own. Source: https://learn.microsoft.com/azure/machine-learning/reference-yaml-component-command
"""

import asyncio
import contextlib
import os
import re
import shlex
import signal
from collections.abc import Mapping, Sequence
from pathlib import Path

from simulator.arm.models import ComponentVersion
from simulator.jobs.models import Failure

_OPTIONAL = re.compile(r"\$\[\[(.*?)\]\]")
_PLACE = re.compile(r"\$\{\{\s*(inputs|outputs)\.(\w+)\s*\}\}")
_LAST_WORDS = 2_000  # characters of what a failed step said


class StepFailed(Exception):
    def __init__(self, failure: Failure) -> None:
        super().__init__(failure.message)
        self.failure = failure


def command_line(
    command: str, inputs: Mapping[str, str], outputs: Mapping[str, str], python: Sequence[str]
) -> list[str]:
    """The arguments of the process. Raises KeyError for an input that has no value and is not optional."""
    values = {"inputs": inputs, "outputs": outputs}

    def optional(match: re.Match[str]) -> str:
        known = all(name in values[kind] for kind, name in _PLACE.findall(match[1]))
        return match[1] if known else ""

    words = shlex.split(_OPTIONAL.sub(optional, command))
    filled = [_PLACE.sub(lambda match: values[match[1]][match[2]], word) for word in words]
    return [*python, *filled[1:]] if filled[0] in ("python", "python3") else filled


async def run_step(name: str, component: ComponentVersion, arguments: Sequence[str], log: Path) -> None:
    """Raises StepFailed with the end of its output. Cancelled, it kills the process and what that started."""
    with log.open("wb") as output:
        process = await asyncio.create_subprocess_exec(
            *arguments,
            cwd=component.home / str(component.spec.get("code", ".")),
            env=step_environment(os.environ),
            stdin=asyncio.subprocess.DEVNULL,
            stdout=output,
            stderr=asyncio.subprocess.STDOUT,
            start_new_session=True,
        )
    try:
        code = await process.wait()
    except asyncio.CancelledError:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        await process.wait()
        raise
    if code != 0:
        raise StepFailed(Failure(f"Step '{name}' exited with code {code}: {last_words(log)}", name))


def last_words(log: Path) -> str:
    said = log.read_text(encoding="utf-8", errors="replace").strip()
    return said[-_LAST_WORDS:] or "it said nothing"


def step_environment(environ: Mapping[str, str]) -> dict[str, str]:
    """Enough to run, and no secret: a step gets its data as files."""
    kept = ("PATH", "HOME", "LANG", "LC_ALL", "TMPDIR", "PYTHONDONTWRITEBYTECODE")
    return {name: environ[name] for name in kept if name in environ} | {"OMP_NUM_THREADS": "1"}
