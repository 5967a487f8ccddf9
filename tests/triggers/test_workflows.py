"""The routes under `/api/workflows`, through the host, table storage and the simulator's workspace."""

from collections.abc import Iterator
from typing import Any

import pytest

from tests.support.bridge import Bridge
from tests.triggers.test_connections import connection
from tests.triggers.test_skills import error_of

PATH = "azureml://datastores/workspaceblobstore/paths/samples/cdnow.csv"


def workflow(**members: Any) -> dict[str, Any]:
    return {
        "connection": "wf",
        "pipeline": "customer_value",
        "outputPath": "outputs/value",
        "outputDatastore": "workspaceblobstore",
        "outputEntity": "CustomerValue",
        "primaryKey": "customer_id",
        "customerId": "customer_id",
        "requiredData": {"transactions": {"path": PATH}},
        **members,
    }


@pytest.fixture(autouse=True, scope="module")
def workspace_connection(bridge: Bridge) -> None:
    assert bridge.call("PUT", "connections/wf", connection()).status in (200, 201)


@pytest.fixture
def saved(bridge: Bridge) -> Iterator[str]:
    assert bridge.call("PUT", "workflows/value", workflow()).status == 201
    yield "value"
    bridge.call("DELETE", "workflows/value")


def test_a_workflow_is_saved_with_the_newest_version_of_its_pipeline(bridge: Bridge, saved: str) -> None:
    got = bridge.call("GET", f"workflows/{saved}")

    assert got.status == 200
    assert got.json["pipelineVersion"] == "2"
    assert (got.json["ready"], got.json["missing"]) == (True, [])
    assert got.headers["ETag"] == got.json["@odata.etag"]
    assert saved in [item["name"] for item in bridge.call("GET", "workflows").json["value"]]


def test_a_fault_against_the_pipeline_names_its_place_once(bridge: Bridge) -> None:
    reply = bridge.call("PUT", "workflows/faulty", workflow(outputDatastore="nowhere"))

    assert reply.json["error"]["message"].startswith("outputDatastore: the workspace has no datastore 'nowhere'")


def test_a_named_version_is_kept(bridge: Bridge) -> None:
    review = bridge.call("PUT", "workflows/old?dryRun=true", workflow(pipeline="customer_value:1"))

    assert review.json["pipelineVersion"] == "1"


def test_a_review_saves_nothing_and_shows_the_exact_job(bridge: Bridge) -> None:
    review = bridge.call("PUT", "workflows/reviewed?dryRun=true", workflow())

    job = review.json["job"]["properties"]
    assert review.status == 200
    assert job["componentId"].endswith("/components/customer_value/versions/2")
    assert job["inputs"]["transactions"] == {"jobInputType": "uri_file", "uri": PATH}
    assert job["outputs"]["scores"]["uri"] == "azureml://datastores/workspaceblobstore/paths/outputs/value/{run}/"
    assert job["settings"]["force_rerun"] is True
    assert bridge.call("GET", "workflows/reviewed").status == 404


def test_without_all_required_data_it_is_a_draft_that_says_what_is_missing(bridge: Bridge) -> None:
    draft = bridge.call("PUT", "workflows/draft", workflow(requiredData=None, outputEntity="Draft"))

    assert draft.status == 201
    assert (draft.json["ready"], draft.json["missing"]) == (False, ["transactions"])
    bridge.call("DELETE", "workflows/draft")


def test_get_then_put_changes_nothing(bridge: Bridge, saved: str) -> None:
    got = bridge.call("GET", f"workflows/{saved}")

    again = bridge.call("PUT", f"workflows/{saved}", got.json, {"If-Match": got.headers["ETag"]})

    assert (again.status, again.headers["ETag"]) == (200, got.headers["ETag"])


def test_an_edit_changes_what_it_names_and_asks_for_the_present_etag(bridge: Bridge, saved: str) -> None:
    before = bridge.call("GET", f"workflows/{saved}")

    edited = bridge.call("PATCH", f"workflows/{saved}", {"timeout": "PT1H", "schedule": {"cron": "0 6 * * *"}})
    late = bridge.call("PATCH", f"workflows/{saved}", {"timeout": "PT2H"}, {"If-Match": before.headers["ETag"]})

    assert edited.json["timeout"] == "PT1H"
    assert edited.json["requiredData"] == before.json["requiredData"]
    assert len(edited.json["nextRuns"]) == 5
    assert late.status == 412
    assert bridge.call("PATCH", f"workflows/{saved}", {"schedule": None}).json["nextRuns"] == []


def test_an_entity_is_written_by_one_workflow(bridge: Bridge, saved: str) -> None:
    reply = bridge.call("PUT", "workflows/rival", workflow(outputEntity="customervalue"))

    error = error_of(reply)
    assert (reply.status, error["code"]) == (409, "Conflict")
    assert saved in error["message"]


@pytest.mark.parametrize(
    ("members", "status", "says"),
    [
        ({"connection": "fabrikam"}, 404, "no connection is called 'fabrikam'; there are: "),
        ({"pipeline": "churn"}, 404, "has no pipeline 'churn'; there are: "),
        ({"pipeline": "customer_value:9"}, 404, "has no pipeline 'customer_value:9'"),
        ({"pipeline": "calendar_features"}, 400, "no data input"),
        ({"pipeline": "churn_alert"}, 400, "no output path/datastore"),
        ({"provider": "batchEndpoint", "pipeline": "nobody"}, 404, "no batch endpoint 'nobody'"),
        ({"outputDatastore": "nowhere"}, 400, "no datastore 'nowhere'"),
        ({"outputDatastore": "workspacefilestore"}, 400, "an output cannot go to workspacefilestore"),
        ({"outputPath": "../elsewhere"}, 400, "outputPath: "),
        ({"requiredData": {"transactons": {"path": PATH}}}, 400, "requiredData.transactons"),
        ({"schedule": {"cron": "61 * * * *"}}, 400, "schedule.cron"),
        ({"schedule": {"cron": "0 0 30 2 *"}}, 400, "never comes"),
        ({"schedule": {"cron": "0 6 * * *", "timeZone": "Mars/Olympus"}}, 400, "schedule.timeZone"),
        ({"outputentity": "X"}, 400, "did you mean 'outputEntity'?"),
        ({"primaryKey": None}, 400, "primaryKey: is required"),
    ],
)
def test_what_cannot_work_is_refused_with_the_reason(
    bridge: Bridge, members: dict[str, Any], status: int, says: str
) -> None:
    reply = bridge.call("PUT", "workflows/refused", workflow(**members))

    assert reply.status == status
    assert says in error_of(reply)["message"]
    assert bridge.call("GET", "workflows/refused").status == 404


def test_an_unknown_workflow_is_a_404_that_names_those_there_are(bridge: Bridge, saved: str) -> None:
    for method in ("GET", "DELETE", "PATCH"):
        reply = bridge.call(method, "workflows/unknown", {} if method == "PATCH" else None)
        assert reply.status == 404
        assert saved in error_of(reply)["message"]


def test_the_batch_endpoint_of_a_pipeline_can_be_chosen(bridge: Bridge) -> None:
    review = bridge.call(
        "PUT", "workflows/batch?dryRun=true", workflow(provider="batchEndpoint", pipeline="customer-value")
    )

    properties = review.json["job"]["properties"]
    assert properties["InputData"]["transactions"] == {"JobInputType": "UriFile", "Uri": PATH}
    assert properties["OutputData"]["scores"]["JobOutputType"] == "UriFolder"


def test_a_connection_that_a_workflow_uses_is_not_deleted(bridge: Bridge, saved: str) -> None:
    reply = bridge.call("DELETE", "connections/wf")

    assert reply.status == 409
    assert f"is used by {saved}" in error_of(reply)["message"]


@pytest.mark.parametrize("option", ["dryRun", "run"])
def test_an_option_is_true_or_false(bridge: Bridge, option: str) -> None:
    assert error_of(bridge.call("PUT", f"workflows/optional?{option}=maybe", workflow()))["target"] == option
