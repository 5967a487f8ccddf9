"""Does step 1 tell frequency, recency and age as the literature does?"""

from datetime import date
from pathlib import Path

import pytest

from samples.customer_value.steps.summarize import BadTransactions, read_customers
from tests.samples.customer_value import evaluate, run

LINES = """customer_id,date,quantity,amount
0001,1997-01-01,1,10.00
0001,1997-01-15,1,5.00
0001,1997-01-15,2,2.50
0002,1997-02-01,1,7.00
0001,1997-12-01,1,99.00
""".splitlines()


def test_purchases_of_one_day_are_one_and_later_ones_are_left_out() -> None:
    end = date(1997, 1, 29)

    customers = read_customers(LINES, end)

    assert {id_: customer.summary(end) for id_, customer in customers.items()} == {"0001": (1, 2.0, 4.0, 3, 17.5)}


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        (["customer,date,amount"], "column customer_id is missing"),
        (["customer_id,date,amount"], "no transactions"),
        (["customer_id,date,amount", "1,yesterday,1"], "line 2: Invalid isoformat"),
        (["customer_id,date,amount", "1,1997-01-01,1", "1,1997-01-01"], "line 3"),
        (["customer_id,date,amount", ",1997-01-01,1"], "line 2: customer_id is empty"),
    ],
)
def test_bad_input_is_told_with_its_line(lines: list[str], message: str) -> None:
    with pytest.raises(BadTransactions, match=message):
        read_customers(lines, None)


def test_as_a_process_it_fails_with_one_line_that_names_the_file(tmp_path: Path) -> None:
    (tmp_path / "in.csv").write_text("a,b\n1,2\n")

    result = run("steps/summarize.py", "--transactions", tmp_path / "in.csv", "--summary", tmp_path / "out.csv")

    assert result.returncode == 1
    assert result.stderr == "summarize: in.csv: column customer_id, date, amount is missing; there are a, b\n"


def test_the_published_summary_of_the_sample_comes_out_of_its_transactions(tmp_path: Path) -> None:
    """The 1/10 sample's file has the ids of the master file and of the summary, which counts to 30 September 1997."""
    code = f"""
import csv, subprocess
from importlib.metadata import distribution
from pathlib import Path
data = Path(str(distribution("lifetimes").locate_file("lifetimes/datasets")))
with open({str(tmp_path / "sample.csv")!r}, "w") as file:
    file.write("customer_id,date,quantity,amount\\n")
    for line in (data / "CDNOW_sample.txt").read_text().splitlines():
        _, id_, day, quantity, amount = line.split()
        if id_.isdigit():
            file.write(f"{{id_}},{{day[:4]}}-{{day[4:6]}}-{{day[6:]}},{{quantity}},{{amount}}\\n")
with open(data / "cdnow_customers_summary.csv") as file:
    rows = [[int(r["ID"]), int(r["frequency"]), float(r["recency"]), float(r["T"])] for r in csv.DictReader(file)]
print(json.dumps(rows))
"""
    published = evaluate(code)

    run(
        "steps/summarize.py",
        "--until",
        "1997-09-30",
        "--transactions",
        tmp_path / "sample.csv",
        "--summary",
        tmp_path / "out.csv",
    )

    ours = [line.split(",")[:4] for line in (tmp_path / "out.csv").read_text().splitlines()[1:]]
    assert len(ours) == len(published) == 2_357
    for (id_, frequency, recency, age), expected in zip(ours, published, strict=True):
        assert (int(id_), int(frequency)) == tuple(expected[:2])
        assert (float(recency), float(age)) == pytest.approx(expected[2:], abs=0.006)
