"""Does step 2 fit BG/NBD as published, and does the whole pipeline score every customer?"""

import csv
import json
import math
import time
from pathlib import Path
from typing import Any

import pytest

from tests.samples.customer_value import evaluate, run

PUBLISHED = "score.Model(r=0.243, alpha=4.414, a=0.793, b=2.426)"
COLUMNS = [
    *("customer_id", "frequency", "recency", "age"),
    *("expected_purchases", "probability_alive", "average_order", "expected_spend"),
]


@pytest.fixture(scope="module")
def scored(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """The whole pipeline over all transactions, once."""
    folder = tmp_path_factory.mktemp("pipeline")
    started = time.monotonic()
    run("transactions.py", folder / "cdnow.csv").check_returncode()
    summary = ("--summary", folder / "summary.csv")
    run("steps/summarize.py", "--transactions", folder / "cdnow.csv", *summary).check_returncode()
    (folder / "scores").mkdir()
    result = run("steps/score.py", *summary, "--scores", folder / "scores", "--horizon_days", "90")
    result.check_returncode()
    seconds = time.monotonic() - started
    rows = list(csv.DictReader((folder / "scores" / "customer_value.csv").read_text().splitlines()))
    return {"rows": rows, "seconds": seconds, "fit": json.loads(result.stdout)}


def test_the_fit_to_the_published_sample_gives_the_published_parameters() -> None:
    """Fader, Hardie and Lee 2005, table 2: r 0.243, alpha 4.414, a 0.793, b 2.426, log-likelihood -9582.4."""
    fit = evaluate("""
import csv, dataclasses
from importlib.metadata import distribution
with open(str(distribution("lifetimes").locate_file("lifetimes/datasets/cdnow_customers_summary.csv"))) as file:
    rows = list(csv.DictReader(file))
columns = (np.array([float(row[name]) for row in rows]) for name in ("frequency", "recency", "T"))
print(json.dumps(dataclasses.asdict(score.fit(*columns))))
""")

    assert fit["customers"] == 2_357
    assert fit["model"] == pytest.approx({"r": 0.243, "alpha": 4.414, "a": 0.793, "b": 2.426}, abs=0.001)
    assert fit["log_likelihood"] == pytest.approx(-9582.4, abs=0.05)


def test_a_customer_s_expected_purchases_are_the_published_ones() -> None:
    """Fader, Hardie and Lee's note on Excel: x = 2, t_x = 30.43, T = 38.86, 39 weeks ahead: 1.226."""
    history = "np.array([2.0]), np.array([30.43]), np.array([38.86])"

    [expected] = evaluate(f"print(json.dumps({PUBLISHED}.expected_purchases({history}, 39.0).tolist()))")

    assert expected == pytest.approx(1.226, abs=0.001)


def test_a_busy_customer_s_numbers_stay_finite() -> None:
    """Where a power underflows and the hypergeometric series overflows; and where `a` is one."""
    history = "np.array([500.0, 0.0]), np.array([77.0, 0.0]), np.array([77.1, 77.0])"

    for a in (0.793, 1.0):
        model = f"score.Model(r=0.243, alpha=4.414, a={a}, b=2.426)"
        numbers = evaluate(f"print(json.dumps({model}.expected_purchases({history}, 52.0).tolist()))")

        assert all(math.isfinite(number) and number > 0 for number in numbers)
        assert numbers[0] > 100 * numbers[1]


def test_every_customer_has_one_row_with_his_own_id(scored: dict[str, Any]) -> None:
    ids = [row["customer_id"] for row in scored["rows"]]

    assert list(scored["rows"][0]) == COLUMNS
    assert len(ids) == len(set(ids)) == 23_570
    assert (ids[0], ids[-1]) == ("00001", "23570")


def test_all_numbers_are_finite_and_probabilities_are_such(scored: dict[str, Any]) -> None:
    for row in scored["rows"]:
        numbers = {name: float(row[name]) for name in COLUMNS[1:]}
        assert all(math.isfinite(number) and number >= 0 for number in numbers.values()), row
        assert numbers["probability_alive"] <= 1
        assert "." in row["expected_purchases"]


def test_the_whole_pipeline_takes_less_than_twenty_seconds(scored: dict[str, Any]) -> None:
    assert scored["seconds"] < 20
    assert scored["fit"]["customers"] == 23_570


def test_scores_without_customers_fail_with_one_line(tmp_path: Path) -> None:
    (tmp_path / "summary.csv").write_text("customer_id,frequency,recency,age,orders,spend\n")

    result = run("steps/score.py", "--summary", tmp_path / "summary.csv", "--scores", tmp_path / "scores.csv")

    assert (result.returncode, result.stderr) == (1, "score: summary.csv: there are no customers\n")
