"""A rollback is a person's word: no run that comes later takes it back."""

import pytest

from tests.crash.lane import Lane
from tests.crash.outcomes import ask, call, complete_run, generations, output, run_of, save_workflow, until
from tests.devhost.running import eventually

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]


def test_what_was_rolled_back_stays_so_when_the_next_runs_come(lane: Lane) -> None:
    save_workflow(lane, "model")
    complete_run(lane, "model", "good")
    complete_run(lane, "model", "bad")

    rolled_back = lane.bridge.call("POST", "entities/model/rollback")
    lane.start()  # another process knows it too
    runs = []
    for generation in ("next", "after"):
        lane.plan_output(output(generation))
        run = ask(lane, "model", generation)
        assert run is not None
        runs.append(until(lane, run, "held", "succeeded"))

    claim = lane.rows("bridgeruns", "run", "claim|model")[0]
    assert rolled_back.status == 200
    assert [run["status"] for run in runs] == ["held", "held"]
    assert all("pinned" in " ".join(run["heldFor"]) for run in runs)
    assert generations(lane, "model") == {"good"}
    assert (claim["Active"], claim["Pending"]) == ("", "")


def test_a_held_run_that_a_person_publishes_is_what_readers_see(lane: Lane) -> None:
    save_workflow(lane, "mended")
    complete_run(lane, "mended", "good")
    complete_run(lane, "mended", "bad")
    lane.bridge.call("POST", "entities/mended/rollback")
    lane.plan_output(output("new"))
    run = ask(lane, "mended", "new")
    assert run is not None
    until(lane, run, "held")

    published = lane.bridge.call("POST", f"runs/{run}/publish")
    until(lane, run, "succeeded")

    assert published.status in (200, 202)
    assert generations(lane, "mended") == {"new"}
    assert run_of(lane, run)["snapshot"] == lane.bridge.call("GET", "entities/mended").json["current"]["table"]


def test_the_next_slot_of_a_timetable_does_not_take_a_rollback_back(lane: Lane) -> None:
    save_workflow(lane, "timed")
    complete_run(lane, "timed", "good")
    complete_run(lane, "timed", "bad")
    lane.bridge.call("POST", "entities/timed/rollback")

    save_workflow(lane, "timed", schedule={"cron": "* * * * *"})
    lane.plan_output(output("slot"))
    scheduled = eventually(lambda: scheduled_run(lane, "timed"), 90)
    save_workflow(lane, "timed")
    ended = until(lane, scheduled, "held", "succeeded")

    assert ended["status"] == "held"
    assert generations(lane, "timed") == {"good"}


def scheduled_run(lane: Lane, name: str) -> str:
    """The first; empty while there is none."""
    runs = call(lane, "GET", f"workflows/{name}/runs").json["value"]
    return next((run["id"] for run in runs if run["trigger"]["kind"] == "schedule"), "")
