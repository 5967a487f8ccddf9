"""What does a cold start cost, against the programming model alone and against loading all of it at once?

    python -m benchmarks.start            # or: make bench-start

Each variant is a fresh process that imports compiled bytecode; variants take turns, and every other round goes backwards.
Of each process the CPU (user + system) and the wall clock are taken twice: of its imports alone, and of the whole process with
the interpreter's own start. A ratio is taken within a round.
"""

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from statistics import median

from benchmarks.measure import Spread

ROOT = Path(__file__).parents[1]
GOAL = 1.35
BASE = "azure.functions"
VARIANTS = {
    BASE: "import azure.functions",
    "function_app": "import function_app",
    "function_app, then all it loads later": "import function_app; from shared.loading import load_all; load_all()",
    "all of it at once": "from shared.loading import load_all; load_all(); import function_app",
}
_TIMED = """
import time
wall, cpu = time.perf_counter(), time.process_time()
{code}
print([time.perf_counter() - wall, time.process_time() - cpu])
"""
QUANTITIES = ("imports, CPU", "imports, wall", "process, CPU", "process, wall")

type Sample = tuple[float, ...]
"""Seconds, in the order of QUANTITIES."""


def run(code: str, environment: dict[str, str]) -> Sample:
    """A fresh process."""
    before, started = children_cpu(), time.perf_counter()
    done = subprocess.run(
        [sys.executable, "-c", _TIMED.format(code=code)], cwd=ROOT, env=environment, capture_output=True, check=True
    )
    wall, cpu = time.perf_counter() - started, children_cpu() - before
    imports_wall, imports_cpu = json.loads(done.stdout)
    return imports_cpu, imports_wall, cpu, wall


def children_cpu() -> float:
    """Seconds, user + system, of the processes that have ended."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def measure(rounds: int) -> dict[str, list[Sample]]:
    samples: dict[str, list[Sample]] = {name: [] for name in VARIANTS}
    with tempfile.TemporaryDirectory() as compiled:
        environment = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
        environment["PYTHONPYCACHEPREFIX"] = compiled
        for code in VARIANTS.values():
            run(code, environment)  # compiles
        for number in range(rounds):
            names = list(VARIANTS) if number % 2 == 0 else list(reversed(VARIANTS))
            for name in names:
                samples[name].append(run(VARIANTS[name], environment))
    return samples


def ratio(samples: dict[str, list[Sample]], name: str, base: str, quantity: str) -> Spread:
    which = QUANTITIES.index(quantity)
    return Spread.of([mine[which] / theirs[which] for mine, theirs in zip(samples[name], samples[base], strict=True)])


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=15)
    samples = measure(parser.parse_args().rounds)
    print(f"| | {' | '.join(QUANTITIES)} | ms of CPU, imports |\n|---|{'---|' * (len(QUANTITIES) + 1)}")
    for name, found in samples.items():
        cells = [str(ratio(samples, name, BASE, quantity)) for quantity in QUANTITIES]
        print(f"| {name} | {' | '.join(cells)} | {1000 * median(sample[0] for sample in found):.0f} |")
    met = all(
        ratio(samples, "function_app", BASE, quantity).median <= GOAL for quantity in QUANTITIES if "CPU" in quantity
    )
    print(f"\nCPU of function_app ≤ {GOAL} of {BASE}: {'pass' if met else 'MISS'}")
    return 0 if met else 1


if __name__ == "__main__":
    sys.exit(main())
