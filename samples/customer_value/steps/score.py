"""Step 2: who will buy again? The BG/NBD model, fitted to all customers, then asked about each.

    python score.py --summary summary.csv --scores scores/ [--horizon_days 90]

In:  customer_id,frequency,recency,age,orders,spend   (weeks; what step 1 writes)
Out: customer_id,frequency,recency,age,expected_purchases,probability_alive,average_order,expected_spend

`--scores` names a file, or a folder that is there, where the file is `customer_value.csv`.

Source: Fader, Hardie and Lee, "Counting Your Customers" the Easy Way: An Alternative to the Pareto/NBD Model, Marketing
Science 24(2), 2005. A customer buys at a rate of his own (gamma: r, alpha) and after each purchase stops for good with
a probability of his own (beta: a, b). x, t_x and T of the paper are frequency, recency and age.
"""

import argparse
import csv
import json
import sys
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
from scipy.optimize import minimize
from scipy.special import expit, gammaln, hyp2f1

COLUMNS = (
    "customer_id",
    "frequency",
    "recency",
    "age",
    "expected_purchases",
    "probability_alive",
    "average_order",
    "expected_spend",
)
FILE_NAME = "customer_value.csv"
DAYS_PER_WEEK = 7
# In the logarithm: far beyond any fit to real purchases, and finite.
_BOUNDS = [(-10.0, 10.0)] * 4
_NEAR_ONE = 1e-6


class BadSummary(Exception):
    """The input cannot be scored; the message says why."""


@dataclass(frozen=True)
class Customers:
    """Columns, in one order; the ids are text as in the file."""

    ids: Sequence[str]
    frequency: np.ndarray
    recency: np.ndarray
    age: np.ndarray
    orders: np.ndarray
    spend: np.ndarray


@dataclass(frozen=True)
class Model:
    """The four parameters; times are weeks."""

    r: float
    alpha: float
    a: float
    b: float

    def log_likelihood(self, x: np.ndarray, t_x: np.ndarray, age: np.ndarray) -> np.ndarray:
        """Of each customer. Source: the paper's equation 6, as its note on Excel takes it apart."""
        rate = gammaln(self.r + x) - gammaln(self.r) + self.r * np.log(self.alpha)
        dropout = gammaln(self.a + self.b) + gammaln(self.b + x) - gammaln(self.b) - gammaln(self.a + self.b + x)
        still_here = -(self.r + x) * np.log(self.alpha + age)
        return rate + dropout + still_here + np.logaddexp(0, self._odds_of_gone(x, t_x, age))

    def probability_alive(self, x: np.ndarray, t_x: np.ndarray, age: np.ndarray) -> np.ndarray:
        """That the customer has not stopped for good; 1 for who bought once, as the model has it."""
        return expit(-self._odds_of_gone(x, t_x, age))

    def expected_purchases(self, x: np.ndarray, t_x: np.ndarray, age: np.ndarray, horizon: float) -> np.ndarray:
        """In the next `horizon` weeks. Source: the paper's equation 10.

        After Euler's transformation of 2F1, so that a power which underflows does not meet a series that overflows.
        """
        a = self.a if abs(self.a - 1) > _NEAR_ONE else 1 + _NEAR_ONE
        z = horizon / (self.alpha + age + horizon)
        series = hyp2f1(a + self.b - 1 - self.r, a - 1, a + self.b + x - 1, z)
        if_alive = (a + self.b + x - 1) / (a - 1) * (1 - (1 - z) ** (a - 1) * series)
        return if_alive * self.probability_alive(x, t_x, age)

    def _odds_of_gone(self, x: np.ndarray, t_x: np.ndarray, age: np.ndarray) -> np.ndarray:
        """The logarithm of the odds; minus infinity for who bought once."""
        again = np.maximum(x, 1)
        odds = (
            np.log(self.a)
            - np.log(self.b + again - 1)
            + (self.r + x) * (np.log(self.alpha + age) - np.log(self.alpha + t_x))
        )
        return np.where(x > 0, odds, -np.inf)


@dataclass(frozen=True)
class Fit:
    model: Model
    log_likelihood: float
    customers: int


def fit(x: np.ndarray, t_x: np.ndarray, age: np.ndarray) -> Fit:
    """Maximum likelihood, over the logarithms of the parameters. Raises BadSummary if it does not converge."""
    histories, counts = np.unique(np.column_stack([x, t_x, age]), axis=0, return_counts=True)

    def cost(logarithms: np.ndarray) -> float:
        return float(-np.dot(counts, Model(*np.exp(logarithms)).log_likelihood(*histories.T)) / len(x))

    found = minimize(cost, np.zeros(4), method="L-BFGS-B", bounds=_BOUNDS, options={"ftol": 1e-12, "gtol": 1e-8})
    if not np.isfinite(found.fun):
        raise BadSummary(f"the model cannot be fitted to these customers: {found.message}")
    return Fit(Model(*(float(value) for value in np.exp(found.x))), -float(found.fun) * len(x), len(x))


def read_customers(summary: Path) -> Customers:
    with summary.open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    if not rows:
        raise BadSummary("there are no customers")
    numbers = {name: np.array([float(row[name]) for row in rows]) for name in rows[0] if name != "customer_id"}
    return Customers([row["customer_id"] for row in rows], **numbers)


def write_scores(customers: Customers, model: Model, horizon: float, target: Path) -> None:
    history = (customers.frequency, customers.recency, customers.age)
    alive = model.probability_alive(*history)
    purchases = model.expected_purchases(*history, horizon)
    average = customers.spend / (customers.frequency + 1)
    columns = zip(customers.ids, *history, purchases, alive, average, purchases * average, strict=True)
    with target.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(COLUMNS)
        for customer_id, frequency, *numbers in columns:
            writer.writerow([customer_id, int(frequency), *(f"{number:.6f}" for number in numbers)])


def main() -> int:
    parser = argparse.ArgumentParser(description="Score customers with the BG/NBD model.")
    parser.add_argument("--summary", type=Path, required=True)
    parser.add_argument("--scores", type=Path, required=True)
    parser.add_argument("--horizon_days", type=float, default=90)
    options = parser.parse_args()
    try:
        customers = read_customers(options.summary)
        fitted = fit(customers.frequency, customers.recency, customers.age)
    except BadSummary as error:
        print(f"score: {options.summary.name}: {error}", file=sys.stderr)
        return 1
    target = options.scores / FILE_NAME if options.scores.is_dir() else options.scores
    write_scores(customers, fitted.model, options.horizon_days / DAYS_PER_WEEK, target)
    print(json.dumps(asdict(fitted)))
    return 0


if __name__ == "__main__":
    sys.exit(main())
