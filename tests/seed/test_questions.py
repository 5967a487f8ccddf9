"""Frequently asked questions."""

from urllib.parse import urlsplit

import httpx

from tests.support.workshop import CONNECTION, SCORES, Workshop
from tests.triggers.test_connections import connection, workspace
from tests.triggers.test_skills import error_of


def test_why_cant_i_see_my_pipeline_when_setting_up_a_custom_model_workflow(workshop: Workshop) -> None:
    """Ensure the input parameter is configured, and the output datastore and path parameters are also configured."""
    listed = workshop.bridge.call("GET", f"connections/{CONNECTION}/pipelines").json["value"]

    reasons = {each["name"]: each["reasons"] for each in listed if not each["eligible"]}
    assert reasons["calendar_features"] == ["no data input"]
    assert reasons["churn_alert"] == ["no output path/datastore"]
    assert "no data input" in error_of(workshop.save("unseen", pipeline="calendar_features"))["message"]


def test_what_does_the_error_couldnt_save_intelligence_workflow_mean(workshop: Workshop) -> None:
    """… if they don't have Owner or User Access Administrator privileges on the workspace."""
    reply = workshop.bridge.call("PUT", "connections/Forbidden", connection(workspace=workspace("forbidden")))

    error = error_of(reply)
    assert (reply.status, error["code"]) == (403, "WorkspaceForbidden")
    assert "Microsoft.MachineLearningServices/workspaces/jobs/write" in error["message"]
    assert "the role AzureML Data Scientist has it" in error["message"]
    assert f"--role 'AzureML Data Scientist' --scope '{workspace('forbidden')}'" in error["message"]
    assert "az role assignment create --assignee" in error["message"]
    assert "an Owner or a User Access Administrator of the workspace" in error["message"]


def test_the_workflow_is_processed_as_a_service_rather_than_with_the_users_credentials(workshop: Workshop) -> None:
    """… to process the workflow as a service rather than using the user credentials for subsequent runs."""
    headers = {"Authorization": "Bearer of-a-user", "x-ms-token-aad-access-token": "of-a-user"}
    workshop.plan("as-a-service", files={"scores.csv": SCORES})
    workshop.save("as-a-service")

    reply = workshop.bridge.call("POST", "workflows/as-a-service/refresh", headers=headers)

    assert workshop.wait_for(reply.json["id"])["status"] == "succeeded"


def test_is_a_private_endpoint_for_my_custom_model_workflow_supported(workshop: Workshop) -> None:
    """Not out of the box there. Here a workspace that only a private address leads to runs its workflows."""
    run = workshop.wait_for(workshop.start("private", {"scores.csv": SCORES}), "succeeded")

    calls = httpx.get(f"{workshop.bridge.simulator}/calls/log?last=500").json()["value"]
    assert urlsplit(workshop.bridge.simulator).hostname == "127.0.0.1"
    assert any(run["id"] in str(call) for call in calls)
