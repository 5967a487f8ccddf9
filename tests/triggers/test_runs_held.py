"""What a person decides: a held run is published or discarded, a rollback stays, an output is imported again."""

from collections.abc import Mapping
from functools import partial
from typing import Any

import pytest

from tests.devhost.running import Reply
from tests.support.workshop import SCORES, Workshop, at_once, entity_of, run_in
from tests.triggers.test_skills import error_of

BAD = "customer_id,score\n00001,-1.0\n00002,-1.0\n"
FEW = "customer_id,score\n00001,7.0\n"


def act(workshop: Workshop, run: str, action: str) -> Reply:
    return workshop.bridge.call("POST", f"runs/{run}/{action}")


def scores(workshop: Workshop, name: str) -> dict[str, Any]:
    return {row["CustomerId"]: row["score"] for row in workshop.rows(name)}


def hold(workshop: Workshop, name: str) -> dict[str, Any]:
    """Two rows are published, then a run brings one."""
    workshop.publish(name, {"scores.csv": SCORES}, quality={"minRows": 2})
    workshop.plan(name, files={"scores.csv": FEW})
    return workshop.wait_for(run_in(workshop.refresh(name)), "held")


@pytest.fixture(scope="module")
def held(workshop: Workshop) -> Mapping[str, dict[str, Any]]:
    """By workflow: the run that is held."""
    return at_once(partial(hold, workshop), ["by-hand", "thrown-away", "goes-on"])


@pytest.fixture(scope="module")
def published(workshop: Workshop) -> Mapping[str, dict[str, Any]]:
    """By workflow: the run that was published."""
    return at_once(lambda name: workshop.publish(name, {"scores.csv": SCORES}), ["rolled-back", "again", "alone"])


def test_what_is_not_good_enough_is_held_with_every_reason_and_published_by_hand(
    workshop: Workshop, held: Mapping[str, dict[str, Any]]
) -> None:
    run = held["by-hand"]

    assert run["heldFor"] == ["1 rows were imported, fewer than minRows (2)"]
    assert run["timeline"][-1]["note"] == run["heldFor"][0]
    assert scores(workshop, "by-hand") == {"00001": 0.5, "00002": 1.5}
    reply = act(workshop, run["id"], "publish")
    assert (reply.status, run_in(reply)) == (202, run["id"])
    assert workshop.wait_for(run["id"], "succeeded")["snapshot"] == run["snapshot"]
    assert scores(workshop, "by-hand") == {"00001": 7.0}
    assert act(workshop, run["id"], "publish").status == 200
    assert act(workshop, run["id"], "discard").status == 409


def test_what_is_held_can_be_discarded_and_readers_keep_what_they_see(
    workshop: Workshop, held: Mapping[str, dict[str, Any]]
) -> None:
    run = held["thrown-away"]

    reply = act(workshop, run["id"], "discard")

    assert (reply.status, reply.json["status"]) == (200, "canceled")
    assert reply.json["timeline"][-1]["note"] == "discarded"
    assert scores(workshop, "thrown-away") == {"00001": 0.5, "00002": 1.5}
    assert act(workshop, run["id"], "discard").json == reply.json
    assert act(workshop, run["id"], "publish").status == 409


def test_a_held_run_does_not_keep_its_workflow_from_running(
    workshop: Workshop, held: Mapping[str, dict[str, Any]]
) -> None:
    run = held["goes-on"]
    workshop.plan("goes-on", files={"scores.csv": SCORES})

    reply = workshop.refresh("goes-on")

    assert run_in(reply) != run["id"]
    workshop.wait_for(run_in(reply), "succeeded")
    assert workshop.run(run["id"])["status"] == "held"


def test_after_a_rollback_the_next_run_is_held_and_the_bad_model_stays_away(
    workshop: Workshop, published: Mapping[str, dict[str, Any]]
) -> None:
    entity = f"entities/{entity_of('rolled-back')}"
    workshop.plan("rolled-back", files={"scores.csv": BAD}, jobs=3)
    workshop.wait_for(run_in(workshop.refresh("rolled-back")), "succeeded")
    rolled_back = workshop.bridge.call("POST", f"{entity}/rollback")
    assert (rolled_back.status, rolled_back.json.get("pinned")) == (200, True), rolled_back.body

    run = workshop.wait_for(run_in(workshop.refresh("rolled-back")))

    assert run["status"] == "held"
    assert "pinned since a rollback" in run["heldFor"][0]
    assert scores(workshop, "rolled-back") == {"00001": 0.5, "00002": 1.5}
    assert workshop.bridge.call("POST", f"{entity}/unpin").json["pinned"] is False
    assert scores(workshop, "rolled-back") == {"00001": 0.5, "00002": 1.5}
    workshop.wait_for(run_in(workshop.refresh("rolled-back")), "succeeded")
    assert scores(workshop, "rolled-back") == {"00001": -1.0, "00002": -1.0}


def test_an_output_is_imported_again_under_the_definition_of_today_without_a_job(
    workshop: Workshop, published: Mapping[str, dict[str, Any]]
) -> None:
    source = published["again"]
    edited = workshop.bridge.call(
        "PATCH", "workflows/again", {"columns": {"score": "Edm.String"}, "quality": {"schemaChange": "any"}}
    )
    assert edited.status == 200, edited.body

    reply = act(workshop, source["id"], "import")
    run = workshop.wait_for(run_in(reply), "succeeded")

    assert (reply.status, run["importOf"], run["job"]["name"]) == (202, source["id"], source["id"])
    assert len(workshop.jobs("again")) == 1
    assert run["snapshot"] != source["snapshot"]
    types = {column["name"]: column["type"] for column in current(workshop, "again")["columns"]}
    assert types["score"] == "Edm.String"
    assert scores(workshop, "again") == {"00001": "0.5", "00002": "1.5"}


def current(workshop: Workshop, name: str) -> dict[str, Any]:
    found: dict[str, Any] = workshop.bridge.call("GET", f"entities/{entity_of(name)}").json["current"]
    return found


def test_only_the_output_of_a_finished_job_is_imported_again_and_not_beside_a_run(
    workshop: Workshop, published: Mapping[str, dict[str, Any]]
) -> None:
    source = published["alone"]
    active = workshop.occupy("alone")

    replies = [act(workshop, run, "import") for run in (active, source["id"])]

    assert [reply.status for reply in replies] == [409, 409]
    assert "no finished job" in error_of(replies[0])["message"]
    assert active in error_of(replies[1])["message"]
    act(workshop, active, "cancel")
