"""View the results."""

from typing import Any

import pytest

from tests.support.workshop import Workshop, entity_of
from tests.triggers.test_skills import error_of

NAME = "viewed"
GUID = "ce759201f786d590bf2134bff576c369"
OUTPUT = f"customer_id,score\n{GUID},0.5\n00002,1.5\n"


@pytest.fixture(scope="module", autouse=True)
def viewed(workshop: Workshop) -> dict[str, Any]:
    return workshop.publish(NAME, {"scores.csv": OUTPUT})


def query(workshop: Workshop, instance: str, entity: str, customer: str) -> Any:
    """The address of the page, as it stands there."""
    return workshop.bridge.host.get(f"/v1/instances/{instance}/data/{entity}%3Ffilter%3DCustomerId%20eq%20'{customer}'")


def test_results_are_stored_in_the_entity_name_defined(workshop: Workshop) -> None:
    """Results from a workflow are stored in the entity name defined for Model Output Parameters."""
    assert {row["CustomerId"] for row in workshop.rows(NAME)} == {GUID, "00002"}


def test_access_this_data_from_the_entities_page(workshop: Workshop) -> None:
    """Access this data from the Data > Entities page …"""
    entities = {each["name"]: each for each in workshop.bridge.call("GET", "entities").json["value"]}

    assert entities[entity_of(NAME)]["workflow"] == NAME
    assert entities[entity_of(NAME)]["current"]["rows"] == 2


def test_access_this_data_with_api_access(workshop: Workshop) -> None:
    """… or with API access."""
    assert entity_of(NAME) in [each["name"] for each in workshop.bridge.call("GET", "data").json["value"]]


def test_for_the_specific_odata_query_use_the_following_format(workshop: Workshop) -> None:
    """https://…/v1/instances/<id>/data/<entity name>%3Ffilter%3DCustomerId%20eq%20'<guid value>'"""
    reply = query(workshop, "any", entity_of(NAME), GUID)

    assert reply.status == 200
    assert reply.json["value"] == [{"CustomerId": GUID, "customer_id": GUID, "score": 0.5}]


def test_replace_your_instance_id_with_the_id_of_your_environment(workshop: Workshop) -> None:
    """Replace <your instance id> with the ID of your Customer Insights environment."""
    instance = "b5f1b8d4-0000-4000-8000-000000000000"

    assert query(workshop, instance, entity_of(NAME), GUID).json == query(workshop, "any", entity_of(NAME), GUID).json


def test_replace_the_entity_with_the_name_you_provided(workshop: Workshop) -> None:
    """Replace <custom model output entity> with the entity name you provided …"""
    unknown = query(workshop, "any", "NobodyMadeThis", GUID)

    assert query(workshop, "any", entity_of(NAME).lower(), GUID).status == 200
    assert unknown.status == 404
    assert "no entity is called 'NobodyMadeThis'; there are: " in error_of(unknown)["message"]


@pytest.mark.parametrize(("customer", "rows"), [("00002", 1), ("2", 0), (GUID.upper(), 0), ("O''Neil", 0)])
def test_replace_guid_value_with_the_customer_id(workshop: Workshop, customer: str, rows: int) -> None:
    """Replace <guid value> with the Customer ID of the customer you'd like to access."""
    assert len(query(workshop, "any", entity_of(NAME), customer).json["value"]) == rows
