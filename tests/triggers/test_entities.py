"""The routes under `/api/entities`, through the host and Azurite."""

import time
from typing import Any

import pytest

from shared.entities.retention import SnapshotStores
from shared.entities.rows import Origin, Reject
from tests.support.bridge import Bridge
from tests.support.entities import claim, in_storage, publish
from tests.triggers.test_connections import connection
from tests.triggers.test_skills import error_of
from tests.triggers.test_workflows import workflow

SECRET = "sentinel-of-a-rejected-row"


def numbers(bridge: Bridge, entity: str) -> list[int]:
    return [row["n"] for row in bridge.call("GET", f"data/{entity}").json["value"]]


def test_an_entity_is_told_with_its_snapshots_the_newest_first(bridge: Bridge, azurite: str) -> None:
    publish(azurite, "Told", "id,the n\na,1\n", run="run-1", hour=1)
    newer = publish(azurite, "Told", "id,the n\na,1\nb,2\n,3\n", run="run-2", hour=2)

    reply = bridge.call("GET", "entities/told")

    current = {
        "table": newer.table,
        "parquet": f"bridge/snapshots/{newer.table}/rows/",
        "run": "run-2",
        "rows": 2,
        "rejected": 1,
        "createdAt": "2026-11-21T02:00:00Z",
        "publishedAt": "2026-11-21T02:00:00Z",
        "buckets": 4,
        "columns": [
            {"name": "id", "source": "id", "type": "Edm.String"},
            {"name": "the_n", "source": "the n", "type": "Edm.Int32"},
        ],
        "primaryKey": "id",
        "customerId": "id",
    }
    told = reply.json
    assert [snapshot["run"] for snapshot in told.pop("snapshots")] == ["run-2", "run-1"]
    assert told == {"name": "Told", "workflow": "writer", "pinned": False, "stale": False, "current": current}
    assert reply.json in bridge.call("GET", "entities").json["value"]


def test_an_entity_before_its_first_publish_has_no_current_snapshot(bridge: Bridge, azurite: str) -> None:
    claim(azurite, "Early")
    publish(azurite, "Early", "id\na\n", held=True)

    told = bridge.call("GET", "entities/Early").json

    assert told["current"] is None
    assert [snapshot["publishedAt"] for snapshot in told["snapshots"]] == [None]


@pytest.mark.parametrize(
    ("method", "path"),
    [("GET", ""), ("DELETE", ""), ("POST", "/rollback"), ("POST", "/unpin"), ("POST", "/rebuild"), ("GET", "/rejects")],
)
@pytest.mark.parametrize("name", ["Nobody", "no-such%20name'", "%252F%3F%23", "x" * 300])
def test_an_unknown_entity_is_a_404_that_names_those_there_are(
    bridge: Bridge, azurite: str, method: str, path: str, name: str
) -> None:
    claim(azurite, "Known")

    reply = bridge.call(method, f"entities/{name}{path}")

    assert (reply.status, error_of(reply)["code"]) == (404, "NotFound")
    assert "Known" in error_of(reply)["message"]


def test_a_rollback_brings_the_former_rows_back_and_pins_until_unpinned(bridge: Bridge, azurite: str) -> None:
    former = publish(azurite, "Back", "id,n\na,1\n", run="run-1", hour=1)
    publish(azurite, "Back", "id,n\na,2\n", run="run-2", hour=2)
    assert numbers(bridge, "Back") == [2]

    rolled = bridge.call("POST", "entities/Back/rollback")

    assert (rolled.status, rolled.json["pinned"], rolled.json["current"]["table"]) == (200, True, former.table)
    assert numbers(bridge, "Back") == [1]
    again = bridge.call("POST", "entities/Back/rollback")
    assert (again.status, error_of(again)["code"]) == (409, "Conflict")
    unpinned = bridge.call("POST", "entities/Back/unpin")
    assert (unpinned.status, unpinned.json["pinned"]) == (200, False)
    assert bridge.call("POST", "entities/Back/unpin").json == unpinned.json
    assert numbers(bridge, "Back") == [1]
    publish(azurite, "Back", "id,n\na,3\n", run="run-3", hour=3)
    time.sleep(1.1)  # how long readers may be led to what another process has replaced
    assert numbers(bridge, "Back") == [3]


def test_a_rollback_that_is_asked_for_again_goes_back_once(bridge: Bridge, azurite: str) -> None:
    publish(azurite, "Again", "id,n\na,1\n", run="run-1", hour=1)
    second = publish(azurite, "Again", "id,n\na,2\n", run="run-2", hour=2)
    publish(azurite, "Again", "id,n\na,3\n", run="run-3", hour=3)
    seen = bridge.call("GET", "entities/Again").headers["ETag"]
    once = {"Operation-Id": "a-guid", "If-Match": seen}

    first = bridge.call("POST", "entities/Again/rollback", headers=once)
    repeated = bridge.call("POST", "entities/Again/rollback", headers=once)
    stale = bridge.call("POST", "entities/Again/rollback", headers={"If-Match": seen})
    bad = bridge.call("POST", "entities/Again/rollback", headers={"Operation-Id": "ü"})

    assert (first.status, first.json["current"]["table"]) == (200, second.table)
    assert (repeated.status, repeated.json) == (200, first.json)
    assert (stale.status, error_of(stale)["code"]) == (412, "PreconditionFailed")
    assert (bad.status, error_of(bad)["code"]) == (400, "BadRequest")
    assert numbers(bridge, "Again") == [2]
    fresh = {"If-Match": repeated.headers["ETag"]}
    assert bridge.call("POST", "entities/Again/rollback", headers=fresh).status == 200
    assert numbers(bridge, "Again") == [1]


def test_without_a_former_snapshot_a_rollback_is_a_409(bridge: Bridge, azurite: str) -> None:
    publish(azurite, "Single", "id,n\na,1\n")

    reply = bridge.call("POST", "entities/Single/rollback")

    assert (reply.status, error_of(reply)["code"]) == (409, "Conflict")
    assert bridge.call("GET", "entities/Single").json["pinned"] is False


def rejects(bridge: Bridge, entity: str, query: str = "") -> list[dict[str, Any]]:
    reply = bridge.call("GET", f"entities/{entity}/rejects{query}")
    assert reply.status == 200, reply.body
    found: list[dict[str, Any]] = reply.json["value"]
    return found


def test_rejects_have_file_line_and_reason_and_no_values(bridge: Bridge, azurite: str) -> None:
    publish(azurite, "Refused", f"id,n\na,1\n,{SECRET}\nb,2,{SECRET}\na,{SECRET}\n")

    reply = bridge.call("GET", "entities/Refused/rejects")

    found = reply.json["value"]
    assert [(reject["file"], reject["line"]) for reject in found] == [("out.csv", 3), ("out.csv", 4), ("out.csv", 5)]
    assert all(reject["reason"] for reject in found)
    assert SECRET.encode() not in reply.body
    assert "nextLink" not in reply.json


def test_rejects_of_a_former_or_held_snapshot_are_named_by_run_or_table(bridge: Bridge, azurite: str) -> None:
    former = publish(azurite, "Runs", "id,n\n,1\n,2\n", run="run-1", hour=1)
    publish(azurite, "Runs", "id,n\na,1\n", run="run-2", hour=2)
    publish(azurite, "Runs", "id,n\na,1\n,2\n", run="run-3", hour=3, held=True)

    assert [len(rejects(bridge, "Runs", query)) for query in ("", "?run=run-1", "?run=run-3")] == [0, 2, 1]
    assert len(rejects(bridge, "Runs", f"?snapshot={former.table}")) == 2
    for query in ("?run=run-9", "?snapshot=bridgesecrets"):
        reply = bridge.call("GET", f"entities/Runs/rejects{query}")
        assert reply.status == 404
        assert "there are: " in error_of(reply)["message"]
    assert bridge.call("GET", f"entities/Runs/rejects?run=run-1&snapshot={former.table}").status == 400


def test_rejects_of_an_entity_without_rows_ask_for_a_run(bridge: Bridge, azurite: str) -> None:
    claim(azurite, "Unread")

    reply = bridge.call("GET", "entities/Unread/rejects")

    assert reply.status == 404
    assert "?run=" in error_of(reply)["message"]


def test_rejects_come_in_pages_of_a_thousand_of_one_snapshot(bridge: Bridge, azurite: str) -> None:
    first = publish(azurite, "Paged", "id,n\na,1\n", run="run-1", hour=1)
    many = [Reject(Origin(0, line), "out.csv", "has no key") for line in range(2, 2302)]
    in_storage(azurite, lambda stores: stores.rejects.add(first.table, many))
    start = f"http://127.0.0.1:{bridge.host.port}/api/"

    reply = bridge.call("GET", "entities/paged/rejects")
    publish(azurite, "Paged", "id,n\na,2\n", run="run-2", hour=2)
    pages = [reply.json["value"]]
    while link := reply.json.get("nextLink"):
        assert link.startswith(f"{start}entities/Paged/rejects?")
        reply = bridge.call("GET", link.removeprefix(start))
        pages.append(reply.json["value"])

    assert [len(page) for page in pages] == [1000, 1000, 300]
    assert [reject["line"] for page in pages for reject in page] == list(range(2, 2302))


@pytest.mark.parametrize("after", ["x", "1-2", "000000-00000000000x"])
def test_a_place_among_rejects_that_we_did_not_give_out_is_refused(bridge: Bridge, azurite: str, after: str) -> None:
    publish(azurite, "Placed", "id\na\n")

    assert error_of(bridge.call("GET", f"entities/Placed/rejects?after={after}"))["target"] == "after"


def test_an_entity_is_not_deleted_while_a_workflow_writes_it(bridge: Bridge, azurite: str) -> None:
    assert bridge.call("PUT", "connections/wf", connection()).status in (200, 201)
    assert bridge.call("PUT", "workflows/keeper", workflow(outputEntity="Written")).status == 201
    publish(azurite, "Written", "id,n\na,1\n", workflow="keeper")

    refused = bridge.call("DELETE", "entities/written")

    assert (refused.status, error_of(refused)["code"]) == (409, "Conflict")
    assert "keeper" in error_of(refused)["message"]
    assert numbers(bridge, "Written") == [1]
    assert bridge.call("DELETE", "workflows/keeper").status == 204
    assert bridge.call("DELETE", "entities/written").status == 204


def test_of_a_deleted_entity_nothing_is_left(bridge: Bridge, azurite: str) -> None:
    long = "x" * 40_000
    tables = [
        publish(azurite, "Doomed", f"id,n\na,{long}\n,1\n", run=f"run-{hour}", hour=hour).table for hour in range(2)
    ]
    tables.append(publish(azurite, "Doomed", "id,n\na,1\n,1\n", run="run-9", hour=9, held=True).table)

    reply = bridge.call("DELETE", "entities/Doomed")

    async def left(stores: SnapshotStores) -> list[int]:
        return [len(await stores.entities.list_snapshots("Doomed")), *[await stores.rejects.count(t) for t in tables]]

    assert (reply.status, reply.body) == (204, b"")
    assert in_storage(azurite, left) == [0, 0, 0, 0]
    assert bridge.call("GET", "entities/Doomed").status == 404
    assert bridge.call("GET", "data/Doomed").status == 404
    assert bridge.call("DELETE", "entities/Doomed").status == 404


def lose_rows(azurite: str, entity: str) -> None:
    """Half of the table's rows are gone, as after somebody's mistake."""

    async def lose(stores: SnapshotStores) -> None:
        found = await stores.entities.get(entity)
        assert found is not None
        assert found.current is not None
        table = found.current.place
        page = await stores.rows.page(table, size=1000)
        for row in page.rows[::2]:
            assert await stores.rows.delete(table, row.partition, [row.key])

    in_storage(azurite, lose)


def test_a_damaged_table_is_rebuilt_from_its_parquet(bridge: Bridge, azurite: str) -> None:
    snapshot = publish(azurite, "Damaged", "id,n\n" + "".join(f"c{n},{n}\n" for n in range(9)))
    assert bridge.call("DELETE", "customers/c4").status == 200
    lose_rows(azurite, "Damaged")
    before = [bridge.call("GET", f"data/Damaged('c{n}')").status for n in range(9)]

    reply = bridge.call("POST", "entities/damaged/rebuild")

    assert (reply.status, reply.json) == (200, {"entity": "Damaged", "snapshot": snapshot.table, "rows": 8})
    after = [bridge.call("GET", f"data/Damaged('c{n}')").status for n in range(9)]
    assert before.count(404) == 5
    assert after == [200] * 4 + [404] + [200] * 4
    bridge.call("DELETE", "customers/c4/tombstone")
    assert bridge.call("GET", "data/Damaged('c4')").status == 404


def test_a_rebuilding_goes_on_where_its_link_says(bridge: Bridge, azurite: str) -> None:
    snapshot = publish(azurite, "GoneOn", "id,n\na,1\n")
    lose_rows(azurite, "GoneOn")

    behind = bridge.call("POST", f"entities/GoneOn/rebuild?snapshot={snapshot.table}&from=1")

    assert behind.json["rows"] == 0
    assert bridge.call("GET", "data/GoneOn('a')").status == 404
    assert bridge.call("POST", f"entities/GoneOn/rebuild?snapshot={snapshot.table}&from=0").json["rows"] == 1
    assert bridge.call("GET", "data/GoneOn('a')").status == 200


@pytest.mark.parametrize(
    ("query", "status", "code", "says"),
    [
        ("?from=-1", 400, "BadRequest", "follow the nextLink"),
        ("?from=x", 400, "BadRequest", "follow the nextLink"),
        ("?snapshot=Other&from=1", 409, "Conflict", "begin anew"),
    ],
)
def test_a_rebuilding_that_cannot_go_on_says_why(
    bridge: Bridge, azurite: str, query: str, status: int, code: str, says: str
) -> None:
    publish(azurite, "Astray", "id,n\na,1\n")

    reply = bridge.call("POST", f"entities/Astray/rebuild{query}")

    assert (reply.status, error_of(reply)["code"]) == (status, code)
    assert says in error_of(reply)["message"]


def test_an_entity_without_rows_cannot_be_rebuilt(bridge: Bridge, azurite: str) -> None:
    claim(azurite, "Rowless")

    reply = bridge.call("POST", "entities/Rowless/rebuild")

    assert (reply.status, error_of(reply)["code"]) == (404, "NotFound")
