"""While a run is active: who joins it, waits behind it, cancels it; and how it fails."""

from concurrent.futures import ThreadPoolExecutor
from typing import Any

from tests.devhost.running import eventually
from tests.support.workshop import SCORES, Workshop, entity_of, run_in
from tests.triggers.test_connections import connection
from tests.triggers.test_skills import error_of


def test_while_a_run_is_active_a_refresh_joins_it_queues_behind_it_or_is_refused(workshop: Workshop) -> None:
    active = workshop.occupy("busy")

    joined = [workshop.refresh("busy", query) for query in ("", "?whenActive=return")]
    queued = [workshop.refresh("busy", "?whenActive=queue") for _ in range(2)]
    refused = workshop.refresh("busy", "?whenActive=fail")
    odd = workshop.refresh("busy", "?whenActive=wait")

    assert [run_in(reply) for reply in joined] == [active, active]
    [pending] = {run_in(reply) for reply in queued}
    assert pending != active
    assert workshop.run(pending)["status"] == "queued"
    assert (refused.status, odd.status) == (409, 400)
    assert active in error_of(refused)["message"]
    assert error_of(odd)["target"] == "whenActive"
    workshop.plan("busy", files={"scores.csv": SCORES})
    workshop.advance_job(active)
    assert workshop.wait_for(active)["updatedAt"] <= workshop.wait_for(pending, "succeeded")["updatedAt"]
    assert len(workshop.jobs("busy")) == 2


def test_save_and_run_while_a_run_is_active_runs_what_was_saved_after_it(workshop: Workshop) -> None:
    active = workshop.occupy("resaved")
    workshop.plan("resaved", files={"scores.csv": SCORES})

    reply = workshop.save("resaved", "?run=true", outputPath="outputs/elsewhere")

    assert (reply.status, run_in(reply) == active) == (202, False)
    workshop.advance_job(active)
    assert workshop.wait_for(active, "succeeded")["output"]["path"].startswith("outputs/resaved/")
    assert workshop.wait_for(run_in(reply), "succeeded")["output"]["path"].startswith("outputs/elsewhere/")


def test_a_save_and_run_that_asks_for_nonsense_saves_nothing(workshop: Workshop) -> None:
    reply = workshop.save("nonsense", "?run=true&whenActive=bogus")

    assert (reply.status, error_of(reply)["target"]) == (400, "whenActive")
    assert workshop.bridge.call("GET", "workflows/nonsense").status == 404


def test_refreshes_that_come_at_once_are_one_run(workshop: Workshop) -> None:
    workshop.save("at-once")
    workshop.plan("at-once", files={"scores.csv": SCORES})

    with ThreadPoolExecutor(12) as pool:
        replies = list(pool.map(lambda _: workshop.refresh("at-once"), range(12)))

    [run] = {run_in(reply) for reply in replies}
    assert {reply.status for reply in replies} == {202}
    workshop.wait_for(run, "succeeded")
    assert [job["name"] for job in workshop.jobs("at-once")] == [run]


def test_a_run_that_waits_can_be_canceled_and_another_waits_in_its_place(workshop: Workshop) -> None:
    active = workshop.occupy("queue-of-one")
    first = run_in(workshop.refresh("queue-of-one", "?whenActive=queue"))

    canceled = workshop.bridge.call("POST", f"runs/{first}/cancel")
    second = run_in(workshop.refresh("queue-of-one", "?whenActive=queue"))

    assert (canceled.status, canceled.json["status"]) == (200, "canceled")
    assert second not in (first, active)
    workshop.plan("queue-of-one", files={"scores.csv": SCORES})
    workshop.bridge.call("POST", f"runs/{active}/cancel")
    assert workshop.wait_for(second)["status"] == "succeeded"


def test_the_same_operation_id_is_the_same_run_also_after_its_end(workshop: Workshop) -> None:
    workshop.save("repeated")
    workshop.plan("repeated", jobs=2, files={"scores.csv": SCORES})

    first = run_in(workshop.refresh("repeated", Operation_Id="nightly-7"))
    workshop.wait_for(first, "succeeded")
    again = workshop.refresh("repeated", Operation_Id="nightly-7")
    other = run_in(workshop.refresh("repeated", Operation_Id="nightly-8"))

    assert (again.status, run_in(again), again.json["trigger"]["operationId"]) == (200, first, "nightly-7")
    assert other != first
    assert workshop.refresh("repeated", Operation_Id="x" * 201).status == 400


# Cancel, delete, fail


def test_a_cancellation_reaches_azure_ml_and_may_be_repeated(workshop: Workshop) -> None:
    run = workshop.occupy("canceled")
    before = workshop.counts().get("cancelRequested", 0)

    first = workshop.bridge.call("POST", f"runs/{run}/cancel")
    ended = workshop.wait_for(run, "canceled")
    again = workshop.bridge.call("POST", f"runs/{run}/cancel")

    assert (first.status, run_in(first)) == (202, run)
    assert "cancelRequestedAt" in first.json
    assert ended["job"]["status"] == "Canceled"
    assert workshop.jobs("canceled")[0]["status"] == "Canceled"
    assert workshop.counts()["cancelRequested"] > before
    assert (again.status, again.json) == (200, ended)


def test_a_run_that_has_ended_is_not_canceled(workshop: Workshop) -> None:
    done = workshop.publish("over", {"scores.csv": SCORES})

    reply = workshop.bridge.call("POST", f"runs/{done['id']}/cancel")

    assert (reply.status, reply.json) == (200, done)


def test_of_a_failed_job_the_reason_and_the_way_to_the_studio_are_told(workshop: Workshop) -> None:
    workshop.plan("broken", fault="fail", message="Column 'age' has no values.")

    run = workshop.wait_for(workshop.start("broken"), "failed")

    assert "Column 'age' has no values." in run["error"]["message"]
    assert run["job"]["status"] == "Failed"
    assert run["id"] in run["job"]["studioUrl"]
    assert run["timeline"][-1]["note"] == run["error"]["message"]
    assert "published" not in workshop.bridge.call("GET", "workflows/broken").json


def test_a_step_that_fails_by_itself_tells_its_last_words(workshop: Workshop) -> None:
    run = workshop.wait_for(workshop.start("no-such-file", requiredData=missing_file()), "failed")

    assert "nowhere.csv" in run["error"]["message"]


def missing_file() -> dict[str, Any]:
    return {"transactions": {"path": "azureml://datastores/workspaceblobstore/paths/samples/nowhere.csv"}}


def test_deleting_a_workflow_cancels_its_runs_and_keeps_its_entity(workshop: Workshop) -> None:
    workshop.publish("deleted", {"scores.csv": SCORES})
    active = workshop.occupy("deleted")
    pending = run_in(workshop.refresh("deleted", "?whenActive=queue"))

    reply = workshop.bridge.call("DELETE", "workflows/deleted")

    assert reply.status == 204
    assert {workshop.wait_for(run)["status"] for run in (active, pending)} == {"canceled"}
    assert eventually(lambda: workshop.jobs("deleted")[-1]["status"] == "Canceled")
    assert len(workshop.rows("deleted")) == 2
    assert workshop.bridge.call("GET", f"entities/{entity_of('deleted')}").json["current"]["rows"] == 2
    assert workshop.bridge.call("GET", "workflows/deleted").status == 404
    again = workshop.bridge.call("POST", f"runs/{active}/import")
    assert again.status in (404, 409)


def test_a_connection_is_not_deleted_while_a_run_of_a_former_workflow_needs_it(workshop: Workshop) -> None:
    workshop.bridge.call("PUT", "connections/Leaving", connection())
    run = workshop.occupy("leaving", connection="Leaving")
    workshop.bridge.call("PATCH", "workflows/leaving", {"connection": "local"})

    refused = workshop.bridge.call("DELETE", "connections/leaving")

    assert (refused.status, error_of(refused)["code"]) == (409, "Conflict")
    assert run in error_of(refused)["message"]
    workshop.bridge.call("DELETE", "workflows/leaving")
    workshop.wait_for(run, "canceled")
    assert workshop.jobs("leaving")[0]["status"] == "Canceled"
    assert workshop.bridge.call("DELETE", "connections/leaving").status == 204
