"""What was measured, on what, and which goals hold: Markdown for people, JSON for machines."""

import importlib.metadata
import json
import os
import platform
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path

from benchmarks.measure import Case, Goal, Samples, Spread, judge, ratios

PACKAGES = (
    "httpx",
    "httpcore",
    "httpx-aiohttp",
    "aiohttp",
    "requests",
    "httptools",
    "uvloop",
    "orjson",
    "pydantic",
)


def facts(endpoint: str, packages: Sequence[str] = PACKAGES) -> dict[str, str]:
    """What the figures were measured on."""
    versions = {name: importlib.metadata.version(name) for name in packages}
    return {
        "machine": f"{cpu_model()}, {os.cpu_count()} cores, {platform.system()} {platform.release()}",
        "load": " ".join(f"{load:.1f}" for load in os.getloadavg()),
        "python": platform.python_version(),
        "endpoint": endpoint,
        "packages": ", ".join(f"{name} {version}" for name, version in versions.items()),
    }


def cpu_model() -> str:
    """The processor's name, as far as the system tells."""
    cpuinfo = Path("/proc/cpuinfo")
    lines = cpuinfo.read_text().splitlines() if cpuinfo.exists() else []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor() or platform.machine()


def scenario_table(samples: Samples, base: Mapping[int, Case]) -> str:
    """A scenario in Markdown; ratios are rates against the base case of the same parallelism."""
    lines = ["| case | s per 1000 records | CPU µs a record | rate against raw |", "|---|---|---|---|"]
    for case, runs in samples.items():
        wall = Spread.of([run.value("wall") * 1000 for run in runs])
        cpu = statistics.median(run.value("cpu") * 1e6 for run in runs)
        against = base.get(case.parallelism)
        ratio = str(ratios(runs, samples[against], "rate")) if against in samples else ""
        lines.append(f"| {case.label} | {wall} | {cpu:.0f} | {ratio} |")
    return "\n".join(lines)


def goal_table(goals: Sequence[Goal], results: Mapping[str, Samples]) -> str:
    """Each goal with its ratio and verdict, in Markdown."""
    lines = ["| goal | bound | median (range) | |", "|---|---|---|---|"]
    for goal in goals:
        spread, verdict = judge(goal, results)
        lines.append(f"| {goal.text} | {goal.sense} {goal.bound:g} | {spread or ''} | {verdict} |")
    return "\n".join(lines)


def write_json(path: Path, about: Mapping[str, str], results: Mapping[str, Samples], goals: Sequence[Goal]) -> None:
    """Every sample, in the order of the rounds, and the goals."""
    scenarios = {
        name: [{"case": asdict(case), "rounds": [asdict(run) for run in runs]} for case, runs in samples.items()]
        for name, samples in results.items()
    }
    verdicts = []
    for goal in goals:
        spread, verdict = judge(goal, results)
        verdicts.append({"goal": asdict(goal), "ratio": asdict(spread) if spread else None, "verdict": verdict})
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps({"facts": dict(about), "scenarios": scenarios, "goals": verdicts}, indent=1))
