"""The arithmetic of the comparison: order of rounds, ratios, verdicts, tables."""

import json
import os
import time
from pathlib import Path

import pytest

from benchmarks.measure import (
    Case,
    Goal,
    Sample,
    Samples,
    Spread,
    interleave,
    judge,
    measured,
    process_cpu,
    ratios,
    round_order,
)
from benchmarks.report import facts, goal_table, scenario_table, write_json
from benchmarks.skills import GOALS, SCENARIOS

OURS, RAW = Case("ours", 5), Case("raw", 5)
RATE = Goal("rate of raw", "20 ms", OURS, RAW, "rate", ">=", 0.8)


def samples(*wall_s: float, cpu_s: float = 1.0) -> list[Sample]:
    return [Sample(wall, cpu_s, 100) for wall in wall_s]


def test_rounds_run_forwards_and_backwards_in_turn() -> None:
    other = Case("other", 5)

    assert round_order([OURS, other, RAW], 0) == [OURS, other, RAW]
    assert round_order([OURS, other, RAW], 1) == [RAW, other, OURS]


def test_every_case_runs_once_a_round() -> None:
    ran: list[tuple[Case, int]] = []

    def run(case: Case, number: int) -> Sample:
        ran.append((case, number))
        return Sample(number + 1, 1, 1)

    got = interleave([OURS, RAW], 3, run)

    assert ran == [(OURS, 0), (RAW, 0), (RAW, 1), (OURS, 1), (OURS, 2), (RAW, 2)]
    assert [sample.wall_s for sample in got[RAW]] == [1, 2, 3]


def test_values_are_per_record() -> None:
    sample = Sample(wall_s=2, cpu_s=0.5, records=1000)

    assert sample.value("rate") == 500
    assert sample.value("wall") == 0.002
    assert sample.value("cpu") == 0.0005


def test_a_ratio_is_the_median_of_the_rounds_own_ratios() -> None:
    ours, raw = samples(2, 10, 5), samples(1, 10, 4)  # in the second round the machine was slow

    assert ratios(ours, raw, "wall") == Spread(1.25, 1.0, 2.0)
    assert ratios(ours, raw, "rate") == Spread(0.8, 0.5, 1.0)


def test_ratios_need_the_same_rounds() -> None:
    with pytest.raises(ValueError, match="zip"):
        ratios(samples(1), samples(1, 2), "wall")


@pytest.mark.parametrize(
    ("sense", "bound", "verdict"),
    [(">=", 0.5, "pass"), (">=", 0.51, "MISS"), ("<=", 0.5, "pass"), ("<=", 0.49, "MISS")],
)
def test_a_goal_is_judged_by_the_median(sense: str, bound: float, verdict: str) -> None:
    goal = Goal("", "20 ms", OURS, RAW, "rate", ">=" if sense == ">=" else "<=", bound)
    results = {"20 ms": {OURS: samples(2, 2, 8), RAW: samples(1, 1, 1)}}

    assert judge(goal, results) == (Spread(0.5, 0.125, 0.5), verdict)


@pytest.mark.parametrize("results", [{}, {"20 ms": {RAW: samples(1)}}])
def test_a_goal_without_a_side_is_not_measured(results: dict[str, Samples]) -> None:
    assert judge(RATE, results) == (None, "not measured")
    assert "not measured" in goal_table([RATE], results)


def test_a_scenario_shows_time_cpu_and_the_rate_against_raw() -> None:
    table = scenario_table({OURS: samples(0.5, 0.4, 0.8), RAW: samples(0.4, 0.4, 0.4)}, {5: RAW})

    assert "| ours P=5 | 5.00 (4.00-8.00) | 10000 | 0.80 (0.50-1.00) |" in table


def test_every_sample_and_verdict_is_written(tmp_path: Path) -> None:
    results = {"20 ms": {OURS: samples(2, 1), RAW: samples(1, 1)}}

    write_json(tmp_path / "new" / "out.json", facts("C"), results, [RATE])

    written = json.loads((tmp_path / "new" / "out.json").read_text())
    assert written["facts"]["endpoint"] == "C"
    assert written["scenarios"]["20 ms"][0]["rounds"][0] == {"wall_s": 2, "cpu_s": 1.0, "records": 100}
    assert written["goals"][0]["verdict"] == "MISS"


def test_every_goal_compares_cases_that_its_scenario_runs() -> None:
    cases = {scenario.name: scenario.cases for scenario in SCENARIOS}

    assert all({goal.ours, goal.base} <= set(cases[goal.scenario]) for goal in GOALS)


def test_work_is_measured_in_wall_and_cpu() -> None:
    wall, cpu = measured(lambda: time.sleep(0.02))

    assert wall >= 0.02
    assert cpu < wall


@pytest.mark.skipif(not hasattr(time, "pthread_getcpuclockid"), reason="no CPU clocks of other processes here")
def test_the_cpu_of_a_process_by_its_id_is_its_process_time() -> None:
    before = time.process_time()
    seen = process_cpu(os.getpid())

    assert before <= seen <= time.process_time()
