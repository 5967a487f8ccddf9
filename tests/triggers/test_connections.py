"""The routes under `/api/connections`, through the host, table storage and the simulator's workspaces."""

from collections.abc import Iterator
from typing import Any

import pytest

from tests.support.bridge import Bridge
from tests.triggers.test_skills import error_of

TENANT = "00000000-0000-0000-0000-0000000000aa"
TENANT_ABROAD = "00000000-0000-0000-0000-0000000000bb"
WORKSPACE_ABROAD = (
    "/subscriptions/00000000-0000-0000-0000-00000000000b/resourceGroups/local/providers/"
    "Microsoft.MachineLearningServices/workspaces/abroad"
)
GROUP = "/subscriptions/00000000-0000-0000-0000-000000000001/resourceGroups/local"


def workspace(name: str = "bridge") -> str:
    return f"{GROUP}/providers/Microsoft.MachineLearningServices/workspaces/{name}"


def connection(**members: Any) -> dict[str, Any]:
    return {"tenant": TENANT, "workspace": workspace(), "consent": True, **members}


@pytest.fixture
def contoso(bridge: Bridge) -> Iterator[str]:
    bridge.call("PUT", "connections/contoso", connection())
    yield "contoso"
    bridge.call("DELETE", "connections/contoso")


def test_the_consent_can_be_read_before_it_is_given(bridge: Bridge) -> None:
    consent = bridge.call("GET", "consent").json

    assert set(consent) == {"version", "text"}
    assert "region" in consent["text"]


def test_a_connection_is_saved_with_who_agreed_and_when(bridge: Bridge) -> None:
    reply = bridge.call("PUT", "connections/saved", connection())

    assert reply.status == 201
    assert reply.json["name"] == "saved"
    assert reply.json["location"] == "westeurope"
    assert set(reply.json["consentGiven"]) == {"by", "at", "version"}
    assert bridge.call("GET", "connections/saved").headers["ETag"] == reply.headers["ETag"]
    assert bridge.call("DELETE", "connections/saved").status == 204


def test_a_principal_that_nobody_checked_is_not_believed(bridge: Bridge) -> None:
    reply = bridge.call("PUT", "connections/claimed", connection(), {"x-ms-client-principal-name": "ceo@contoso.com"})

    assert reply.json["consentGiven"]["by"] == "holder of a function key"
    bridge.call("DELETE", "connections/claimed")


def test_get_then_put_changes_nothing_and_keeps_the_consent(bridge: Bridge, contoso: str) -> None:
    got = bridge.call("GET", f"connections/{contoso}")

    again = bridge.call("PUT", f"connections/{contoso}", got.json)

    assert again.status == 200
    assert again.json == got.json
    assert again.headers["ETag"] == got.headers["ETag"]


@pytest.mark.parametrize(
    ("body", "status", "code", "says"),
    [
        (connection(consent=False), 400, "InvalidDefinition", "consent: agree to the transfer of data"),
        (connection(consent=None), 400, "InvalidDefinition", "GET /api/consent has the text"),
        (connection(tenant="contoso"), 400, "InvalidDefinition", "tenant: is the tenant's id"),
        (
            connection(tenant=TENANT_ABROAD),
            403,
            "WorkspaceForbidden",
            f"the tenant {TENANT_ABROAD} is not this app's own",
        ),
        (connection(workspace=WORKSPACE_ABROAD), 403, "WorkspaceForbidden", "check the connection's tenant"),
        (connection(workspace="bridge"), 400, "InvalidDefinition", "workspace: not the resource id of a workspace"),
        (connection(workspace=workspace("unknown")), 404, "NotFound", "unknown"),
        (connection(workspace=workspace("legacy")), 400, "InvalidDefinition", "v1 legacy mode"),
        (connection(workspace=workspace("forbidden")), 403, "WorkspaceForbidden", "jobs/write"),
        (connection(Workspace="x"), 400, "InvalidDefinition", "did you mean 'workspace'?"),
        ([], 400, "InvalidDefinition", "a connection is a JSON object"),
    ],
)
def test_a_connection_that_cannot_be_is_refused_with_the_reason(
    bridge: Bridge, body: object, status: int, code: str, says: str
) -> None:
    reply = bridge.call("PUT", "connections/refused", body)

    error = error_of(reply)
    assert (reply.status, error["code"]) == (status, code)
    assert says in error["message"]
    assert bridge.call("GET", "connections/refused").status == 404


def test_the_error_of_missing_rights_names_the_right_the_role_and_the_command(bridge: Bridge) -> None:
    message = error_of(bridge.call("PUT", "connections/refused", connection(workspace=workspace("forbidden"))))[
        "message"
    ]

    assert "Microsoft.MachineLearningServices/workspaces/jobs/write" in message
    assert "AzureML Data Scientist" in message
    assert "az role assignment create --assignee" in message
    assert workspace("forbidden") in message


@pytest.mark.parametrize("name", ["1st", "with-hyphen", "a" * 64])
def test_a_display_name_starts_with_a_letter_and_holds_letters_numbers_and_underscores(
    bridge: Bridge, name: str
) -> None:
    assert error_of(bridge.call("PUT", f"connections/{name}", connection()))["code"] == "InvalidName"


def test_an_unknown_connection_is_a_404_that_names_those_there_are(bridge: Bridge, contoso: str) -> None:
    for path in ("connections/fabrikam", "connections/fabrikam/pipelines", "connections/fabrikam/datastores"):
        reply = bridge.call("GET", path)
        assert reply.status == 404
        assert contoso in error_of(reply)["message"]


def test_pipelines_are_all_listed_each_eligible_or_with_its_reasons(bridge: Bridge, contoso: str) -> None:
    listed = bridge.call("GET", f"connections/{contoso}/pipelines").json["value"]

    found = {(item["name"], item["provider"]): item for item in listed}
    value = found["customer_value", "component"]
    assert (value["eligible"], value["reasons"], value["version"]) == (True, [], "2")
    assert {"name": "scores", "type": "uri_folder"} in value["outputs"] or value["outputs"][0]["name"] == "scores"
    assert next(item for item in value["inputs"] if item["name"] == "transactions")["required"] is True
    assert found["customer_value_parameters", "component"]["styles"] == ["parameters"]
    assert found["customer-value", "batchEndpoint"]["eligible"] is True
    refused = {reason for item in listed if not item["eligible"] for reason in item["reasons"]}
    assert refused == {"no data input", "no output path/datastore"}


def test_datastores_are_those_that_an_output_can_go_to(bridge: Bridge, contoso: str) -> None:
    listed = bridge.call("GET", f"connections/{contoso}/datastores").json["value"]

    assert {store["type"] for store in listed} == {"AzureBlob", "AzureDataLakeGen2"}
    assert [store["name"] for store in listed if store["isDefault"]] == ["workspaceblobstore"]
