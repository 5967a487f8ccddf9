"""The Python of docs/direct-reads.md, run as it stands there: only the account is another."""

import re
from pathlib import Path
from typing import Any

import pytest
from azure.data.tables import TableClient
from azure.storage.blob import ContainerClient

from tests.support.entities import publish

PAGE = Path(__file__).resolve().parents[2] / "docs" / "direct-reads.md"
CUSTOMERS = ("00001", "id/with#all?kinds%of'signs|~", "žluťoučký")
CSV = "id,order,score\n" + "".join(f"{customer},{order},{order / 2}\n" for customer in CUSTOMERS for order in (1, 2))


def run(index: int, azurite: str, entity: str, customer: str = CUSTOMERS[0]) -> dict[str, Any]:
    """What the names of the page's Python block stand for, once it has run on `entity`."""
    block = re.findall(r"```python\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)[index]
    for before, after in (
        ("entities/customervalue/", f"entities/{entity.lower()}/"),
        ('customer = "00001"', f"customer = {customer!r}"),
    ):
        block = block.replace(before, after)
    names: dict[str, Any] = {}
    code = re.sub(r"^from azure.*\n", "", block, flags=re.MULTILINE)
    names["DefaultAzureCredential"] = lambda: None
    names["ContainerClient"] = lambda url, name, credential: ContainerClient.from_connection_string(azurite, name)
    names["TableClient"] = lambda url, name, credential: TableClient.from_connection_string(azurite, name)
    exec(compile(code, str(PAGE), "exec"), names)  # our own page
    return names


@pytest.mark.parametrize("customer", CUSTOMERS)
@pytest.mark.parametrize("primary", ["id", "order"])
def test_one_customers_rows_come_from_the_table(azurite: str, customer: str, primary: str) -> None:
    entity = f"DirectTable{primary.capitalize()}"
    csv = CSV if primary == "order" else "id,order,score\n" + "".join(f"{each},1,0.5\n" for each in CUSTOMERS)
    publish(azurite, entity, csv, primary=primary)

    found = run(0, azurite, entity, customer)["found"]

    assert [row["score"] for row in found] == ([0.5, 1.0] if primary == "order" else [0.5])


def test_all_rows_come_from_parquet(azurite: str) -> None:
    publish(azurite, "DirectParquet", CSV, primary="order")

    table = run(1, azurite, "DirectParquet")["table"]

    assert sorted(set(table.column("CustomerId").to_pylist())) == sorted(CUSTOMERS)
    assert table.num_rows == 6


def test_a_column_may_be_called_as_what_an_import_counts_by(azurite: str) -> None:
    publish(azurite, "DirectLines", "id,_line,line\n00001,7,8\n00002,9,10\n")

    table = run(1, azurite, "DirectLines")["table"]

    assert (table.column("_line").to_pylist(), table.column("line").to_pylist()) == ([7, 9], [8, 10])
