"""Are the sample's transactions CDNOW's, whole and with their zeros?"""

import csv
from collections.abc import Iterator
from pathlib import Path

import pytest
from azure.storage.blob import BlobServiceClient

from samples.customer_value.datastore import BLOB, CONTAINER, store_transactions, write_transactions
from samples.customer_value.transactions import transactions
from tests.support.azurite import azurite

__all__ = ["azurite"]


@pytest.fixture(scope="module")
def rows(tmp_path_factory: pytest.TempPathFactory) -> list[dict[str, str]]:
    file = write_transactions(tmp_path_factory.mktemp("cdnow") / "cdnow.csv")
    return list(csv.DictReader(file.read_text(encoding="utf-8").splitlines()))


def test_there_are_69659_transactions_of_23570_customers(rows: list[dict[str, str]]) -> None:
    assert len(rows) == 69_659
    assert len({row["customer_id"] for row in rows}) == 23_570
    assert list(rows[0]) == ["customer_id", "date", "quantity", "amount"]


def test_ids_keep_their_zeros(rows: list[dict[str, str]]) -> None:
    assert rows[0] == {"customer_id": "00001", "date": "1997-01-01", "quantity": "1", "amount": "11.77"}
    assert {len(row["customer_id"]) for row in rows} == {5}


def test_dates_are_those_of_the_study(rows: list[dict[str, str]]) -> None:
    assert (min(row["date"] for row in rows), max(row["date"] for row in rows)) == ("1997-01-01", "1998-06-30")


def test_a_line_that_is_not_a_transaction_is_an_error(tmp_path: Path) -> None:
    file = tmp_path / "master.txt"
    file.write_text(" customer_id  date number_of_cds  dollar_value\n 00001 19970101  1\n")

    read: Iterator[tuple[str, str, str, str]] = transactions(file)
    with pytest.raises(ValueError, match="not enough values"):
        list(read)


def test_they_are_stored_once_where_a_workflow_reads_them(azurite: str) -> None:
    references = [store_transactions(azurite) for _ in range(2)]

    assert references == ["azureml://datastores/workspaceblobstore/paths/samples/cdnow.csv"] * 2
    with BlobServiceClient.from_connection_string(azurite) as service:
        text = service.get_blob_client(CONTAINER, BLOB).download_blob().readall()
    assert text.count(b"\n") == 69_660
