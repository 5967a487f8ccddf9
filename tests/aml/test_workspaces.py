"""What is read of a workspace, what an error says, and where the management token never goes."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import httpx
import pytest

from shared.errors import BridgeError, NotFound, WorkspaceForbidden, WorkspaceRefused, WorkspaceUnavailable
from shared.workflows.permissions import missing
from shared.workflows.pipelines import read_pipeline
from shared.workflows.workspaces import Datastore, Workspace, WorkspaceId
from tests.aml.fakes import MANAGEMENT, FakeIdentity
from tests.aml.workspace import FORBIDDEN, LEGACY, SIMULATOR, WORKSPACE, Machinery, Recorded, Simulated, machinery
from tests.support.bridge import SUBSCRIPTION

SENTINEL = "sentinel-body"
NOWHERE = WorkspaceId(SUBSCRIPTION, "local", "nowhere")


async def failed(attempt: Awaitable[object]) -> BridgeError:
    with pytest.raises(BridgeError) as raised:
        await attempt
    return raised.value


@pytest.fixture
async def simulated() -> AsyncIterator[Simulated]:
    simulated = Simulated()
    yield simulated
    await simulated.simulator.jobs.forget()


# The simulator's workspaces


async def test_workspace_in_azures_own_spelling(simulated: Simulated) -> None:
    found = await simulated.workspaces.workspace(WorkspaceId(SUBSCRIPTION, "LOCAL", "Bridge"))

    tenant = "00000000-0000-0000-0000-0000000000aa"
    assert found == Workspace(WORKSPACE, "westeurope", tenant, False, f"{SIMULATOR}/discovery")


async def test_workspace_in_v1_legacy_mode_can_be_told(simulated: Simulated) -> None:
    assert (await simulated.workspaces.workspace(LEGACY)).is_v1_legacy

    error = await failed(simulated.workspaces.components(LEGACY))

    assert isinstance(error, WorkspaceRefused)
    assert "v1 legacy mode" in error.message


@pytest.mark.parametrize(("workspace", "is_enough"), [(WORKSPACE, True), (LEGACY, True), (FORBIDDEN, False)])
async def test_permissions(simulated: Simulated, workspace: WorkspaceId, is_enough: bool) -> None:
    lacking = missing(await simulated.workspaces.permissions(workspace))

    assert (not lacking) is is_enough
    assert is_enough or "Microsoft.MachineLearningServices/workspaces/jobs/write" in lacking
    (request,) = simulated.recorded.requests
    assert request.url.params.get_list("api-version") == ["2022-04-01"]


@pytest.mark.parametrize("page_size", [1, 2, 20])
async def test_components_over_pages_in_their_newest_version(simulated: Simulated, page_size: int) -> None:
    simulated.simulator.pages.size = page_size

    found = {item.name: item for item in await simulated.workspaces.components(WORKSPACE)}

    assert found["customer_value"].version == "2"
    assert found["customer_value"].id == f"{WORKSPACE.path}/components/customer_value/versions/2"
    pipelines = [pipeline.name for item in found.values() if (pipeline := read_pipeline(item)) is not None]
    assert {"customer_value", "calendar_features", "churn_alert"} <= set(pipelines) < set(found)


async def test_versions_are_fetched_once(simulated: Simulated) -> None:
    first = await simulated.workspaces.components(WORKSPACE)
    simulated.recorded.requests.clear()

    again = await simulated.workspaces.components(WORKSPACE)
    one = await simulated.workspaces.component(WORKSPACE, "customer_value", "2")

    assert again == first
    assert one in first
    assert [request.url.path for request in simulated.recorded.requests] == [f"{WORKSPACE.path}/components"]


async def test_few_versions_are_fetched_at_once() -> None:
    containers = [{"name": f"c{number}", "properties": {"latestVersion": "1"}} for number in range(50)]

    def respond(request: httpx.Request) -> httpx.Response:
        if request.url.path.endswith("/components"):
            return httpx.Response(200, json={"value": containers})
        version = {"id": request.url.path, "name": "1", "properties": {"componentSpec": {"type": "pipeline"}}}
        return httpx.Response(200, json=version)

    recorded = Recorded(httpx.MockTransport(respond))

    found = await Machinery(recorded).workspaces.components(WORKSPACE)

    assert [item.name for item in found] == [container["name"] for container in containers]
    assert 2 <= recorded.most_at_once <= 8


async def test_the_newest_version_that_is_not_archived(simulated: Simulated) -> None:
    simulated.simulator.workspace.components["customer_value"].versions["2"].is_archived = True

    found = {item.name: item.version for item in await simulated.workspaces.components(WORKSPACE)}

    assert found["customer_value"] == "1"


async def test_component_version(simulated: Simulated) -> None:
    found = await simulated.workspaces.component(WORKSPACE, "customer_value", "1")

    assert found is not None
    assert (found.name, found.version, found.spec["type"]) == ("customer_value", "1", "pipeline")


@pytest.mark.parametrize(
    ("name", "version"),
    [("nothing", "1"), ("customer_value", "99"), ("..", "1"), ("a/b", "1"), ("a", "1?x=y"), ("", "")],
)
async def test_component_that_is_not_there(simulated: Simulated, name: str, version: str) -> None:
    assert await simulated.workspaces.component(WORKSPACE, name, version) is None


async def test_datastores(simulated: Simulated) -> None:
    simulated.simulator.pages.size = 2

    blob, lake, files = await simulated.workspaces.datastores(WORKSPACE)

    account, endpoint = "devstoreaccount1", "localhost:10000"
    name = "workspaceblobstore"
    assert blob == Datastore(name, "AzureBlob", True, account, "azureml-blobstore", endpoint, "http")
    assert lake == Datastore("lake", "AzureDataLakeGen2", False, account, "lake", endpoint, "http")
    assert (files.kind, files.container) == ("AzureFile", "azureml-filestore")


async def test_batch_deployments_of_pipelines_alone(simulated: Simulated) -> None:
    simulated.simulator.pages.size = 1

    found = await simulated.workspaces.batch_deployments(WORKSPACE)

    assert [(item.endpoint, item.name, item.is_default) for item in found] == [
        ("customer-value", "v1", False),
        ("customer-value", "v2", True),
    ]
    assert found[1].component_id == f"{WORKSPACE.path}/components/customer_value/versions/2"
    assert found[1].scoring_uri == f"{SIMULATOR}/batch/customer-value/jobs"


async def test_workspace_that_is_not_there(simulated: Simulated) -> None:
    error = await failed(simulated.workspaces.workspace(NOWHERE))

    assert isinstance(error, NotFound)
    assert NOWHERE.path in error.message


async def test_throttling_is_told_with_the_seconds(simulated: Simulated) -> None:
    simulated.fault(status=429, retryAfter=17)

    error = await failed(simulated.workspaces.datastores(WORKSPACE))

    assert isinstance(error, WorkspaceUnavailable)
    assert (error.retryable, error.retry_after) == (True, 17)


@pytest.mark.parametrize("drop", ["before", "after"])
async def test_no_answer_may_pass(simulated: Simulated, drop: str) -> None:
    simulated.fault(drop=drop)

    assert (await failed(simulated.workspaces.datastores(WORKSPACE))).retryable


async def test_a_revoked_token_is_renewed(simulated: Simulated) -> None:
    await simulated.workspaces.workspace(WORKSPACE)
    simulated.simulator.tokens.revoke()

    assert await simulated.workspaces.datastores(WORKSPACE)


# Errors, one by one

ASKS: list[Callable[[Machinery], Awaitable[object]]] = [
    lambda on: on.workspaces.workspace(WORKSPACE),
    lambda on: on.workspaces.permissions(WORKSPACE),
    lambda on: on.workspaces.components(WORKSPACE),
    lambda on: on.workspaces.component(WORKSPACE, "c", "1"),
    lambda on: on.workspaces.datastores(WORKSPACE),
    lambda on: on.workspaces.batch_deployments(WORKSPACE),
    lambda on: on.jobs.find(WORKSPACE, "run"),
]


@pytest.mark.parametrize("ask", ASKS)
@pytest.mark.parametrize(
    ("status", "error", "retryable"),
    [
        (302, WorkspaceRefused, False),
        (400, WorkspaceRefused, False),
        (401, WorkspaceForbidden, False),
        (403, WorkspaceForbidden, False),
        (409, WorkspaceRefused, False),
        (408, WorkspaceUnavailable, True),
        (429, WorkspaceUnavailable, True),
        (500, WorkspaceUnavailable, True),
        (503, WorkspaceUnavailable, True),
    ],
)
async def test_status(
    ask: Callable[[Machinery], Awaitable[object]], status: int, error: type[BridgeError], retryable: bool
) -> None:
    headers = {"Retry-After": "17", "Location": "https://evil.example"}
    on = machinery(lambda _: httpx.Response(status, headers=headers, json={SENTINEL: SENTINEL}))

    raised = await failed(ask(on))

    assert type(raised) is error
    assert raised.retryable is retryable
    assert raised.retry_after == (17 if retryable else None)
    assert "workspace bridge" in raised.message
    assert SENTINEL not in repr(raised) + raised.message
    assert f"{MANAGEMENT}#" not in raised.message


async def test_a_missing_right_is_named_with_the_command_that_grants_it() -> None:
    on = machinery(lambda _: httpx.Response(403, json={}))

    message = (await failed(on.workspaces.datastores(WORKSPACE))).message

    assert "Microsoft.MachineLearningServices/workspaces/datastores/read" in message
    assert "az role assignment create" in message
    assert "--scope" in message
    assert WORKSPACE.path in message


async def test_what_azure_says_is_wrong_is_told_but_no_token() -> None:
    token = f"eyJ0.{'a' * 200}"
    error = {"code": "UserError", "message": f"The mode is invalid:\n{token} {'long ' * 200}"}
    on = machinery(lambda _: httpx.Response(400, json={"error": error}))

    message = (await failed(on.workspaces.datastores(WORKSPACE))).message

    assert "UserError: The mode is invalid:" in message
    assert "aaaa" not in message
    assert "\n" not in message
    assert len(message) < 700


async def test_silence_ends() -> None:
    async def wait(request: httpx.Request) -> httpx.Response:
        await asyncio.sleep(60)
        return httpx.Response(200)

    on = Machinery(httpx.MockTransport(wait), most_seconds=0.05)

    error = await failed(on.workspaces.workspace(WORKSPACE))

    assert isinstance(error, WorkspaceUnavailable)
    assert "within 0.05 s" in error.message


async def test_no_identity_may_pass() -> None:
    on = machinery(lambda _: httpx.Response(200), FakeIdentity(down=True))

    error = await failed(on.workspaces.workspace(WORKSPACE))

    assert isinstance(error, WorkspaceUnavailable)
    assert "AZURE_CLIENT_ID" in error.message


@pytest.mark.parametrize("body", [b"", b"not JSON", b"[]", b"null", b"{}", b'{"properties": "sentinel-body"}'])
async def test_an_answer_of_another_shape_is_repeated_nowhere(body: bytes) -> None:
    on = machinery(lambda _: httpx.Response(200, content=body))

    error = await failed(on.workspaces.workspace(WORKSPACE))

    assert isinstance(error, WorkspaceUnavailable)
    assert SENTINEL not in error.message
    assert error.__cause__ is None


@pytest.mark.parametrize("name", ["components", "datastores", "batch_deployments", "permissions"])
@pytest.mark.parametrize(
    "link", ["https://evil.example/x", "https://management.azure.com@evil.example/", "http://management.azure.com/x"]
)
async def test_the_token_goes_to_no_other_host(name: str, link: str) -> None:
    hosts: list[str] = []

    def respond(request: httpx.Request) -> httpx.Response:
        hosts.append(str(request.url.copy_with(path="/", query=None)))
        return httpx.Response(200, json={"value": [], "nextLink": link})

    error = await failed(getattr(machinery(respond).workspaces, name)(WORKSPACE))

    assert isinstance(error, WorkspaceUnavailable)
    assert hosts == [f"{MANAGEMENT}/"]


async def test_nulls_as_live_answers_have_them() -> None:
    nothing: dict[str, Any] = {"id": None, "location": None, "properties": {"tenantId": None, "v1LegacyMode": None}}
    nothing["id"] = WORKSPACE.path
    on = machinery(lambda _: httpx.Response(200, json=nothing))

    assert await on.workspaces.workspace(WORKSPACE) == Workspace(WORKSPACE, "", "", False, "")
