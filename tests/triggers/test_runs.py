"""The routes under `/api/runs`, a workflow's refresh and its runs, with jobs that really run."""

from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import quote, urlsplit

import pytest

from tests.devhost.running import Reply
from tests.support.workshop import SCORES, Workshop, run_in, statuses
from tests.triggers.test_skills import error_of

ROUTE = ["queued", "running", "importing", "publishing", "succeeded"]


@pytest.fixture(scope="module")
def done(workshop: Workshop) -> dict[str, Any]:
    """A run of the sample's own pipeline over a few transactions."""
    return workshop.wait_for(workshop.start("done"), "succeeded")


def ids(reply: Reply) -> list[str]:
    assert reply.status == 200, reply.body
    return [run["id"] for run in reply.json["value"]]


# Begin


def test_save_and_run_answers_with_the_workflow_its_run_and_where_to_follow_it(workshop: Workshop) -> None:
    workshop.plan("saved-and-run", files={"scores.csv": SCORES})

    reply = workshop.save("saved-and-run", "?run=true")

    run = run_in(reply)
    base = f"http://127.0.0.1:{workshop.bridge.host.port}"
    assert reply.status == 202
    assert reply.headers["Operation-Location"] == f"{base}/api/runs/{run}"
    assert int(reply.headers["Retry-After"]) > 0
    assert reply.headers["ETag"] == reply.json["@odata.etag"]
    assert (reply.json["name"], reply.json["ready"]) == ("saved-and-run", True)
    assert (reply.json["lastRun"]["id"], reply.json["lastRun"]["trigger"]) == (run, {"kind": "save"})
    assert statuses(workshop.wait_for(run)) == ROUTE


def test_the_sample_pipeline_really_runs_and_its_rows_are_served_by_customer(
    workshop: Workshop, done: dict[str, Any]
) -> None:
    rows = {row["CustomerId"]: row for row in workshop.rows("done")}

    assert set(rows) == {"00001", "00002"}
    assert rows["00002"]["average_order"] == 77.0
    assert all(0 <= row["probability_alive"] <= 1 for row in rows.values())


def test_a_run_tells_its_job_its_import_and_its_timeline(workshop: Workshop, done: dict[str, Any]) -> None:
    reply = workshop.bridge.call("GET", f"runs/{done['id']}")

    run = reply.json
    assert "Retry-After" not in reply.headers
    assert (run["workflow"], run["status"], run["trigger"]) == ("done", "succeeded", {"kind": "save"})
    assert run["job"]["name"] == run["id"]
    assert run["job"]["status"] == "Completed"
    assert run["job"]["studioUrl"].startswith("https://ml.azure.com/runs/")
    assert run["import"] == {"parts": 1, "partsDone": 1, "rows": 2, "rejected": 0}
    assert statuses(run) == ROUTE
    assert sorted(entry["at"] for entry in run["timeline"]) == [entry["at"] for entry in run["timeline"]]
    assert run["snapshot"] == workshop.bridge.call("GET", "entities/Done").json["current"]["table"]
    assert {"error", "retrying", "heldFor", "cancelRequestedAt", "importOf"}.isdisjoint(run)


def test_the_workflow_tells_its_last_run_and_what_readers_see(workshop: Workshop, done: dict[str, Any]) -> None:
    for got in (
        workshop.bridge.call("GET", "workflows/done").json,
        next(item for item in workshop.bridge.call("GET", "workflows").json["value"] if item["name"] == "done"),
    ):
        published = got["published"]
        assert got["lastRun"] == done
        assert (published["snapshot"], published["rows"], published["run"]) == (done["snapshot"], 2, done["id"])
        assert done["createdAt"] <= published["at"] <= done["updatedAt"]


def test_a_refresh_is_a_new_run_on_demand_over_a_fresh_output_path(workshop: Workshop) -> None:
    first = workshop.publish("fresh", {"scores.csv": SCORES})
    workshop.plan("fresh", files={"scores.csv": "customer_id,score\n00001,9.5\n00002,9.5\n"})

    reply = workshop.refresh("fresh")
    second = workshop.wait_for(run_in(reply), "succeeded")

    assert (reply.status, reply.json["status"], reply.json["trigger"]) == (202, "queued", {"kind": "http"})
    assert second["id"] != first["id"]
    assert second["output"]["path"] != first["output"]["path"]
    assert [row["score"] for row in workshop.rows("fresh")] == [9.5, 9.5]


def test_a_draft_is_saved_and_does_not_run(workshop: Workshop) -> None:
    reply = workshop.save("half", "?run=true", requiredData={})

    assert (reply.status, error_of(reply)["code"]) == (409, "Conflict")
    assert "is a draft and cannot run: give requiredData for transactions" in error_of(reply)["message"]
    assert workshop.bridge.call("GET", "workflows/half").json["missing"] == ["transactions"]
    assert workshop.refresh("half").status == 409
    assert ids(workshop.bridge.call("GET", "workflows/half/runs")) == []


# List


def test_runs_are_listed_the_newest_first_and_chosen_by_workflow_status_and_time(
    workshop: Workshop, done: dict[str, Any]
) -> None:
    listed = workshop.bridge.call("GET", "runs?workflow=DONE&status=succeeded").json["value"]
    newest = [run["createdAt"][:19] for run in workshop.bridge.call("GET", "runs").json["value"]]

    assert listed == [done]
    assert newest == sorted(newest, reverse=True)
    assert ids(workshop.bridge.call("GET", "workflows/Done/runs")) == [done["id"]]
    assert ids(workshop.bridge.call("GET", "runs?workflow=done&status=failed")) == []
    assert ids(workshop.bridge.call("GET", "runs?workflow=nobody")) == []


def test_runs_since_a_moment_are_those_begun_then_or_later(workshop: Workshop, done: dict[str, Any]) -> None:
    begun = datetime.fromisoformat(done["createdAt"])
    found = {
        text: ids(workshop.bridge.call("GET", f"runs?workflow=done&since={quote(text)}"))
        for text in (
            begun.replace(microsecond=0).isoformat().replace("+00:00", "Z"),
            (begun - timedelta(days=1)).isoformat(),
            "1970-01-01",
            "0001-01-01T00:00:00Z",
        )
    }
    later = (datetime.now(UTC) + timedelta(hours=1)).isoformat()

    assert set(map(tuple, found.values())) == {(done["id"],)}, found
    assert ids(workshop.bridge.call("GET", f"runs?workflow=done&since={quote(later)}")) == []


def test_pages_of_runs_lead_to_each_other(workshop: Workshop, done: dict[str, Any]) -> None:
    started = [workshop.start(f"paged-{number}", {"scores.csv": SCORES}) for number in range(3)]
    for run in started:
        workshop.wait_for(run, "succeeded")
    every = ids(workshop.bridge.call("GET", "runs?status=succeeded"))

    reply = workshop.bridge.call("GET", "runs?status=succeeded&top=2")
    found = ids(reply)
    while link := reply.json.get("nextLink"):
        parts = urlsplit(link)
        assert (parts.netloc, parts.path) == (f"127.0.0.1:{workshop.bridge.host.port}", "/api/runs")
        reply = workshop.bridge.call("GET", f"runs?{parts.query}")
        found += ids(reply)

    assert found == every
    assert set(started) < set(every)


@pytest.mark.parametrize(
    ("query", "target"),
    [
        ("status=done", "status"),
        ("since=yesterday", "since"),
        ("top=0", "top"),
        ("top=1001", "top"),
        ("top=²", "top"),
        ("skiptoken=claim%7C", "skiptoken"),
        ("top=" + "9" * 5000, "top"),
    ],
)
def test_a_list_refuses_what_it_cannot_read(workshop: Workshop, query: str, target: str) -> None:
    reply = workshop.bridge.call("GET", f"runs?{quote(query, safe='=%')}")

    assert (reply.status, error_of(reply)["target"]) == (400, target)


# What is not there


@pytest.mark.parametrize("run", ["brg-x-20261122T003001-abc123", "x", "%27", "a%2Fb-20261122T003001-x", "x" * 2000])
@pytest.mark.parametrize(
    ("method", "path"), [("GET", ""), ("POST", "/cancel"), ("POST", "/publish"), ("POST", "/import")]
)
def test_an_unknown_run_is_a_404_that_says_where_they_are_listed(
    workshop: Workshop, run: str, method: str, path: str
) -> None:
    reply = workshop.bridge.call(method, f"runs/{run}{path}")

    assert (reply.status, error_of(reply)["target"]) == (404, "run")
    assert "GET /api/runs lists" in error_of(reply)["message"]


def test_of_an_unknown_workflow_those_there_are_are_named(workshop: Workshop, done: dict[str, Any]) -> None:
    for reply in (workshop.refresh("nobody"), workshop.bridge.call("GET", "workflows/nobody/runs")):
        assert (reply.status, error_of(reply)["target"]) == (404, "workflow")
        assert "done" in error_of(reply)["message"]
