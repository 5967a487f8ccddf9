"""Manage an existing workflow."""

from typing import Any

import pytest

from tests.support.workshop import SCORES, Workshop, entity_of, run_in, workflow
from tests.triggers.test_connections import connection

NAME = "managed"


@pytest.fixture(scope="module")
def managed(workshop: Workshop) -> dict[str, Any]:
    """The first run of a workflow."""
    return workshop.publish(NAME, {"scores.csv": SCORES})


def got(workshop: Workshop) -> dict[str, Any]:
    found: dict[str, Any] = workshop.bridge.call("GET", f"workflows/{NAME}").json
    return found


def test_select_the_my_predictions_tab(workshop: Workshop, managed: dict[str, Any]) -> None:
    """Go to Intelligence and select the My predictions tab."""
    listed = {each["name"]: each for each in workshop.bridge.call("GET", "workflows").json["value"]}

    assert listed[NAME]["lastRun"]["status"] == "succeeded"
    assert listed[NAME]["published"]["rows"] == 2


def test_the_actions_next_to_a_model_are_there(workshop: Workshop, managed: dict[str, Any]) -> None:
    """Select the vertical ellipsis next to a model to view available actions."""
    assert [run["id"] for run in workshop.bridge.call("GET", f"workflows/{NAME}/runs").json["value"]] == [managed["id"]]
    assert workshop.bridge.call("GET", f"workflows/{NAME}").headers["ETag"] == got(workshop)["@odata.etag"]


def test_edit_a_workflow_to_change_the_model_configuration(workshop: Workshop, managed: dict[str, Any]) -> None:
    """Edit a workflow to change the model configuration …"""
    edited = workshop.bridge.call("PATCH", f"workflows/{NAME}", {"pipeline": "customer_value:1"})

    assert (edited.status, edited.json["pipelineVersion"]) == (200, "1")


def test_edit_a_workflow_to_change_the_connection(workshop: Workshop, managed: dict[str, Any]) -> None:
    """Edit a workflow to change … the connection."""
    workshop.bridge.call("PUT", "connections/Other", connection())

    edited = workshop.bridge.call("PUT", f"workflows/{NAME}", workflow(NAME, connection="Other"))

    assert (edited.status, edited.json["connection"]) == (200, "Other")
    workshop.plan(NAME, files={"scores.csv": SCORES})
    assert workshop.wait_for(run_in(workshop.refresh(NAME)))["status"] == "succeeded"


def test_refresh_a_workflow_on_demand(workshop: Workshop, managed: dict[str, Any]) -> None:
    """Refresh a workflow on demand."""
    workshop.plan(NAME, files={"scores.csv": SCORES.replace("0.5", "2.5")})

    reply = workshop.refresh(NAME)

    assert (reply.status, reply.json["trigger"]["kind"]) == (202, "http")
    workshop.wait_for(run_in(reply), "succeeded")
    assert {row["score"] for row in workshop.rows(NAME)} == {2.5, 1.5}


def test_the_workflow_also_runs_automatically_with_every_scheduled_refresh(
    workshop: Workshop, managed: dict[str, Any]
) -> None:
    """The workflow also runs automatically with every scheduled refresh."""
    workshop.bridge.call("PATCH", f"workflows/{NAME}", {"schedule": {"cron": "0 6 1 1 *", "timeZone": "Europe/Berlin"}})

    assert [time[4:19] for time in got(workshop)["nextRuns"]] == ["-01-01T05:00:00"] * 5
    workshop.bridge.call("PATCH", f"workflows/{NAME}", {"schedule": None})
    assert got(workshop)["nextRuns"] == []


def test_delete_a_workflow_the_entity_used_to_create_it_is_not_deleted(workshop: Workshop) -> None:
    """Delete a workflow. The entity used to create the workflow is not deleted."""
    workshop.publish("short-lived", {"scores.csv": SCORES})
    source = {"transactions": {"entity": entity_of("short-lived")}}
    workshop.save("fed-by-it", requiredData=source)

    assert workshop.bridge.call("DELETE", "workflows/fed-by-it").status == 204
    assert workshop.bridge.call("DELETE", "workflows/short-lived").status == 204

    assert workshop.bridge.call("GET", "workflows/short-lived").status == 404
    assert len(workshop.rows("short-lived")) == 2
