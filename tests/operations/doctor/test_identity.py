"""Tokens, and whose they are."""

import pytest

from shared.operations.doctor.commands import FunctionApp
from shared.operations.doctor.findings import Check, Status
from shared.operations.doctor.identity import Principal, token_finding
from shared.operations.doctor.looks import Fault

APP = FunctionApp("bridge")
AUDIENCE = "https://management.azure.com"
WHO = Principal("client", "object", "tenant")
NO_TOKEN = Fault("This app's identity got no token.", "IdentityFailed")


@pytest.mark.parametrize(
    ("claims", "principal"),
    [
        ({"appid": "client", "oid": "object", "tid": "tenant"}, WHO),
        ({"azp": "client", "oid": "object", "tid": "tenant"}, WHO),
        ({"oid": 7}, Principal()),
        ({}, Principal()),
    ],
)
def test_a_tokens_claims_say_whose_it_is(claims: dict[str, object], principal: Principal) -> None:
    assert Principal.of(claims) == principal


@pytest.mark.parametrize(
    ("found", "client_id", "is_needed", "status", "says"),
    [
        (WHO, "", True, Status.OK, "a token of client id client, object id object, tenant tenant"),
        (WHO, "CLIENT", True, Status.OK, "client id client"),
        (Principal(), "client", True, Status.OK, "an identity whose token has no claims"),
        (WHO, "other", True, Status.WARNING, "AZURE_CLIENT_ID names other"),
        (NO_TOKEN, "", True, Status.FAILED, "got no token"),
        (NO_TOKEN, "", False, Status.WARNING, "Nothing that is configured needs it today."),
        (None, "", False, Status.SKIPPED, "connection strings"),
    ],
)
def test_a_token_is_judged(
    found: Principal | Fault | None, client_id: str, is_needed: bool, status: Status, says: str
) -> None:
    finding = token_finding(Check.IDENTITY_MANAGEMENT, AUDIENCE, found, client_id, APP, is_needed=is_needed)

    assert finding.status is status
    assert says in finding.message


def test_an_identity_that_is_missing_is_assigned() -> None:
    system = token_finding(Check.IDENTITY_MANAGEMENT, AUDIENCE, NO_TOKEN, "", APP, is_needed=True)
    user = token_finding(Check.IDENTITY_MANAGEMENT, AUDIENCE, NO_TOKEN, "c-1", APP, is_needed=True)

    assert str(system.command).startswith("az functionapp identity assign -n bridge -g ")
    assert str(user.command).endswith('--identities "$(az identity list --query "[?clientId==\'c-1\'].id" -o tsv)"')


def test_an_assignment_names_the_object_id_rather_than_the_client_id() -> None:
    assert WHO.assignee == "object"
    assert Principal("client").assignee == "client"
    assert Principal().assignee == "<principal id of this app's identity>"
