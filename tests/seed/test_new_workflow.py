"""Add a new workflow."""

from collections.abc import Iterator
from typing import Any

import pytest

from tests.devhost.running import Reply
from tests.support.workshop import CONNECTION, TRANSACTIONS, Workshop
from tests.triggers.test_skills import error_of

NAME = "churn-of-hotel-guests"


@pytest.fixture(autouse=True)
def unsaved(workshop: Workshop) -> Iterator[None]:
    yield
    workshop.bridge.call("DELETE", f"workflows/{NAME}")


def review(workshop: Workshop, **members: Any) -> Reply:
    return workshop.save(NAME, "?dryRun=true", **members)


def refused(workshop: Workshop, **members: Any) -> str:
    reply = review(workshop, **members)
    assert reply.status in (400, 404, 409), reply.body
    return str(error_of(reply)["message"])


def test_go_to_the_intelligence_page(workshop: Workshop) -> None:
    """Go to the Intelligence page."""
    workshop.save(NAME)

    assert NAME in [each["name"] for each in workshop.bridge.call("GET", "workflows").json["value"]]


def test_on_the_create_tab_select_use_model(workshop: Workshop) -> None:
    """On the Create tab, select Use model on the Custom model (Azure Machine Learning v2) tile."""
    models = workshop.bridge.call("GET", f"connections/{CONNECTION}/pipelines").json["value"]

    assert "customer_value" in [model["name"] for model in models if model["eligible"]]


def test_connection_is_one_to_your_workspace_and_a_new_one_can_be_added(workshop: Workshop) -> None:
    """Connection: A connection to your AML workspace. To set up a new connection, select Add connection."""
    assert f"there are: {CONNECTION}" in refused(workshop, connection="Added")
    assert "connection" in refused(workshop, connection=None)


def test_pipeline_is_one_linked_to_your_workspace(workshop: Workshop) -> None:
    """Pipeline: A pipeline linked to your AML workspace."""
    assert "customer_value" in refused(workshop, pipeline="somebody_elses")


def test_output_path_is_the_one_linked_to_your_pipeline(workshop: Workshop) -> None:
    """Output Path: The output path linked to your pipeline."""
    job = review(workshop, outputPath="exchange/churn").json["job"]["properties"]

    assert "/paths/exchange/churn/" in job["outputs"]["scores"]["uri"]
    assert "outputPath" in refused(workshop, outputPath="../elsewhere")


def test_output_datastore_is_the_one_linked_to_your_pipeline(workshop: Workshop) -> None:
    """Output Datastore: The output datastore linked to your pipeline."""
    stores = workshop.bridge.call("GET", f"connections/{CONNECTION}/datastores").json["value"]

    assert {"workspaceblobstore", "lake"} <= {store["name"] for store in stores}
    assert "workspaceblobstore" in refused(workshop, outputDatastore="elsewhere")


def test_path_and_datastore_may_be_parameters_of_the_pipeline(workshop: Workshop) -> None:
    """Output Path / Output Datastore … linked to your pipeline. (As the pipeline's own parameters.)"""
    parameters = {"outputPathParameter": "output_path", "outputDatastoreParameter": "output_datastore"}

    job = review(workshop, pipeline="customer_value_parameters", **parameters).json["job"]["properties"]

    assert job["inputs"]["output_datastore"]["value"] == "workspaceblobstore"
    assert job["inputs"]["output_path"]["value"].endswith(".csv")


def test_select_get_started(workshop: Workshop) -> None:
    """Select Get started. (What is half done can be kept.)"""
    assert workshop.save(NAME, requiredData={}).json["ready"] is False


def test_name_is_a_recognizable_name_for_the_model(workshop: Workshop) -> None:
    """Name: A recognizable name for the model."""
    workshop.save(NAME)

    assert workshop.bridge.call("GET", f"workflows/{NAME.upper()}").json["name"] == NAME
    assert error_of(workshop.save("7%20guests"))["code"] == "InvalidName"


def test_output_entity_name_is_for_the_pipeline_output_results(workshop: Workshop) -> None:
    """Output entity name: An output entity name for the pipeline output results."""
    assert review(workshop, outputEntity="HotelChurn").json["workflow"]["outputEntity"] == "HotelChurn"
    assert "outputEntity" in refused(workshop, outputEntity="Hotel Churn")


def test_primary_key_and_customer_id_are_attributes_of_the_output(workshop: Workshop) -> None:
    """Primary key: The attribute you want as the primary key. Customer ID: The matching attribute …"""
    output = "guest,stay,score\ng1,s1,0.5\ng1,s2,0.7\n"

    workshop.publish(NAME, {"churn.csv": output}, primaryKey="stay", customerId="guest", outputEntity="HotelChurn")

    rows = workshop.bridge.call("GET", "data/HotelChurn?$filter=CustomerId%20eq%20'g1'").json["value"]
    assert sorted((row["CustomerId"], row["stay"]) for row in rows) == [("g1", "s1"), ("g1", "s2")]


def test_select_next_asks_for_what_is_required(workshop: Workshop) -> None:
    """Select Next."""
    assert "primaryKey: is required" in refused(workshop, primaryKey=None)
    assert "customerId: is required" in refused(workshop, customerId=None)


def test_in_the_required_data_step_select_add_data(workshop: Workshop) -> None:
    """In the Required data step, select Add data."""
    assert review(workshop, requiredData={}).json["missing"] == ["transactions"]


def test_enter_the_data_to_use_for_your_custom_model_and_select_save(workshop: Workshop) -> None:
    """Enter the data to use for your custom model and select Save."""
    workshop.save(NAME, requiredData={})

    patch = {"requiredData": {"transactions": {"path": TRANSACTIONS}}}
    saved = workshop.bridge.call("PATCH", f"workflows/{NAME}", patch).json

    assert (saved["ready"], saved["missing"]) == (True, [])


def test_in_the_review_and_run_step_review_the_model_details_and_make_changes_if_necessary(workshop: Workshop) -> None:
    """In the Review and run step, review the model details and make changes if necessary."""
    seen = review(workshop)
    changed = review(workshop, pipeline="customer_value:1")

    assert seen.json["job"]["properties"]["inputs"]["transactions"]["uri"] == TRANSACTIONS
    assert (seen.json["pipelineVersion"], changed.json["pipelineVersion"]) == ("2", "1")
    assert workshop.bridge.call("GET", f"workflows/{NAME}").status == 404


def test_select_save_and_run_and_my_predictions_displays(workshop: Workshop) -> None:
    """Select Save and run. The My predictions page displays."""
    run = workshop.start(NAME)

    shown = {each["name"]: each for each in workshop.bridge.call("GET", "workflows").json["value"]}
    assert shown[NAME]["lastRun"]["id"] == run
    assert workshop.wait_for(run)["status"] == "succeeded"
