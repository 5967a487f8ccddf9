"""Step 1: what did each customer do? Purchases in, one row a customer out, by customer id.

    python summarize.py --transactions cdnow.csv --summary summary.csv [--until 1997-09-30]

In:  customer_id,date,quantity,amount   (columns are found by name; dates are YYYY-MM-DD)
Out: customer_id,frequency,recency,age,orders,spend

As in the literature on buy-till-you-die models: purchases of one day are one; `frequency` counts the days after the
first; `recency` is the time from first to last, `age` from first to the end of the observation, both in weeks.
"""

import argparse
import csv
import sys
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path

IN_COLUMNS = ("customer_id", "date", "amount")
OUT_COLUMNS = ("customer_id", "frequency", "recency", "age", "orders", "spend")
DAYS_PER_WEEK = 7


class BadTransactions(Exception):
    """The input cannot be summarized; the message says where and why."""


@dataclass(slots=True)
class Customer:
    days: set[date] = field(default_factory=set)
    orders: int = 0
    spend: float = 0.0

    def buy(self, day: date, amount: float) -> None:
        self.days.add(day)
        self.orders += 1
        self.spend += amount

    def summary(self, end: date) -> tuple[int, float, float, int, float]:
        first, last = min(self.days), max(self.days)
        return len(self.days) - 1, weeks(first, last), weeks(first, end), self.orders, self.spend


def weeks(start: date, end: date) -> float:
    return (end - start).days / DAYS_PER_WEEK


def read_customers(lines: Iterable[str], until: date | None) -> dict[str, Customer]:
    """Purchases after `until` are left out. Raises BadTransactions."""
    customers: dict[str, Customer] = {}
    for customer_id, day, amount in purchases(csv.DictReader(lines)):
        if until is None or day <= until:
            customers.setdefault(customer_id, Customer()).buy(day, amount)
    if not customers:
        raise BadTransactions("there are no transactions")
    return customers


def purchases(rows: "csv.DictReader[str]") -> Iterator[tuple[str, date, float]]:
    missing = [name for name in IN_COLUMNS if name not in (rows.fieldnames or ())]
    if missing:
        raise BadTransactions(f"column {', '.join(missing)} is missing; there are {', '.join(rows.fieldnames or ())}")
    for row in rows:
        try:
            yield purchase(row)
        except (TypeError, ValueError) as error:
            raise BadTransactions(f"line {rows.line_num}: {error}") from error


def purchase(row: Mapping[str, str]) -> tuple[str, date, float]:
    if not row["customer_id"]:
        raise ValueError("customer_id is empty")
    return row["customer_id"], date.fromisoformat(row["date"]), float(row["amount"])


def write_summary(customers: Mapping[str, Customer], until: date | None, target: Path) -> None:
    end = until or max(day for customer in customers.values() for day in customer.days)
    with target.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(OUT_COLUMNS)
        for customer_id in sorted(customers):
            frequency, recency, age, orders, spend = customers[customer_id].summary(end)
            writer.writerow([customer_id, frequency, f"{recency:.6f}", f"{age:.6f}", orders, f"{spend:.2f}"])


def main() -> int:
    parser = argparse.ArgumentParser(description="Summarize purchases, one row a customer.")
    parser.add_argument("--transactions", type=Path, required=True)
    parser.add_argument("--summary", type=Path, required=True)
    parser.add_argument("--until", type=date.fromisoformat, help="end of the observation; default the last purchase")
    options = parser.parse_args()
    try:
        with options.transactions.open(encoding="utf-8-sig", newline="") as lines:
            customers = read_customers(lines, options.until)
    except (BadTransactions, UnicodeDecodeError) as error:
        print(f"summarize: {options.transactions.name}: {error}", file=sys.stderr)
        return 1
    write_summary(customers, options.until, options.summary)
    print(f"{len(customers)} customers")
    return 0


if __name__ == "__main__":
    sys.exit(main())
