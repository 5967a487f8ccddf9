"""How are variants compared fairly on a noisy machine? In interleaved rounds, by the median of their ratios.

All cases of a scenario run one after the other within a round, every other round backwards, so that a drift
of the machine meets all of them. A ratio is taken within a round; reported are its median and its range.
"""

import gc
import statistics
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, Protocol, Self

type Quantity = Literal["rate", "wall", "cpu"]


@dataclass(frozen=True)
class Job:
    """One run: score these records (JSON bodies) on `url`, at most `parallelism` calls at a time."""

    url: str
    parallelism: int
    records: list[bytes]
    per_call: int = 1  # records a call; only ours can do more than one


@dataclass(frozen=True)
class Sample:
    """What one run took, in seconds of wall clock and of the process' CPU (all threads, user + system)."""

    wall_s: float
    cpu_s: float
    records: int

    def value(self, quantity: Quantity) -> float:
        """`rate` in records/s, `wall` and `cpu` in seconds a record."""
        match quantity:
            case "rate":
                return self.records / self.wall_s
            case "wall":
                return self.wall_s / self.records
            case "cpu":
                return self.cpu_s / self.records


class Runner(Protocol):
    """A variant in a process of its own."""

    def run(self, job: Job) -> Sample: ...

    def close(self) -> None: ...


@dataclass(frozen=True)
class Spread:
    """A median and its range over the rounds."""

    median: float
    low: float
    high: float

    @classmethod
    def of(cls, values: Sequence[float]) -> Self:
        return cls(statistics.median(values), min(values), max(values))

    def __str__(self) -> str:
        return f"{self.median:.2f} ({self.low:.2f}-{self.high:.2f})"


@dataclass(frozen=True)
class Case:
    """A variant at one parallelism and one number of records a call."""

    variant: str
    parallelism: int
    per_call: int = 1

    @property
    def label(self) -> str:
        return f"{self.variant} P={self.parallelism}" + (f" x{self.per_call}" if self.per_call > 1 else "")


@dataclass(frozen=True)
class Goal:
    """A bound for `ours` divided by `base`, both of one scenario."""

    text: str
    scenario: str
    ours: Case
    base: Case
    quantity: Quantity
    sense: Literal[">=", "<="]
    bound: float

    def met(self, ratio: float) -> bool:
        return ratio >= self.bound if self.sense == ">=" else ratio <= self.bound


type Samples = dict[Case, list[Sample]]


def round_order(cases: Sequence[Case], number: int) -> list[Case]:
    """Forwards in even rounds, backwards in odd ones."""
    return list(cases) if number % 2 == 0 else list(reversed(cases))


def interleave(cases: Sequence[Case], rounds: int, run: Callable[[Case, int], Sample]) -> Samples:
    """Run every case once a round; the n-th samples of all cases are of one round."""
    samples: Samples = {case: [] for case in cases}
    for number in range(rounds):
        for case in round_order(cases, number):
            samples[case].append(run(case, number))
    return samples


def ratios(ours: Sequence[Sample], base: Sequence[Sample], quantity: Quantity) -> Spread:
    """`ours` divided by `base`, round by round."""
    pairs = zip(ours, base, strict=True)
    return Spread.of([mine.value(quantity) / theirs.value(quantity) for mine, theirs in pairs])


def judge(goal: Goal, results: Mapping[str, Samples]) -> tuple[Spread | None, str]:
    """The ratio that a goal is about and `pass` or `MISS`; None and `not measured` if a side did not run."""
    samples = results.get(goal.scenario, {})
    if goal.ours not in samples or goal.base not in samples:
        return None, "not measured"
    spread = ratios(samples[goal.ours], samples[goal.base], goal.quantity)
    return spread, "pass" if goal.met(spread.median) else "MISS"


def measured(work: Callable[[], object], cpu_clock: Callable[[], float] = time.process_time) -> tuple[float, float]:
    """Wall and CPU seconds of `work`; garbage of former runs is collected before."""
    gc.collect()
    wall, cpu = time.perf_counter(), cpu_clock()
    work()
    return time.perf_counter() - wall, cpu_clock() - cpu


def process_cpu(pid: int) -> float:
    """CPU seconds another process has used (all threads, user + system), to the nanosecond. Linux only."""
    return time.clock_gettime((~pid << 3) | 2)  # what clock_getcpuclockid(3) returns
