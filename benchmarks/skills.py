"""Is the gateway near what is physically possible, and how far from what one would write instead?

    python -m benchmarks.skills [--rounds 7] [--records 1000] [--quick] [--peers-only]

Starts its own endpoint, peers and host on loopback, stops them, and exits with 1 if a goal is missed.
"""

import argparse
import contextlib
import random
import signal
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import orjson

from benchmarks.child import PeerProcess
from benchmarks.endpoint import BUILD, Endpoint, start_endpoint
from benchmarks.host import started_gateway
from benchmarks.measure import Case, Goal, Job, Runner, Sample, Samples, interleave, judge
from benchmarks.report import facts, goal_table, scenario_table, write_json

OURS = "ours"
RAW = "raw"
SEQUENTIAL = "requests sequential"
HTTPX = "httpx gather"
AIOHTTP = "aiohttp workers"
POOLED = ("requests thread pool", "Session thread pool", HTTPX, "httpx + aiohttp", AIOHTTP, RAW, OURS)
PER_CALL = 32
WARM_UP_RECORDS = 100
TEXT_BYTES = 200


@dataclass(frozen=True)
class Scenario:
    """An endpoint's behaviour and the cases that meet it."""

    name: str
    path: str
    cases: tuple[Case, ...]


SCENARIOS = (
    Scenario(
        "20 ms",
        "/d/20",
        (Case(SEQUENTIAL, 1), *(Case(name, parallelism) for parallelism in (5, 10) for name in POOLED)),
    ),
    Scenario(
        "heavy tail (95 % 10 ms, 5 % 200 ms)",
        "/tail",
        tuple(Case(name, parallelism) for parallelism in (5, 10) for name in (HTTPX, RAW, OURS)),
    ),
    Scenario("batches (20 ms whatever the size)", "/d/20", (Case(OURS, 5), Case(OURS, 5, PER_CALL))),
    Scenario("no latency", "/d/0", tuple(Case(name, 10) for name in (HTTPX, "httpx + aiohttp", AIOHTTP, RAW, OURS))),
)
STEADY, TAIL, BATCHES, BARE = (scenario.name for scenario in SCENARIOS)

GOALS = (
    Goal("rate of raw at 20 ms, P=5", STEADY, Case(OURS, 5), Case(RAW, 5), "rate", ">=", 0.80),
    Goal("rate of raw at 20 ms, P=10", STEADY, Case(OURS, 10), Case(RAW, 10), "rate", ">=", 0.80),
    Goal("rate of sequential at 20 ms, P=5", STEADY, Case(OURS, 5), Case(SEQUENTIAL, 1), "rate", ">=", 4.4),
    Goal("rate of sequential at 20 ms, P=10", STEADY, Case(OURS, 10), Case(SEQUENTIAL, 1), "rate", ">=", 8),
    Goal("time of raw with a heavy tail, P=5", TAIL, Case(OURS, 5), Case(RAW, 5), "wall", "<=", 1.3),
    Goal("time of raw with a heavy tail, P=10", TAIL, Case(OURS, 10), Case(RAW, 10), "wall", "<=", 1.3),
    Goal("rate of one a call with 32 a call", BATCHES, Case(OURS, 5, PER_CALL), Case(OURS, 5), "rate", ">=", 12),
    Goal("CPU a record of httpx, P=10", BARE, Case(OURS, 10), Case(HTTPX, 10), "cpu", "<=", 0.25),
)


class Bench:
    """Runs scenarios: the endpoint, a runner for each variant, and records that no run has seen before."""

    def __init__(self, endpoint: Endpoint, runners: dict[str, Runner], records: int) -> None:
        self._endpoint = endpoint
        self._runners = runners
        self._records = records
        self._seed = time.time_ns()

    def measure(self, scenario: Scenario, rounds: int) -> Samples:
        """Warm every case, then measure all of them interleaved."""
        cases = [case for case in scenario.cases if case.variant in self._runners]
        for case in cases:
            self._run(scenario, case, WARM_UP_RECORDS)
        return interleave(cases, rounds, lambda case, number: self._announced(scenario, case, number))

    def _announced(self, scenario: Scenario, case: Case, number: int) -> Sample:
        sample = self._run(scenario, case, self._records)
        print(f"  {scenario.name}, round {number + 1}: {case.label} {sample.wall_s:.2f} s", file=sys.stderr)
        return sample

    def _run(self, scenario: Scenario, case: Case, records: int) -> Sample:
        self._seed += 1
        self._endpoint.reset()
        job = Job(
            self._endpoint.url(scenario.path),
            case.parallelism,
            make_records(records, self._seed),
            case.per_call,
        )
        return self._runners[case.variant].run(job)


def make_records(count: int, seed: int) -> list[bytes]:
    """Distinct inputs of about 200 B, other ones for every seed: a cache of results cannot help."""
    words = random.Random(seed)
    alphabet = "abcdefghijklmnopqrstuvwxyz     "
    texts = (f"{seed:x} {index} " + "".join(words.choices(alphabet, k=TEXT_BYTES)) for index in range(count))
    return [orjson.dumps({"text": text[:TEXT_BYTES]}) for text in texts]


def variants(scenarios: Sequence[Scenario]) -> list[str]:
    """The variants in order of their first use, ours apart."""
    return list(dict.fromkeys(case.variant for each in scenarios for case in each.cases if case.variant != OURS))


def parsed(arguments: Sequence[str] | None) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.skills", description="The gateway against its peers.")
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--records", type=int, default=1000, help="per run")
    parser.add_argument("--quick", action="store_true", help="2 rounds of 200 records: a try, no figures")
    parser.add_argument("--peers-only", action="store_true", help="without the host: ours is not measured")
    parser.add_argument("--endpoint", choices=("C", "uvloop"), help="default: C where a compiler is")
    parser.add_argument("--output", type=Path, default=BUILD / "skills.json", help="every sample as JSON")
    options = parser.parse_args(arguments)
    if options.quick:
        options.rounds, options.records = min(options.rounds, 2), min(options.records, 200)
    return options


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure, print, write; 0 if every measured goal is met."""
    options = parsed(arguments)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # so that everything started is stopped
    results: dict[str, Samples] = {}
    with contextlib.ExitStack() as stack:
        endpoint = stack.enter_context(start_endpoint(options.endpoint))
        runners: dict[str, Runner] = {name: PeerProcess(name) for name in variants(SCENARIOS)}
        for runner in runners.values():
            stack.callback(runner.close)
        if not options.peers_only:
            runners[OURS] = stack.enter_context(started_gateway())
        bench = Bench(endpoint, runners, options.records)
        for scenario in SCENARIOS:
            results[scenario.name] = bench.measure(scenario, options.rounds)
        about = {**facts(endpoint.kind), "run": f"{options.rounds} rounds of {options.records} records"}
    write_json(options.output, about, results, GOALS)
    print(rendered(about, results))
    return 1 if any(judge(goal, results)[1] == "MISS" for goal in GOALS) else 0


def rendered(about: dict[str, str], results: dict[str, Samples]) -> str:
    """The whole outcome in Markdown."""
    raw = {parallelism: Case(RAW, parallelism) for parallelism in (5, 10)}
    parts = ["\n".join(f"- {name}: {value}" for name, value in about.items()), goal_table(GOALS, results)]
    parts += [f"### {name}\n\n{scenario_table(samples, raw)}" for name, samples in results.items() if samples]
    return "\n\n".join(parts)


if __name__ == "__main__":
    sys.exit(main())
