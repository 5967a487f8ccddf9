"""Does the ARM side tell what a workspace is, holds and permits?"""

import httpx
import pytest

from simulator.app import Simulator
from tests.simulator.arm import WORKSPACE
from tests.simulator.jobs import JOBS, job_body

LEGACY = WORKSPACE.replace("/bridge", "/legacy")
FORBIDDEN = WORKSPACE.replace("/bridge", "/forbidden")
SUBSCRIPTION = WORKSPACE.partition("/resourceGroups")[0]
PROVIDER = "providers/Microsoft.MachineLearningServices/workspaces"
PERMISSIONS = "providers/Microsoft.Authorization/permissions"


async def test_the_workspace_tells_tenant_place_and_mode(arm: httpx.AsyncClient) -> None:
    workspace = (await arm.get(WORKSPACE)).json()
    legacy = (await arm.get(LEGACY)).json()

    assert workspace["location"] == "westeurope"
    assert workspace["properties"]["tenantId"] == "00000000-0000-0000-0000-0000000000aa"
    assert (workspace["properties"]["v1LegacyMode"], legacy["properties"]["v1LegacyMode"]) == (False, True)


@pytest.mark.parametrize("path", [f"{SUBSCRIPTION}/{PROVIDER}", f"{SUBSCRIPTION}/resourceGroups/LOCAL/{PROVIDER}"])
async def test_all_workspaces_are_listed(arm: httpx.AsyncClient, path: str) -> None:
    page = (await arm.get(path)).json()

    assert [workspace["name"] for workspace in page["value"]] == ["bridge", "legacy", "forbidden"]


async def test_discovery_leads_to_the_data_plane_without_a_token(
    client: httpx.AsyncClient, arm: httpx.AsyncClient
) -> None:
    url = (await arm.get(WORKSPACE)).json()["properties"]["discoveryUrl"]
    del client.headers["authorization"]

    assert (await client.get(url)).json()["history"] == "http://simulator"


async def test_a_legacy_workspace_refuses_the_v2_interface(arm: httpx.AsyncClient) -> None:
    answer = await arm.get(f"{LEGACY}/components")

    assert answer.status_code == 400
    assert "legacy" in answer.json()["error"]["message"]


async def test_permissions_are_those_of_the_roles(arm: httpx.AsyncClient) -> None:
    granted = (await arm.get(f"{WORKSPACE}/{PERMISSIONS}")).json()["value"]
    reader = (await arm.get(f"{FORBIDDEN}/{PERMISSIONS}")).json()["value"]

    assert "Microsoft.MachineLearningServices/workspaces/*/write" in granted[1]["actions"]
    assert "Microsoft.MachineLearningServices/workspaces/write" in granted[1]["notActions"]
    assert reader == [{"actions": ["*/read"], "notActions": [], "dataActions": [], "notDataActions": []}]


async def test_who_may_only_read_cannot_submit_or_see_secrets(arm: httpx.AsyncClient) -> None:
    path = JOBS.replace("/bridge", "/forbidden")
    answers = [
        await arm.put(f"{path}/run-1", json=job_body()),
        await arm.post(f"{FORBIDDEN}/datastores/lake/listSecrets"),
    ]
    listed = await arm.get(f"{FORBIDDEN}/datastores")

    assert [answer.status_code for answer in answers] == [403, 403]
    assert answers[0].json()["error"]["code"] == "AuthorizationFailed"
    assert "workspaces/jobs/write'" in answers[0].json()["error"]["message"]
    assert listed.status_code == 200


async def test_rights_can_be_taken_and_given(arm: httpx.AsyncClient) -> None:
    await arm.patch("/control/workspaces/bridge", json={"permissions": []})
    without = await arm.get(WORKSPACE)
    await arm.patch("/control/workspaces/bridge", json={"permissions": [{"actions": ["*"]}]})

    assert without.status_code == 403
    assert (await arm.get(WORKSPACE)).status_code == 200


async def test_components_are_listed_over_pages(arm: httpx.AsyncClient, simulator: Simulator) -> None:
    simulator.pages.size = 3

    first = (await arm.get(f"{WORKSPACE}/components", params={"listViewType": "ActiveOnly"})).json()
    arm.params = httpx.QueryParams()
    names = [each["name"] for each in first["value"]]
    while first["nextLink"]:
        first = (await arm.get(first["nextLink"])).json()
        names += [each["name"] for each in first["value"]]

    assert sorted(names) == [
        *("calendar_features", "churn_alert", "customer_value", "customer_value_parameters"),
        *("score_customers", "score_customers_to_file", "summarize_transactions"),
    ]


async def test_archived_components_are_left_out(arm: httpx.AsyncClient, simulator: Simulator) -> None:
    simulator.workspace.components["churn_alert"].is_archived = True

    views = {
        view: (await arm.get(f"{WORKSPACE}/components", params={"listViewType": view})).json()
        for view in ("ActiveOnly", "ArchivedOnly", "All")
    }

    assert {view: len(page["value"]) for view, page in views.items()} == {"ActiveOnly": 6, "ArchivedOnly": 1, "All": 7}


async def test_versions_come_the_newest_first(arm: httpx.AsyncClient) -> None:
    container = (await arm.get(f"{WORKSPACE}/components/customer_value")).json()
    versions = (await arm.get(f"{WORKSPACE}/components/customer_value/versions", params={"$top": 1})).json()

    assert container["properties"]["latestVersion"] == "2"
    assert [version["name"] for version in versions["value"]] == ["2"]


async def test_a_specification_comes_as_the_service_stores_it(arm: httpx.AsyncClient) -> None:
    version = (await arm.get(f"{WORKSPACE}/components/customer_value/versions/2")).json()

    spec = version["properties"]["componentSpec"]
    assert spec["type"] == "pipeline"
    assert spec["inputs"]["transactions"]["type"] == "uri_file"
    assert spec["inputs"]["horizon_days"] | {"description": ""} == {
        "type": "Number",
        "optional": "True",
        "default": "90",
        "description": "",
    }
    assert spec["outputs"]["scores"]["type"] == "uri_folder"
    assert spec["jobs"]["score"]["componentId"] == f"{WORKSPACE}/components/score_customers/versions/1"


async def test_datastores_tell_where_they_are(arm: httpx.AsyncClient) -> None:
    stores = {each["name"]: each["properties"] for each in (await arm.get(f"{WORKSPACE}/datastores")).json()["value"]}

    assert stores["workspaceblobstore"]["isDefault"]
    assert stores["workspaceblobstore"]["containerName"] == "azureml-blobstore"
    assert stores["lake"]["filesystem"] == "lake"
    assert stores["workspacefilestore"]["datastoreType"] == "AzureFile"


@pytest.mark.parametrize(
    ("query", "names"),
    [
        ({"isDefault": "true"}, ["workspaceblobstore"]),
        ({"names": "lake,none"}, ["lake"]),
        ({"searchText": "file"}, ["workspacefilestore"]),
        ({"count": "30", "orderByAsc": "false"}, ["workspaceblobstore", "lake", "workspacefilestore"]),
    ],
)
async def test_datastores_can_be_searched(arm: httpx.AsyncClient, query: dict[str, str], names: list[str]) -> None:
    page = (await arm.get(f"{WORKSPACE}/datastores", params=query)).json()

    assert [each["name"] for each in page["value"]] == names


async def test_batch_endpoints_tell_their_deployments_component(arm: httpx.AsyncClient) -> None:
    endpoint = (await arm.get(f"{WORKSPACE}/batchEndpoints/customer-value")).json()
    deployments = (await arm.get(f"{WORKSPACE}/batchEndpoints/customer-value/deployments")).json()["value"]

    assert endpoint["properties"]["defaults"] == {"deploymentName": "v2"}
    assert endpoint["properties"]["scoringUri"] == "http://simulator/batch/customer-value/jobs"
    configuration = deployments[1]["properties"]["deploymentConfiguration"]
    assert configuration["componentId"]["assetId"] == f"{WORKSPACE}/components/customer_value/versions/2"


@pytest.mark.parametrize(
    "path",
    [
        *("components/none", "components/none/versions", "components/customer_value/versions/9", "datastores/none"),
        *("batchEndpoints/none", "batchEndpoints/customer-value/deployments/none", "jobs/none"),
    ],
)
async def test_what_is_not_there_is_404(arm: httpx.AsyncClient, path: str) -> None:
    answer = await arm.get(f"{WORKSPACE}/{path}")

    assert answer.status_code == 404
    assert answer.json()["error"]["code"] == "ResourceNotFound"
