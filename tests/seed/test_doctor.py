"""The frequently asked questions once more: what the doctor answers to each."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import httpx
import pytest

from tests.support.workshop import CONNECTION, Workshop
from tests.triggers.test_connections import connection, workspace

ALL = [{"actions": ["*/read"]}, {"actions": ["Microsoft.MachineLearningServices/workspaces/*"]}]


def examined(workshop: Workshop, name: str = CONNECTION) -> Mapping[str, list[dict[str, Any]]]:
    """The connection's checks, by name."""
    reply = workshop.bridge.call("GET", f"doctor?connection={name}")
    assert reply.status == 200, reply.body
    found: dict[str, list[dict[str, Any]]] = {}
    for each in reply.json["checks"]:
        found.setdefault(each["name"], []).append(each)
    return found


@contextmanager
def workspace_with(workshop: Workshop, **members: Any) -> Iterator[None]:
    address = f"{workshop.bridge.simulator}/control/workspaces/bridge"
    try:
        assert httpx.patch(address, json=members).is_success
        yield
    finally:
        assert httpx.patch(address, json={"permissions": ALL, "private": False}).is_success


@pytest.fixture
def unused(workshop: Workshop) -> Iterator[str]:
    """A connection of these tests' own: the rights that one needs depend on the workflows that use it."""
    path = "connections/frequently_asked"
    assert workshop.bridge.call("PUT", path, connection()).status == 201
    yield "frequently_asked"
    assert workshop.bridge.call("DELETE", path).status == 204


def test_why_cant_i_see_my_pipeline_when_setting_up_a_custom_model_workflow(workshop: Workshop) -> None:
    """Ensure the input parameter is configured, and the output datastore and path parameters are also configured."""
    [pipelines] = examined(workshop)["connections.pipelines"]

    assert "calendar_features (no data input)" in pipelines["message"]
    assert "churn_alert (no output path/datastore)" in pipelines["message"]


def test_what_does_the_error_couldnt_save_intelligence_workflow_mean(workshop: Workshop, unused: str) -> None:
    """… if they don't have Owner or User Access Administrator privileges on the workspace."""
    with workspace_with(workshop, permissions=[{"actions": ["*/read"]}]):
        rights = examined(workshop, unused)["connections.right"]

    lacking = {each["subject"]: each for each in rights if each["status"] == "failed"}
    assert set(lacking) == {f"{unused}: jobs/write", f"{unused}: jobs/cancel/action"}
    for each in lacking.values():
        assert "granting it takes an Owner or a User Access Administrator of the workspace" in each["cure"]
        assert each["command"].startswith("az role assignment create --assignee 00000000-")
        assert each["command"].endswith(f"--role 'AzureML Data Scientist' --scope {workspace()}")


def test_is_a_private_endpoint_for_my_custom_model_workflow_supported(workshop: Workshop) -> None:
    """Not out of the box there. Here the doctor says whether calls reach a workspace that takes private ones alone."""
    with workspace_with(workshop, private=True):
        [network] = examined(workshop)["connections.network"]

    assert network["status"] == "ok"
    assert "takes calls over private endpoints alone, and 127.0.0.1 was reached" in network["message"]
