"""Which purchases does the sample score? CDNOW's: everyone who first bought there in the first quarter of 1997.

    .venv-pipeline/bin/python samples/customer_value/transactions.py cdnow.csv

writes `customer_id,date,quantity,amount`: 69,659 purchases of 23,570 customers until 30 June 1998. Source: the data set
of Fader and Hardie (https://www.brucehardie.com/datasets/), shipped in the wheel of `lifetimes` in this shape, whose
ids keep their zeros:

     customer_id  date number_of_cds  dollar_value
     00001 19970101  1   11.77
"""

import argparse
import csv
from collections.abc import Iterator
from importlib.metadata import distribution
from pathlib import Path

COLUMNS = ("customer_id", "date", "quantity", "amount")
_FILE = "lifetimes/datasets/CDNOW_master.txt"


def master_file() -> Path:
    """Where the wheel's data file lies. The package itself is not imported: it would want pandas."""
    return Path(str(distribution("lifetimes").locate_file(_FILE)))


def transactions(master: Path) -> Iterator[tuple[str, str, str, str]]:
    with master.open(encoding="ascii") as lines:
        next(lines)
        for line in lines:
            customer_id, day, quantity, amount = line.split()
            yield customer_id, f"{day[:4]}-{day[4:6]}-{day[6:]}", quantity, amount


def write_transactions(master: Path, target: Path) -> int:
    """How many there were."""
    rows = list(transactions(master))
    with target.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(COLUMNS)
        writer.writerows(rows)
    return len(rows)


def main() -> None:
    parser = argparse.ArgumentParser(description="Write CDNOW's purchases as CSV.")
    parser.add_argument("target", type=Path)
    target = parser.parse_args().target
    print(f"{write_transactions(master_file(), target)} transactions in {target}")


if __name__ == "__main__":
    main()
