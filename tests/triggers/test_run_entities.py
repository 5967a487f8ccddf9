"""Required data that is an entity of our own: exported for the run to the datastore, where its pipeline reads it."""

import io
from typing import Any

import pyarrow.parquet as pq
import pytest

from tests.support.workshop import SCORES, Workshop, entity_of

PURCHASES = 'customer_id,date,quantity,amount,note\n00001,1997-01-01,1,11.77,\n00002,1997-01-12,5,77.00,"a, ""b"""\n'


@pytest.fixture(scope="module")
def purchases(workshop: Workshop) -> str:
    """An entity that holds what the sample's pipeline reads."""
    workshop.publish("purchases", {"purchases.csv": PURCHASES}, columns={"date": "Edm.String"})
    return entity_of("purchases")


def given(workshop: Workshop, run: dict[str, Any]) -> str:
    """Where the job was told to read."""
    [job] = workshop.jobs(run["workflow"])
    return str(job["inputs"]["transactions"]["uri"])


def test_an_entity_is_exported_as_csv_and_the_pipeline_reads_it(workshop: Workshop, purchases: str) -> None:
    run = workshop.wait_for(workshop.start("fed", requiredData={"transactions": {"entity": purchases}}), "succeeded")

    exported = workshop.read_file(given(workshop, run)).decode()
    assert given(workshop, run).endswith(f"/outputs/fed/in/{run['id']}/transactions/data.csv")
    assert not given(workshop, run).startswith(f"azureml://datastores/workspaceblobstore/paths/{run['output']['path']}")
    assert sorted(exported.splitlines()[1:])[0].startswith("00001,")
    assert '"a, ""b"""' in exported
    rows = {row["CustomerId"]: row for row in workshop.rows("fed")}
    assert (rows["00001"]["average_order"], rows["00002"]["average_order"]) == (11.77, 77.0)


def test_an_entity_is_exported_as_parquet_where_that_is_asked_for(workshop: Workshop, purchases: str) -> None:
    source = {"transactions": {"entity": purchases, "format": "parquet"}}

    run = workshop.wait_for(
        workshop.start("fed-parquet", {"s.csv": "customer_id\n1\n"}, requiredData=source), "succeeded"
    )

    table = pq.read_table(io.BytesIO(workshop.read_file(given(workshop, run))))
    rows = {row["customer_id"]: row for row in table.to_pylist()}
    assert given(workshop, run).endswith("data.parquet")
    assert rows["00002"] | {"CustomerId": None} == {
        "CustomerId": None,
        "customer_id": "00002",
        "date": "1997-01-12",
        "quantity": 5,
        "amount": 77.0,
        "note": 'a, "b"',
    }


def test_an_entity_that_nobody_has_made_yet_fails_the_run_with_its_name(workshop: Workshop) -> None:
    reply = workshop.save("starved", "?run=true", requiredData={"transactions": {"entity": "Nothing"}})

    if reply.status == 202:
        run = workshop.wait_for(reply.json["lastRun"]["id"], "failed")
        assert "Nothing" in run["error"]["message"]
        assert workshop.jobs("starved") == []
    else:
        assert "Nothing" in reply.body.decode()


def test_an_entity_without_rows_fails_the_run_and_says_what_to_run_first(workshop: Workshop) -> None:
    workshop.plan("empty", fault="noOutput")
    workshop.wait_for(workshop.start("empty"), "failed")

    source = {"transactions": {"entity": entity_of("empty")}}
    run = workshop.wait_for(workshop.start("hungry", requiredData=source), "failed")

    assert f"the entity {entity_of('empty')} has no rows yet" in run["error"]["message"]
    assert "run empty first" in run["error"]["message"]


def test_of_the_export_the_rows_are_those_that_readers_see_when_the_run_begins(
    workshop: Workshop, purchases: str
) -> None:
    for customer in ("00007", "00008"):
        rows = f"customer_id,date,amount\n{customer},1997-01-01,1.0\n"
        workshop.publish("growing", {"purchases.csv": rows}, columns={"date": "Edm.String"})

    source = {"transactions": {"entity": entity_of("growing")}}

    run = workshop.publish("late", {"scores.csv": SCORES}, requiredData=source)

    assert [line.split(",")[0] for line in workshop.read_file(given(workshop, run)).decode().splitlines()[1:]] == [
        "00008"
    ]


def test_the_review_shows_where_the_entity_will_lie(workshop: Workshop, purchases: str) -> None:
    review = workshop.save("fed", "?dryRun=true", requiredData={"transactions": {"entity": purchases}})

    given = review.json["job"]["properties"]["inputs"]["transactions"]
    path = "azureml://datastores/workspaceblobstore/paths/outputs/fed/in/{run}/transactions/data.csv"
    assert given == {"jobInputType": "uri_file", "uri": path}
