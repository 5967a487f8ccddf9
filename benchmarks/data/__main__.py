"""Do rows go in and come out near what is physically possible, and how far from what one would write instead?

    python -m benchmarks.data [--rounds 3] [--quick] [--only write limited processes azurite memory read top]

Starts its own Table service, Azurite and processes on loopback, stops them, and exits with 1 if a goal is missed.
"""

import argparse
import asyncio
import contextlib
import signal
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from benchmarks.data.process import Result, Worker
from benchmarks.data.readers import ReadJob, publish_table
from benchmarks.data.service import TableService, started_table_service
from benchmarks.data.source import ROWS_OF_A_CUSTOMER, customer_of, write_csv
from benchmarks.data.table_store import ACCOUNT_RATE, BURST_SECONDS
from benchmarks.data.tops import TopJob
from benchmarks.data.writers import WriteJob
from benchmarks.host import started_azurite
from benchmarks.measure import Case, Goal, Quantity, Sample, Samples, Spread, interleave, judge, ratios
from benchmarks.report import facts

PACKAGES = ("azure-data-tables", "azure-core", "aiohttp", "orjson", "pyarrow", "uvloop")
SECTIONS = ("write", "limited", "processes", "azurite", "memory", "read", "top")
CSV = Path(tempfile.gettempdir()) / "aml-bridge-bench"
OURS, TRANSACTIONS, UPSERTS, RAW, CEILING = "ours", "SDK transactions", "SDK upserts", "raw", "the account's ceiling"
ONE, TWO = "one process", "two processes"
SCAN = "scan of the table"
QUERY_ALONE, SDK_QUERY, RAW_QUERY = "ours, query alone", "SDK query", "raw query"
SIZES = (10_000, 100_000, 1_000_000)
CUSTOMERS = 300
MOST_MB = 260


def case(name: str) -> Case:
    return Case(name, 1)


def goal(text: str, section: str, base: str, quantity: Quantity, bound: float, ours: str = OURS) -> Goal:
    return Goal(text, section, case(ours), case(base), quantity, ">=" if quantity == "rate" else "<=", bound)


def sized(name: str, rows: int) -> str:
    return f"{name}, {rows:,} rows"


GOALS = (
    goal("rate of SDK transactions", "write", TRANSACTIONS, "rate", 25),
    goal("rate of SDK upserts", "write", UPSERTS, "rate", 70),
    goal("rate of the account's ceiling", "limited", CEILING, "rate", 0.9),
    goal("rate of one process with two", "processes", ONE, "rate", 1.7, TWO),
    goal("rate of SDK transactions on Azurite", "azurite", TRANSACTIONS, "rate", 4),
    *(goal(f"time of a raw query, {rows:,} rows", "read", sized(RAW_QUERY, rows), "wall", 1.3, sized(OURS, rows))
      for rows in SIZES),
    *(goal(f"time of the SDK's query, {rows:,} rows", "read", sized(SDK_QUERY, rows), "wall", 0.7, sized(OURS, rows))
      for rows in SIZES),
    goal("time of a scan of the table, top 1,000 by a score", "top", SCAN, "wall", 0.1),
    goal("time at 1,000,000 rows of that at 10,000", "read", sized(OURS, SIZES[0]), "wall", 1.3, sized(OURS, SIZES[2])),
)  # fmt: skip


@dataclass(frozen=True)
class Scale:
    """How much is measured."""

    rounds: int = 3
    rows: int = 100_000
    batched: int = 5_000
    single: int = 500
    azurite: int = 10_000
    large: int = 1_000_000
    sizes: Sequence[int] = SIZES
    customers: int = CUSTOMERS
    top: int = 1_000


QUICK = Scale(1, 3_000, 500, 50, 1_000, 6_000, (1_000, 2_000, 3_000), 20, 100)


@dataclass(frozen=True)
class Finding:
    """A goal that is no ratio of rates."""

    text: str
    bound: str
    found: str
    is_met: bool


@dataclass
class Bench:
    """What is running, and what was found."""

    scale: Scale
    stack: contextlib.ExitStack
    service: TableService
    results: dict[str, Samples] = field(default_factory=dict)
    findings: list[Finding] = field(default_factory=list)
    _tables: int = 0

    def worker(self, variant: str) -> Worker:
        worker = Worker(variant)
        self.stack.callback(worker.close)
        return worker

    def table(self) -> str:
        self._tables += 1
        return f"Bench{self._tables:04d}"

    def measure(self, section: str, cases: Sequence[str], run: Callable[[str], Sample]) -> None:
        def announced(each: Case, number: int) -> Sample:
            sample = run(each.variant)
            rate = sample.value("rate")
            print(f"  {section}, round {number + 1}: {each.variant} {rate:,.0f}/s", file=sys.stderr)
            return sample

        self.results[section] = interleave([case(name) for name in cases], self.scale.rounds, announced)

    def check_rows(self, table: str, wanted: int) -> None:
        if (written := sum(self.service.rows(table).values())) != wanted:
            raise RuntimeError(f"{written} of {wanted} rows were written")


def source(rows: int) -> Path:
    CSV.mkdir(exist_ok=True)
    return write_csv(CSV / f"{rows}.csv", rows)


def measure_writes(bench: Bench) -> None:
    """From file to acknowledged rows, on a service without limits."""
    scale = bench.scale
    rows = {OURS: scale.rows, RAW: scale.rows, TRANSACTIONS: scale.batched, UPSERTS: scale.single}
    workers = {name: bench.worker(f"write: {name}") for name in rows}

    def run(name: str) -> Sample:
        return write(bench, workers[name], rows[name])

    for name in rows:
        run(name)  # warm
    bench.measure("write", list(rows), run)


def write(bench: Bench, worker: Worker, rows: int, *, limited: bool = False) -> Sample:
    bench.service.reset(limited=limited)
    table = bench.table()
    result = worker.run(WriteJob(bench.service.connection, source(rows), table, rows))
    bench.check_rows(table, rows)
    return result.sample


def measure_limited(bench: Bench) -> None:
    """An account that takes 20,000 rows a second, 2,000 in a partition. What it gives at once, beyond its rate, is
    not held in ours' favour."""
    worker, rows = bench.worker(f"write: {OURS}"), bench.scale.rows
    ceiling = Sample((rows - ACCOUNT_RATE * BURST_SECONDS) / ACCOUNT_RATE, 0, rows)
    bench.measure("limited", [OURS, CEILING], lambda name: write_limited(bench, worker, ceiling, name))


def write_limited(bench: Bench, worker: Worker, ceiling: Sample, name: str) -> Sample:
    return ceiling if name == CEILING else write(bench, worker, ceiling.records, limited=True)


def measure_processes(bench: Bench) -> None:
    """The parts of one file, planned before, in one process and in two."""
    workers = [bench.worker(f"write: {OURS}") for _ in range(2)]
    rows = bench.scale.large

    def run(name: str) -> Sample:
        bench.service.reset()
        table, some = bench.table(), workers if name == TWO else workers[:1]
        for share, worker in enumerate(some):
            connection = bench.service.connection
            worker.start(WriteJob(connection, source(rows), table, rows, share, len(some), is_planned=True))
        samples = [worker.result().sample for worker in some]
        bench.check_rows(table, rows)
        return Sample(max(each.wall_s for each in samples), sum(each.cpu_s for each in samples), rows)

    bench.measure("processes", [ONE, TWO], run)


def measure_azurite(bench: Bench) -> None:
    """The same against Microsoft's emulator, which is the bottleneck of ours."""
    rows = {OURS: bench.scale.azurite, TRANSACTIONS: bench.scale.azurite}
    workers = {name: bench.worker(f"write: {name}") for name in rows}
    scratch = Path(bench.stack.enter_context(tempfile.TemporaryDirectory()))
    with started_azurite(scratch) as connection:

        def run(name: str) -> Sample:
            return workers[name].run(WriteJob(connection, source(rows[name]), bench.table(), rows[name])).sample

        bench.measure("azurite", list(rows), run)


def measure_memory(bench: Bench) -> None:
    """The most that a fresh process ever held."""
    peaks = {rows: fresh_import(bench, rows).peak_mb for rows in (bench.scale.rows, bench.scale.large)}
    small, large = peaks.values()
    text = f"memory at {bench.scale.large:,} rows"
    bench.findings += [
        Finding(f"{text} of that at {bench.scale.rows:,}", "<= 1.1", f"{large / small:.2f}", large <= 1.1 * small),
        Finding(text, f"< {MOST_MB} MB", f"{large:.0f} MB", large < MOST_MB),
    ]


def fresh_import(bench: Bench, rows: int) -> Result:
    bench.service.reset()
    with contextlib.closing(Worker(f"write: {OURS}")) as worker:
        return worker.run(WriteJob(bench.service.connection, source(rows), bench.table(), rows))


def measure_reads(bench: Bench) -> None:
    """A customer's rows, out of tables of several sizes."""
    bench.service.reset(keep=True)
    tables = {rows: filled_table(bench, rows) for rows in bench.scale.sizes}
    names = (OURS, QUERY_ALONE, SDK_QUERY, RAW_QUERY)
    workers = {name: bench.worker(f"read: {name}") for name in names}
    # Goals name the full sizes: the quick ones stand in for them.
    places = {
        sized(name, shown): (name, rows) for shown, rows in zip(SIZES, bench.scale.sizes, strict=True) for name in names
    }

    def run(place: str) -> Sample:
        name, rows = places[place]
        return workers[name].run(read_job(bench, tables[rows], rows, bench.scale.customers)).sample

    bench.findings += round_trips(bench, workers[OURS], tables)
    bench.measure("read", list(places), run)


def filled_table(bench: Bench, rows: int) -> str:
    table = bench.table()
    worker = bench.worker(f"write: {OURS}")
    worker.run(WriteJob(bench.service.connection, source(rows), table, rows))
    bench.check_rows(table, rows)
    asyncio.run(publish_table(bench.service.connection, table, rows))
    return table


def read_job(bench: Bench, table: str, rows: int, customers: int) -> ReadJob:
    step = max(rows // customers // ROWS_OF_A_CUSTOMER, 1) * ROWS_OF_A_CUSTOMER
    chosen = tuple(customer_of(index * step % rows) for index in range(customers))
    return ReadJob(bench.service.connection, table, chosen)


def round_trips(bench: Bench, worker: Worker, tables: dict[int, str]) -> Iterator[Finding]:
    """Requests that one read takes: the first of a process, and those after it."""
    rows, table = next(iter(tables.items()))
    counts = []
    for customers in (1, 11):
        before = sum(bench.service.requests().values())
        worker.run(read_job(bench, table, rows, customers))
        counts.append(sum(bench.service.requests().values()) - before)
    warm = (counts[1] - counts[0]) / 10
    cold = counts[0] - warm
    yield Finding("round trips of a read, warm", "<= 1", f"{warm:g}", warm <= 1)
    yield Finding("round trips of a read, cold", "<= 2", f"{cold:g}", cold <= 2)


def measure_top(bench: Bench) -> None:
    """The rows of the highest score, from Parquet in memory, against a scan of the table."""
    bench.service.reset(keep=True)
    rows = bench.scale.large
    job = TopJob(bench.service.connection, source(rows), filled_table(bench, rows), rows, bench.scale.top)
    workers = {name: bench.worker(f"top: {name}") for name in (OURS, SCAN)}
    workers[OURS].run(job)  # writes the files first
    bench.measure("top", [OURS, SCAN], lambda name: workers[name].run(job).sample)


MEASURES = (
    measure_writes,
    measure_limited,
    measure_processes,
    measure_azurite,
    measure_memory,
    measure_reads,
    measure_top,
)


def section_table(samples: Samples) -> str:
    """A section in Markdown; ratios are rates against the first case."""
    first = next(iter(samples.values()))
    lines = ["| case | rows or reads/s | CPU µs each | rate against the first |", "|---|---|---|---|"]
    for each, runs in samples.items():
        rate = Spread.of([run.value("rate") for run in runs])
        cpu = Spread.of([run.value("cpu") * 1e6 for run in runs])
        shown = f"{rate.median:,.0f} ({rate.low:,.0f}-{rate.high:,.0f})"
        lines.append(f"| {each.variant} | {shown} | {cpu.median:.1f} | {_ratio(runs, first)} |")
    return "\n".join(lines)


def _ratio(runs: list[Sample], first: list[Sample]) -> str:
    spread = ratios(runs, first, "rate")
    return f"{spread.median:.3g} ({spread.low:.3g}-{spread.high:.3g})"


def goals_table(results: dict[str, Samples], findings: Sequence[Finding]) -> tuple[str, bool]:
    """In Markdown, and whether all that was measured is met."""
    lines = ["| goal | bound | median (range) | |", "|---|---|---|---|"]
    verdicts = []
    for each in GOALS:
        spread, verdict = judge(each, results)
        verdicts.append(verdict)
        lines.append(f"| {each.text} | {each.sense} {each.bound:g} | {spread or ''} | {verdict} |")
    for finding in findings:
        verdicts.append("pass" if finding.is_met else "MISS")
        lines.append(f"| {finding.text} | {finding.bound} | {finding.found} | {verdicts[-1]} |")
    return "\n".join(lines), "MISS" not in verdicts


def parsed(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.data", description="Rows in and out, and their peers.")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--quick", action="store_true", help="one round of a few rows: a try, no figures")
    parser.add_argument("--only", nargs="+", choices=SECTIONS, default=SECTIONS)
    return parser.parse_args(arguments)


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure and print; 0 if every measured goal is met."""
    options = parsed(arguments)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # so that everything started is stopped
    scale = QUICK if options.quick else Scale(options.rounds)
    with started_table_service() as service, contextlib.ExitStack() as stack:
        bench = Bench(scale, stack, service)
        for section, measure in zip(SECTIONS, MEASURES, strict=True):
            if section in options.only:
                measure(bench)
        about = {**facts("mock Table service on uvloop", PACKAGES), "run": f"{scale.rounds} rounds"}
    table, is_met = goals_table(bench.results, bench.findings)
    print("\n".join(f"- {name}: {value}" for name, value in about.items()), table, sep="\n\n")
    for section, samples in bench.results.items():
        print(f"\n### {section}\n\n{section_table(samples)}")
    return 0 if is_met else 1


if __name__ == "__main__":
    sys.exit(main())
