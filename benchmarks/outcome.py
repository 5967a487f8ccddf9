"""How many records come back enriched from an endpoint that pushes back, and how many calls does that take?

    python -m benchmarks.outcome [--records 2000] [--processes 1 2 4]

Two endpoints of the simulator, each with 20 ms a call: one that holds two calls at once and answers 429 to more;
one in a storm, where 30 % of calls get a 429 or a 503 whatever their number. The same records go through our hosts
(their own processes, default settings) and through the AML skill's policy: per process five calls in parallel, a
429 or 503 tried again at once, twice.
"""

import argparse
import asyncio
import contextlib
import json
import sys
import tempfile
import time
import urllib.request
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import aiohttp

from benchmarks.host import READY, SETTINGS, free_port, started, started_azurite, wait_for

LATENCY = 0.02
ROUTE_DEADLINE = 27.0
"""What the envelope route has, in seconds: 30 s less its margin."""
SKILL = "storm"
SCENARIOS = {
    "capacity 2": {"delay": LATENCY, "capacity": 2},
    "storm 30 %": {"delay": LATENCY},
}


@dataclass(frozen=True, slots=True)
class Outcome:
    enriched: int
    records: int
    calls: int
    """That the endpoint counted."""
    seconds: float
    longest_request: float
    sent_again: int
    """Batches answered 503, which an indexer sends again."""
    errors: dict[str, int]

    @property
    def share(self) -> float:
        return self.enriched / self.records

    @property
    def calls_a_record(self) -> float:
        return self.calls / self.records


def bodies(scenario: str, count: int) -> list[dict[str, Any]]:
    """The inputs of each record, all different; in the storm every one names its own fault."""
    made: list[dict[str, Any]] = []
    for index in range(count):
        inputs: dict[str, Any] = {"text": f"record {index} of {scenario}"}
        if scenario.startswith("storm"):
            status = (429, 503)[index % 2]
            inputs["simulate"] = {"rate": 0.3, "status": status, "delay": 0.001, "key": f"storm-{status}"}
        made.append(inputs)
    return made


def definition(uri: str) -> dict[str, Any]:
    """All settings are defaults, but for the body's shape: in `instances` a record's own fault stands beside the
    latency that the address asks for every call."""
    names = ("text", "simulate")
    return {
        "gateway": {"payload": "instances"},
        "@odata.type": "#Microsoft.Skills.Custom.AmlSkill",
        "uri": uri,
        "inputs": [{"name": name, "source": f"/document/{name}"} for name in names],
        "outputs": [{"name": "detected_language_code"}],
    }


def shares(records: Sequence[Any], processes: int) -> list[Sequence[Any]]:
    size = -(-len(records) // processes)
    return [records[start : start + size] for start in range(0, len(records), size)]


async def through_gateway(hosts: Sequence[str], records: Sequence[dict[str, Any]]) -> Outcome:
    """Each host gets its share, in batches of 1,000, one after the other; a 503 is sent again twice at most."""
    counted: Counter[str] = Counter()
    errors: Counter[str] = Counter()
    longest = 0.0

    async def one_host(session: aiohttp.ClientSession, host: str, share: Sequence[dict[str, Any]]) -> None:
        nonlocal longest
        for start in range(0, len(share), 1000):
            values = [{"recordId": str(index), "data": data} for index, data in enumerate(share[start : start + 1000])]
            for _ in range(3):
                begun = time.perf_counter()
                async with session.post(f"{host}/api/skills/{SKILL}", json={"values": values}) as response:
                    answer = await response.json()
                longest = max(longest, time.perf_counter() - begun)
                if response.status != 503:
                    break
                counted["again"] += 1
                await asyncio.sleep(float(response.headers.get("Retry-After", "1")))
            for value in answer.get("values", ()):
                counted["enriched"] += not value["errors"]
                errors.update(error["message"].partition(":")[0] for error in value["errors"])

    begun = time.perf_counter()
    async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=240)) as session:
        await asyncio.gather(
            *(one_host(session, *pair) for pair in zip(hosts, shares(records, len(hosts)), strict=False))
        )
    return Outcome(
        counted["enriched"], len(records), 0, time.perf_counter() - begun, longest, counted["again"], dict(errors)
    )


async def through_aml_skill(uri: str, processes: int, records: Sequence[dict[str, Any]]) -> Outcome:
    """The documented policy of the built-in skill, once a process."""
    counted: Counter[str] = Counter()

    async def call(session: aiohttp.ClientSession, data: dict[str, Any]) -> None:
        for _ in range(3):
            async with session.post(uri, json={"instances": [data]}) as response:
                await response.read()
            if response.status == 200:
                counted["enriched"] += 1
            if response.status not in (429, 503):
                return

    async def one_process(session: aiohttp.ClientSession, share: Sequence[dict[str, Any]]) -> None:
        waiting = iter(share)

        async def worker() -> None:
            for data in waiting:
                await call(session, data)

        await asyncio.gather(*(worker() for _ in range(5)))

    begun = time.perf_counter()
    async with aiohttp.ClientSession() as session:
        await asyncio.gather(*(one_process(session, share) for share in shares(records, processes)))
    return Outcome(counted["enriched"], len(records), 0, time.perf_counter() - begun, 0.0, 0, {})


def calls_counted(simulator: str, path: str) -> int:
    with urllib.request.urlopen(f"{simulator}/calls") as response:
        found = json.loads(response.read())
    return int(found[path]["calls"]) if path in found else int(found["paths"][path]["calls"])


def reset_calls(simulator: str) -> None:
    urllib.request.urlopen(urllib.request.Request(f"{simulator}/calls/reset", method="POST")).close()


def put_skill(host: str, uri: str) -> None:
    body = json.dumps(definition(uri)).encode()
    request = urllib.request.Request(
        f"{host}/api/skills/{SKILL}", body, {"Content-Type": "application/json"}, method="PUT"
    )
    urllib.request.urlopen(request).close()


@contextlib.contextmanager
def started_hosts(count: int, storage: str, scratch: Path) -> Iterator[list[str]]:
    with contextlib.ExitStack() as stack:
        hosts = []
        settings = {"BRIDGE_STORAGE": storage, "AzureWebJobsStorage": storage} | SETTINGS
        for index in range(count):
            port, log = free_port(), scratch / f"host-{count}-{index}.log"
            process = stack.enter_context(
                started([sys.executable, "-m", "devhost", "--port", str(port), "--quiet"], log, settings)
            )
            hosts.append((f"http://127.0.0.1:{port}", process, log))
        for _, process, log in hosts:
            wait_for(lambda log=log: READY in log.read_text(), process, log)  # type: ignore[misc]
        yield [host for host, _, _ in hosts]


@contextlib.contextmanager
def started_simulator(scratch: Path) -> Iterator[str]:
    port, log = free_port(), scratch / "simulator.log"
    command = [sys.executable, "-m", "simulator", "--port", str(port), "--scoring-url", ""]
    with started(command, log) as process:
        wait_for(lambda: "simulator ready" in log.read_text(), process, log)
        yield f"http://127.0.0.1:{port}"


def measure(
    simulator: str, storage: str, scratch: Path, scenario: str, processes: int, count: int
) -> Iterator[tuple[str, Outcome]]:
    records = bodies(scenario, count)
    path = f"/score/{scenario.split()[0]}-{processes}"
    query = "&".join(f"{name}={value}" for name, value in SCENARIOS[scenario].items())
    uri = f"{simulator}{path}?{query}"
    # Fresh processes each time: a limiter that has learned would flatter us.
    with started_hosts(processes, storage, scratch) as hosts:
        put_skill(hosts[0], uri)
        reset_calls(simulator)
        yield "ours", counted(asyncio.run(through_gateway(hosts, records)), simulator, path)
    reset_calls(simulator)
    yield "AML skill's policy", counted(asyncio.run(through_aml_skill(uri, processes, records)), simulator, path)


def counted(outcome: Outcome, simulator: str, path: str) -> Outcome:
    return replace(outcome, calls=calls_counted(simulator, path))


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--records", type=int, default=2000)
    parser.add_argument("--processes", type=int, nargs="+", default=[1, 2, 4])
    options = parser.parse_args()
    print("| endpoint | processes | policy | enriched | calls a record | seconds | longest request | sent again |")
    print("|---|---|---|---|---|---|---|---|")
    missed = 0
    with contextlib.ExitStack() as stack:
        scratch = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        storage = stack.enter_context(started_azurite(scratch))
        simulator = stack.enter_context(started_simulator(scratch))
        for scenario in SCENARIOS:
            for processes in options.processes:
                for policy, found in measure(simulator, storage, scratch, scenario, processes, options.records):
                    longest = f"{found.longest_request:.1f} s" if found.longest_request else "–"
                    print(
                        f"| {scenario} | {processes} | {policy} | {100 * found.share:.2f} % | {found.calls_a_record:.2f} "
                        f"| {found.seconds:.1f} | {longest} | {found.sent_again} |",
                        flush=True,
                    )
                    if policy == "ours":
                        missed += found.share < 0.99 or found.longest_request > ROUTE_DEADLINE + 1
                        for message, times in found.errors.items():
                            print(f"  {times} × {message}", file=sys.stderr)
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
