"""The routes under `/api/customers`, through the host and Azurite."""

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import quote

import pytest

from shared.entities.retention import SnapshotStores
from shared.storage.blobs import connect as connect_blobs
from shared.storage.runs import TableRuns
from shared.storage.tables import connect as connect_tables
from shared.workflows.catalog import StoredWorkflow
from shared.workflows.refreshing import Claim
from shared.workflows.runs import RunStatus, Trigger, TriggerKind, new_run, new_run_id
from tests.support.bridge import Bridge
from tests.support.entities import in_storage, publish
from tests.support.identity import no_identity
from tests.triggers.test_connections import connection
from tests.triggers.test_skills import error_of
from tests.triggers.test_workflows import workflow

IDS = (
    "O'Neil",
    "two  words ",
    "Zoë 北京 🙂",
    "a/b\\c",
    "100%",
    "%41",
    "a%20b",
    "x?y#z&w=v+u",
    '(1)"',
    "lookup",
    "~a|b",
)
LONG = "x" * 40_000
CONTAINER = "azureml-blobstore"


@pytest.fixture(scope="module", autouse=True)
def no_other_entities(azurite: str) -> None:
    """An erasure goes through all there are, and other tests leave some whose tables never were."""

    async def forget() -> None:
        async with connect_tables(azurite, "", no_identity) as tables:
            await tables.delete_table("bridgeentities")

    asyncio.run(forget())


def address(customer: str) -> str:
    return f"customers/{quote(customer, safe='')}"


def found(bridge: Bridge, customer: str) -> dict[str, list[int]]:
    """The numbers in the customer's rows, by entity; empty where they are not found."""
    reply = bridge.call("GET", address(customer))
    assert reply.status in (200, 404), reply.body
    entities = reply.json["entities"] if reply.status == 200 else {}
    return {name: [row["n"] for row in rows] for name, rows in entities.items()}


def erase(bridge: Bridge, customer: str) -> dict[str, Any]:
    reply = bridge.call("DELETE", address(customer))
    assert reply.status == 200, reply.body
    told: dict[str, Any] = reply.json
    return told


def csv(*customers: str) -> str:
    lines = [f'"{customer.replace('"', '""')}",{number}' for number, customer in enumerate(customers)]
    return "\n".join(["id,n", *lines]) + "\n"


def everything(azurite: str) -> str:
    """All that the account holds in tables and blobs, as text."""

    async def read() -> str:
        texts: list[str] = []
        async with connect_tables(azurite, "", no_identity) as tables, connect_blobs(azurite, "", no_identity) as blobs:
            async for table in tables.list_tables():
                texts += [str(dict(row)) async for row in tables.get_table_client(table.name).list_entities()]
            async for container in blobs.list_containers():
                client = blobs.get_container_client(container.name)
                async for blob in client.list_blobs():
                    texts += [blob.name, str(await (await client.download_blob(blob.name)).readall())]
        return "\n".join(texts)

    return asyncio.run(read())


# Reading


@pytest.mark.parametrize("customer", IDS)
def test_a_customers_rows_are_told_across_entities(bridge: Bridge, azurite: str, customer: str) -> None:
    publish(azurite, "ViewOne", csv(*IDS))
    publish(azurite, "ViewTwo", f'id,order,n\n"{customer.replace('"', '""')}",o1,7\n', primary="order")

    reply = bridge.call("GET", address(customer))

    filtered = bridge.call("GET", f"data/ViewOne?$filter={quote(f"CustomerId eq '{customer.replace("'", "''")}'")}")
    assert reply.json["customerId"] == customer
    assert reply.json["entities"]["ViewOne"] == filtered.json["value"]
    assert [row["order"] for row in reply.json["entities"]["ViewTwo"]] == ["o1"]


def test_an_id_that_no_path_can_say_is_said_in_the_query(bridge: Bridge, azurite: str) -> None:
    publish(azurite, "Queried", csv("a%2Fb", "a/b", ".."))

    assert bridge.call("GET", "customers/-?customerId=a%252Fb").json["customerId"] == "a%2Fb"
    assert bridge.call("GET", "customers/-?customerId=..").json["customerId"] == ".."
    assert bridge.call("GET", "customers/a%2Fb").json["customerId"] == "a/b"


def test_without_rows_a_customer_is_a_404_that_does_not_name_them(bridge: Bridge) -> None:
    reply = bridge.call("GET", "customers/sentinel-of-nobody")

    assert (reply.status, error_of(reply)["code"]) == (404, "NotFound")
    assert b"sentinel" not in reply.body


def test_a_thousand_customers_are_looked_up_in_the_order_asked(bridge: Bridge, azurite: str) -> None:
    publish(azurite, "Looked", csv(*(f"k{number:04d}" for number in range(500))))
    ids = [f"k{number:04d}" for number in reversed(range(1000))]

    reply = bridge.call("POST", "customers/lookup", {"customerIds": ids, "entities": ["looked"], "select": ["n"]})

    assert reply.status == 200, reply.body
    assert [each["customerId"] for each in reply.json["value"]] == ids
    assert reply.json["value"][0]["entities"] == {}
    assert reply.json["value"][-1] == {"customerId": "k0000", "entities": {"Looked": [{"n": 0}]}}


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ({"customerIds": ["a"] * 1001}, 413),
        ({"customerIds": "a"}, 400),
        ({}, 400),
        ({"customerIds": ["a"], "entities": ["NoSuch"]}, 404),
        ({"customerIds": ["a"], "select": ["nobody"]}, 400),
    ],
)
def test_a_lookup_that_cannot_be_answered_says_why(bridge: Bridge, azurite: str, body: object, status: int) -> None:
    publish(azurite, "Any", csv("a"))

    reply = bridge.call("POST", "customers/lookup", body)

    assert (reply.status, bool(error_of(reply)["message"])) == (status, True)


# Erasing


def test_erasure_takes_a_customer_out_of_every_snapshot_and_off_every_read(bridge: Bridge, azurite: str) -> None:
    text = f"id,order,n,t\ngone,1,1,{LONG}\ngone,2,2,y\nstays,1,3,{LONG}\n"
    tables = [publish(azurite, "Erased", text, primary="order", run=f"run-{hour}", hour=hour).table for hour in (1, 2)]
    tables.append(publish(azurite, "Erased", text, primary="order", run="run-3", hour=3, held=True).table)

    told = erase(bridge, "gone")

    assert sorted(told["erased"], key=lambda each: str(each["snapshot"])) == [
        {"entity": "Erased", "snapshot": table, "rows": 2, "values": 1, "copies": 2} for table in tables
    ]
    assert told["exports"] == []
    assert any("backups" in text for text in told["outsideOurReach"])
    assert found(bridge, "gone") == {}
    assert bridge.call("GET", "data/Erased/$count").body == b"1"
    assert [row["CustomerId"] for row in bridge.call("GET", "data/Erased").json["value"]] == ["stays"]
    assert bridge.call("GET", "data/Erased(CustomerId='gone',order='1')").status == 404
    assert bridge.call("POST", "customers/lookup", {"customerIds": ["gone"]}).json["value"][0]["entities"] == {}
    assert [each["rows"] for each in bridge.call("GET", "entities/Erased").json["snapshots"]] == [1, 1, 1]
    assert bridge.call("GET", "entities/Erased/rejects").json["value"] == []
    again = erase(bridge, "gone")
    assert (again["erased"], again["tombstoneSince"]) == ([], told["tombstoneSince"])


def test_nothing_in_the_account_or_the_log_names_who_was_erased(bridge: Bridge, azurite: str) -> None:
    customer = "sentinel-of-the-erased"
    publish(azurite, "Unnamed", f"id,t\n{customer},{LONG}\nother,1\n")
    assert customer in everything(azurite)

    erase(bridge, customer)
    erase(bridge, customer)

    assert customer not in everything(azurite)
    ours = [line for line in bridge.host.log if "bridge." in line or "customer_erased" in line]
    assert any("customer_erased" in line for line in ours)
    assert not [line for line in ours if customer in line]


@pytest.mark.parametrize("customer", ["O'Neil", "a/b\\c", "100%", "Zoë 北京 🙂"])
def test_any_customer_is_erased_and_no_other(bridge: Bridge, azurite: str, customer: str) -> None:
    publish(azurite, "OddErased", csv(*(f"{each}!" for each in IDS)))

    assert [each["rows"] for each in erase(bridge, f"{customer}!")["erased"]] == [1]

    rows = bridge.call("GET", "data/OddErased").json["value"]
    assert {row["CustomerId"] for row in rows} == {f"{each}!" for each in IDS if each != customer}
    assert bridge.call("DELETE", f"{address(f'{customer}!')}/tombstone").status == 204


def test_neither_a_later_run_nor_a_rollback_brings_the_customer_back(bridge: Bridge, azurite: str) -> None:
    publish(azurite, "Kept", csv("back", "b"), run="run-1", hour=1)
    erase(bridge, "back")

    later = publish(azurite, "Kept", csv("back", "b", "c"), run="run-2", hour=2)

    assert (later.rows, later.rejected, later.erased) == (2, 0, 1)
    assert found(bridge, "back") == {}
    assert bridge.call("POST", "entities/Kept/rollback").status == 200
    assert found(bridge, "back") == {}
    assert bridge.call("GET", "data/Kept/$count").body == b"1"


def test_what_a_zombie_writes_after_the_erasure_is_seen_by_nobody(bridge: Bridge, azurite: str) -> None:
    publish(azurite, "Zombie", csv("haunted", "b"), run="run-1", hour=1)
    erase(bridge, "haunted")
    written = publish(azurite, "Zombie", csv("haunted", "b"), run="run-2", hour=2, zombie=True)

    async def stored(stores: SnapshotStores) -> int:
        return len((await stores.rows.page(written.place, size=10)).rows)

    assert in_storage(azurite, stored) == 2
    assert found(bridge, "haunted") == {}
    assert [row["CustomerId"] for row in bridge.call("GET", "data/Zombie").json["value"]] == ["b"]
    assert bridge.call("GET", "data/Zombie/$count?$filter=CustomerId%20eq%20'haunted'").body == b"0"
    assert [each["snapshot"] for each in erase(bridge, "haunted")["erased"]] == [written.table]
    assert in_storage(azurite, stored) == 1


def test_after_the_tombstone_is_lifted_the_next_run_brings_the_customer(bridge: Bridge, azurite: str) -> None:
    publish(azurite, "Lifted", csv("returns"), run="run-1", hour=1)
    erase(bridge, "returns")

    lifted = bridge.call("DELETE", f"{address('returns')}/tombstone")

    assert (lifted.status, lifted.body) == (204, b"")
    assert bridge.call("DELETE", f"{address('returns')}/tombstone").status == 404
    assert found(bridge, "returns") == {}
    publish(azurite, "Lifted", csv("returns"), run="run-2", hour=2)
    assert found(bridge, "returns") == {"Lifted": [0]}


def test_exports_of_an_ended_run_go_and_those_of_an_active_one_are_named(bridge: Bridge, azurite: str) -> None:
    assert bridge.call("PUT", "connections/wf", connection()).status in (200, 201)
    now = datetime.now(UTC) - timedelta(hours=1)
    document = workflow()
    stored = StoredWorkflow("exporting", document, "id", "2", [], '"e"', now)
    names = [new_run_id("exporting", now) for _ in range(2)]
    folders = [f"outputs/value/in/{name}/" for name in names]

    async def write() -> None:
        async with connect_tables(azurite, "", no_identity) as tables, connect_blobs(azurite, "", no_identity) as blobs:
            runs = TableRuns(tables)
            for name, status in zip(names, (RunStatus.FAILED, RunStatus.RUNNING), strict=True):
                run = new_run(name, stored, Trigger(TriggerKind.HTTP), now).with_status(status, now)
                run.exported["prior"] = "azureml://…"
                assert await runs.begin(run, Claim(f"w-{name}"))
            container = blobs.get_container_client(CONTAINER)
            if not await container.exists():
                await container.create_container()
            for folder in folders:
                await container.upload_blob(f"{folder}prior/data.csv", b"id\nexported\n")

    asyncio.run(write())

    told = erase(bridge, "exported")

    assert told["exports"] == [f"azureml://datastores/workspaceblobstore/paths/{folders[0]}"]
    assert any(folders[1] in text and "is active" in text for text in told["outsideOurReach"])
    left = everything(azurite)
    assert [f"{folder}prior/data.csv" in left for folder in folders] == [False, True]
