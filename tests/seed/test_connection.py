"""Set up an AML connection."""

from collections.abc import Iterator
from typing import Any

import pytest

from tests.support.workshop import CONNECTION, Workshop
from tests.triggers.test_connections import TENANT, connection, workspace
from tests.triggers.test_skills import error_of


@pytest.fixture
def contoso(workshop: Workshop) -> Iterator[str]:
    assert workshop.bridge.call("PUT", "connections/Contoso_1", connection()).status == 201
    yield "Contoso_1"
    workshop.bridge.call("DELETE", "connections/Contoso_1")


def listed(workshop: Workshop) -> dict[str, Any]:
    return {each["name"]: each for each in workshop.bridge.call("GET", "connections").json["value"]}


def refused(workshop: Workshop, **members: Any) -> str:
    reply = workshop.bridge.call("PUT", "connections/refused", connection(**members))
    assert 400 <= reply.status < 500, reply.body
    return str(error_of(reply)["message"])


def test_go_to_admin_connections(workshop: Workshop) -> None:
    """Go to Admin > Connections."""
    assert CONNECTION in listed(workshop)


def test_scroll_to_miscellaneous_connections(workshop: Workshop, contoso: str) -> None:
    """Scroll to Miscellaneous connections."""
    assert list(listed(workshop)) == sorted(listed(workshop), key=str.lower)
    assert listed(workshop)[contoso]["workspace"] == workspace()


def test_select_set_up_on_the_azure_machine_learning_tile(workshop: Workshop, contoso: str) -> None:
    """Select Set up on the Azure Machine Learning tile. (A new one: it does not replace another.)"""
    reply = workshop.bridge.call("PUT", f"connections/{contoso}", connection(), {"If-None-Match": "*"})

    assert reply.status == 412


def test_display_name_is_unique_and_recognizable(workshop: Workshop, contoso: str) -> None:
    """Display name: A unique, recognizable name that describes this connection."""
    reply = workshop.bridge.call("PUT", f"connections/{contoso.upper()}", connection())

    assert (reply.status, reply.json["name"]) == (200, contoso)
    assert [name.lower() for name in listed(workshop)].count(contoso.lower()) == 1


@pytest.mark.parametrize("name", ["1st", "_first", "with-hyphen", "with%20space", "%C3%A4", "dot.ted"])
def test_display_name_must_start_with_a_letter_and_contain_only_letters_numbers_and_underscores(
    workshop: Workshop, name: str
) -> None:
    """Must start with a letter and contain only letters, numbers, and underscores."""
    reply = workshop.bridge.call("PUT", f"connections/{name}", connection())

    assert (reply.status, error_of(reply)["code"]) == (400, "InvalidName")


def test_tenant_is_the_one_linked_to_the_workspace(workshop: Workshop) -> None:
    """Tenant: The tenant linked to your AML workspace."""
    assert TENANT in refused(workshop, tenant="00000000-0000-0000-0000-0000000000bb")


def test_workspace_is_the_aml_workspace(workshop: Workshop) -> None:
    """Workspace: The AML workspace."""
    assert "nowhere" in refused(workshop, workspace=workspace("nowhere"))
    assert "resource id of a workspace" in refused(workshop, workspace="bridge")


def test_review_the_data_privacy_and_compliance_and_select_i_agree(workshop: Workshop, contoso: str) -> None:
    """Review the data privacy and compliance and select I agree."""
    consent = workshop.bridge.call("GET", "consent").json

    assert len(consent["text"]) > 200
    assert "GET /api/consent has the text" in refused(workshop, consent=False)
    assert listed(workshop)[contoso]["consentGiven"]["version"] == consent["version"]


def test_select_save(workshop: Workshop, contoso: str) -> None:
    """Select Save."""
    saved = workshop.bridge.call("GET", f"connections/{contoso}")

    assert saved.status == 200
    assert (saved.json["tenant"], saved.json["workspace"]) == (TENANT, workspace())
