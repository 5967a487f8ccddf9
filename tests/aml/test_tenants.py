"""Whose token goes where, by tenant: this app's own at home, the app registration's abroad."""

import asyncio
from base64 import urlsafe_b64encode
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import httpx
import pytest

from shared.aml.auth import Token
from shared.aml.azure import Azure
from shared.aml.tenants import Tenants, tenant_of
from shared.app import Services
from shared.errors import WorkspaceForbidden, WorkspaceRefused, WorkspaceUnavailable
from shared.settings import Settings
from shared.workflows.workspaces import Datastore, WorkspaceId
from simulator.app import Simulator, create_app
from simulator.arm.models import SUBSCRIPTION, SUBSCRIPTION_ABROAD, TENANT, TENANT_ABROAD
from tests.aml.fakes import MACHINE_LEARNING, MANAGEMENT, Clock, FakeIdentity
from tests.aml.workspace import SIMULATOR, Recorded

REGISTRATION = "00000000-0000-0000-0000-0000000000c2"
HOME = WorkspaceId(SUBSCRIPTION, "local", "bridge")
ABROAD = WorkspaceId(SUBSCRIPTION_ABROAD, "local", "abroad")
REGISTERED = {"CONNECTION_CLIENT_ID": REGISTRATION}


@dataclass
class Identity(FakeIdentity):
    """One in a tenant; its tokens are the simulator's."""

    simulator: Simulator = field(default_factory=Simulator)
    tenant: str = TENANT
    issued: list[str] = field(default_factory=list)

    async def token(self, audience: str, *, anew: bool) -> Token:
        found = await super().token(audience, anew=anew)
        self.issued.append(self.simulator.tokens.issue(audience, 3600, self.tenant).value)
        return Token(self.issued[-1], found.expires_at)


class World:
    """The app's own identity, its app registration wherever it is asked for, and Azure."""

    def __init__(self, **environment: str) -> None:
        self.simulator = Simulator()
        self.own = Identity(simulator=self.simulator)
        self.registrations: dict[str, Identity] = {}
        self.recorded = Recorded(httpx.ASGITransport(create_app(self.simulator)))
        self.environment = {
            "AZURE_RESOURCE_MANAGER": SIMULATOR,
            "ALLOW_LOOPBACK_SCORING": "true",
            "AZURE_CLIENT_ID": "own-client-id",
            **environment,
        }
        settings = Settings.from_environment(self.environment)
        self.tenants = Tenants(self.own.tokens(), self.register, settings, Clock())
        self.azure = Azure(self.recorded, self.tenants, settings)

    def register(self, tenant: str) -> Identity:
        assert tenant not in self.registrations, "one credential a tenant"
        self.registrations[tenant] = Identity(simulator=self.simulator, tenant=tenant)
        return self.registrations[tenant]

    def sent(self) -> set[str]:
        return {request.headers["authorization"].removeprefix("Bearer ") for request in self.recorded.requests}


async def failed(call: Any) -> Any:
    with pytest.raises((WorkspaceForbidden, WorkspaceUnavailable)) as raised:
        await call
    return raised.value


# Which identity


@pytest.mark.parametrize("environment", [{}, {"AZURE_TENANT_ID": TENANT.upper()}])
async def test_at_home_the_own_identity_is_used(environment: dict[str, str]) -> None:
    world = World(**REGISTERED, **environment)

    await world.azure.reader(TENANT).workspace(HOME)
    await world.azure.reader(TENANT.upper()).workspace(HOME)

    assert world.registrations == {}
    assert world.sent() == set(world.own.issued)


@pytest.mark.parametrize("environment", [{}, {"AZURE_TENANT_ID": TENANT}])
async def test_abroad_the_app_registrations_token_goes_out_and_no_token_of_the_own_identity(
    environment: dict[str, str],
) -> None:
    world = World(**REGISTERED, **environment)

    found = await world.azure.reader(TENANT_ABROAD).workspace(ABROAD)

    assert found.tenant == TENANT_ABROAD
    assert list(world.registrations) == [TENANT_ABROAD]
    assert world.sent() == set(world.registrations[TENANT_ABROAD].issued)


async def test_the_registrations_token_goes_to_calls_of_its_connection_alone() -> None:
    world = World(**REGISTERED)
    await world.azure.reader(TENANT_ABROAD).workspace(ABROAD)
    world.recorded.requests.clear()

    await world.azure.reader(TENANT).workspace(HOME)

    assert world.sent() == set(world.own.issued)


async def test_with_the_setting_the_own_tenant_is_known_without_a_token() -> None:
    world = World(**REGISTERED, AZURE_TENANT_ID=TENANT)

    await world.azure.reader(TENANT_ABROAD).workspace(ABROAD)

    assert world.own.fetched == []


async def test_while_the_own_tenant_is_unknown_the_own_identity_is_used() -> None:
    identity = FakeIdentity()  # its tokens are no JWTs
    sent: list[httpx.Request] = []

    def respond(request: httpx.Request) -> httpx.Response:
        sent.append(request)
        return httpx.Response(200, json={"properties": {"tenantId": TENANT_ABROAD}})

    settings = Settings.from_environment(REGISTERED)
    tenants = Tenants(identity.tokens(), lambda tenant: pytest.fail("asked for abroad"), settings, Clock())
    await Azure(httpx.MockTransport(respond), tenants, settings).reader(TENANT_ABROAD).workspace(ABROAD)

    assert [request.headers["authorization"] for request in sent] == [f"Bearer {MANAGEMENT}#1"]
    assert tenants.storage(TENANT_ABROAD) is None


async def test_tokens_are_kept_by_tenant_and_audience_and_fetched_once_for_many() -> None:
    world = World(**REGISTERED)
    asks = [(TENANT, MANAGEMENT), (TENANT_ABROAD, MANAGEMENT), (TENANT_ABROAD, MACHINE_LEARNING)] * 100

    found = await asyncio.gather(*(world.tenants.tokens(tenant).get(audience) for tenant, audience in asks))

    assert len(set(found)) == 3
    assert world.own.fetched == [MANAGEMENT]
    assert sorted(world.registrations[TENANT_ABROAD].fetched) == [MANAGEMENT, MACHINE_LEARNING]


async def test_a_refused_token_is_renewed_once_in_its_tenant() -> None:
    world = World(**REGISTERED)
    await world.azure.reader(TENANT_ABROAD).workspace(ABROAD)
    home = await world.tenants.tokens(TENANT).get(MANAGEMENT)
    world.simulator.tokens.revoke()

    await world.azure.reader(TENANT_ABROAD).workspace(ABROAD)

    assert world.registrations[TENANT_ABROAD].fetched == [MANAGEMENT] * 2
    assert await world.tenants.tokens(TENANT).get(MANAGEMENT) == home


# Errors


@pytest.mark.parametrize("environment", [{}, {"AZURE_TENANT_ID": TENANT}])
async def test_without_the_setting_a_foreign_tenant_is_refused_with_what_to_do(environment: dict[str, str]) -> None:
    world = World(**environment)

    error = await failed(world.azure.reader(TENANT_ABROAD).workspace(ABROAD))

    assert (type(error), error.status, error.target) == (WorkspaceForbidden, 403, "tenant")
    for part in (TENANT_ABROAD, TENANT, "CONNECTION_CLIENT_ID", "multi-tenant app", "federated credential"):
        assert part in error.message
    assert "api://AzureADTokenExchange" in error.message
    assert "AzureML Data Scientist" in error.message
    assert world.recorded.requests == []


async def test_without_an_identity_it_may_pass() -> None:
    world = World(**REGISTERED)
    world.own.down = True

    assert isinstance(await failed(world.azure.reader(TENANT_ABROAD).workspace(ABROAD)), WorkspaceUnavailable)


@pytest.mark.parametrize(
    ("tenant", "workspace", "assignee"), [(TENANT, HOME, "own-client-id"), (TENANT_ABROAD, ABROAD, REGISTRATION)]
)
async def test_the_command_that_grants_a_right_names_who_calls_there(
    tenant: str, workspace: WorkspaceId, assignee: str
) -> None:
    world = World(**REGISTERED)
    for each in world.simulator.workspaces.all:
        each.permissions = ()

    error = await failed(world.azure.reader(tenant).datastores(workspace))

    assert f"--assignee {assignee} " in error.message
    assert world.tenants.identity(tenant) == assignee


# Storage


async def test_storage_abroad_gets_the_registrations_token_and_at_home_the_usual_credential() -> None:
    world = World(**REGISTERED, AZURE_TENANT_ID=TENANT)
    credential = world.tenants.storage(TENANT_ABROAD)
    assert credential is not None

    token = await credential.get_token("https://storage.azure.com/.default", enable_cae=True)

    assert world.registrations[TENANT_ABROAD].issued == [token.token]
    assert world.registrations[TENANT_ABROAD].fetched == ["https://storage.azure.com"]
    assert token.expires_on > 1_000_000
    assert world.tenants.storage(TENANT) is None


async def test_storage_without_an_identity_says_so() -> None:
    identity = FakeIdentity(down=True)
    settings = Settings.from_environment({**REGISTERED, "AZURE_TENANT_ID": TENANT})
    credential = Tenants(FakeIdentity().tokens(), lambda tenant: identity, settings, Clock()).storage(TENANT_ABROAD)
    assert credential is not None

    assert isinstance(await failed(credential.get_token("https://storage.azure.com/.default")), WorkspaceUnavailable)


# The app


LAPTOP = Datastore("store", "AzureBlob", True, "devstoreaccount1", "data", "localhost:10000", "http")


def test_a_datastore_abroad_is_never_opened_with_this_apps_own_keys() -> None:
    world = World(**REGISTERED, AZURE_TENANT_ID=TENANT, AzureWebJobsStorage="UseDevelopmentStorage=true")
    services = Services(world.environment, credential=lambda: world.own, registration=world.register)

    services.datastore_output(TENANT, LAPTOP)  # at home it opens it
    with pytest.raises(WorkspaceRefused, match="this app's identity goes to https"):
        services.datastore_output(TENANT_ABROAD, LAPTOP)


async def test_the_app_reads_each_connections_workspace_as_its_tenant_asks() -> None:
    world = World(**REGISTERED)
    services = Services(
        world.environment,
        transport=world.recorded,
        credential=lambda: world.own,
        registration=world.register,
        now=lambda: datetime(1970, 1, 12, tzinfo=UTC),
    )

    await services.readers(TENANT).workspace(HOME)
    await services.readers(TENANT_ABROAD).workspace(ABROAD)

    issued = (world.own.issued[0], world.registrations[TENANT_ABROAD].issued[0])
    assert [request.headers["authorization"] for request in world.recorded.requests] == [f"Bearer {t}" for t in issued]


# The claim


def jwt(payload: bytes) -> str:
    return f"e30.{urlsafe_b64encode(payload).decode().rstrip('=')}.signature"


@pytest.mark.parametrize(
    ("token", "tenant"),
    [
        (jwt(f'{{"tid": "{TENANT}"}}'.encode()), TENANT),
        (jwt(f'{{"aud": "x", "tid": "{TENANT.upper()}"}}'.encode()), TENANT),
        (jwt(b"{}"), None),
        (jwt(b'{"tid": null}'), None),
        (jwt(b'{"tid": 7}'), None),
        (jwt(b'{"tid": "contoso.onmicrosoft.com"}'), None),
        (jwt(b"[]"), None),
        (jwt(b"\xff"), None),
        (jwt(b"[" * 100_000), None),
        ("opaque", None),
        ("", None),
        ("a.b", None),
        ("..", None),
        ("a.ä.c", None),
        ("a.%%%%.c", None),
    ],
)
def test_the_tenant_of_a_token(token: str, tenant: str | None) -> None:
    assert tenant_of(token) == tenant
