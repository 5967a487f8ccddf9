"""A workspace of another tenant, through the host, azure-identity and the simulator's token endpoint (https)."""

from collections.abc import Iterator

import pytest

from simulator.entra import REGISTRATION
from tests.simulator.process import ready_url, start_simulator
from tests.support.bridge import Bridge, running_bridge
from tests.support.certificates import make_certificate
from tests.triggers.test_connections import TENANT, TENANT_ABROAD, WORKSPACE_ABROAD, connection, workspace
from tests.triggers.test_skills import error_of
from tests.triggers.test_workflows import workflow

ABROAD = connection(tenant=TENANT_ABROAD, workspace=WORKSPACE_ABROAD)


@pytest.fixture(scope="module")
def registered(azurite: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bridge]:
    """An app with an app registration for other tenants."""
    certificate = make_certificate(tmp_path_factory.mktemp("certificate"))
    secure = ("--certificate", str(certificate.chain), "--key", str(certificate.key))
    with start_simulator("--port", "0", "--scoring-url", "", *secure) as process:
        try:
            address = ready_url(process)
            with running_bridge(
                azurite,
                address,
                CONNECTION_CLIENT_ID=REGISTRATION,
                AZURE_AUTHORITY_HOST=address,
                SSL_CERT_FILE=str(certificate.authority),
            ) as bridge:
                yield bridge
        finally:
            process.terminate()


def test_a_connection_abroad_is_saved_and_browsed_and_a_workflow_reviewed(registered: Bridge) -> None:
    saved = registered.call("PUT", "connections/abroad", ABROAD)
    pipelines = registered.call("GET", "connections/abroad/pipelines")
    datastores = registered.call("GET", "connections/abroad/datastores")
    review = registered.call(
        "PUT", "workflows/abroad?dryRun=true", workflow(connection="abroad", outputEntity="Abroad")
    )

    assert (saved.status, saved.json["tenant"]) == (201, TENANT_ABROAD)
    assert "customer_value" in [item["name"] for item in pipelines.json["value"]]
    assert "workspaceblobstore" in [item["name"] for item in datastores.json["value"]]
    assert review.json["job"]["properties"]["componentId"].startswith(WORKSPACE_ABROAD)
    registered.call("DELETE", "connections/abroad")


def test_a_connection_at_home_is_saved_beside_it(registered: Bridge) -> None:
    assert registered.call("PUT", "connections/beside", connection()).status == 201
    registered.call("DELETE", "connections/beside")


@pytest.mark.parametrize(
    ("tenant", "place", "says"),
    [
        (TENANT_ABROAD, workspace(), "does not take this app's token"),
        (TENANT, WORKSPACE_ABROAD, "does not take this app's token"),
        ("00000000-0000-0000-0000-0000000000dd", WORKSPACE_ABROAD, "AADSTS90002"),
    ],
)
def test_a_tenant_that_is_not_the_workspaces_is_refused(registered: Bridge, tenant: str, place: str, says: str) -> None:
    reply = registered.call("PUT", "connections/mixed", connection(tenant=tenant, workspace=place))

    assert (reply.status, error_of(reply)["code"]) == (403, "WorkspaceForbidden")
    assert says in error_of(reply)["message"]
    assert registered.call("GET", "connections/mixed").status == 404
