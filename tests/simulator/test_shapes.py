"""Do the answers of ARM have these members, of these types, and no others?"""

from typing import Any

import httpx
import pytest

from tests.simulator.arm import AML_TOKEN, ENDPOINTS, KEY, VERSION, WORKSPACE
from tests.simulator.jobs import JOBS, job_body, until
from tests.simulator.memory import MemoryStorage

SYSTEM_DATA = {
    "createdBy": "string",
    "createdByType": "string",
    "createdAt": "string",
    "lastModifiedBy": "null",
    "lastModifiedByType": "null",
    "lastModifiedAt": "string",
}
ENDPOINT = {
    "id": "string",
    "name": "string",
    "type": "string",
    "location": "string",
    "tags": {},
    "kind": "string",
    "sku": "null",
    "identity": {
        "type": "string",
        "principalId": "string",
        "tenantId": "string",
        "userAssignedIdentities": "null",
    },
    "systemData": SYSTEM_DATA,
    "properties": {
        "authMode": "string",
        "description": "null",
        "keys": "null",
        "properties": {},
        "scoringUri": "string",
        "swaggerUri": "string",
        "provisioningState": "string",
        "compute": "null",
        "traffic": {"blue": "integer"},
        "mirrorTraffic": {},
        "publicNetworkAccess": "string",
    },
}
DEPLOYMENT = {
    "id": "string",
    "name": "string",
    "type": "string",
    "location": "string",
    "tags": {},
    "kind": "string",
    "sku": {"name": "string", "tier": "string", "size": "null", "family": "null", "capacity": "integer"},
    "identity": "null",
    "systemData": SYSTEM_DATA,
    "properties": {
        "endpointComputeType": "string",
        "provisioningState": "string",
        "description": "null",
        "properties": {},
        "instanceType": "string",
        "model": "string",
        "modelMountPath": "null",
        "codeConfiguration": {"codeId": "string", "scoringScript": "string"},
        "environmentId": "string",
        "environmentVariables": {},
        "appInsightsEnabled": "boolean",
        "egressPublicNetworkAccess": "string",
        "scaleSettings": {"scaleType": "string"},
        "requestSettings": {
            "maxConcurrentRequestsPerInstance": "integer",
            "maxQueueWait": "string",
            "requestTimeout": "string",
        },
        "livenessProbe": "null",
        "readinessProbe": "null",
    },
}
TOKEN = {
    "accessToken": "string",
    "tokenType": "string",
    "expiryTimeUtc": "integer",
    "refreshAfterTimeUtc": "integer",
}
IDENTITY = {
    "type": "string",
    "principalId": "string",
    "tenantId": "string",
    "userAssignedIdentities": "null",
}
RESOURCE = {"id": "string", "name": "string", "type": "string", "systemData": SYSTEM_DATA}
WORKSPACE_SHAPE = RESOURCE | {
    "location": "string",
    "tags": {},
    "kind": "string",
    "sku": {"name": "string", "tier": "string"},
    "identity": IDENTITY,
    "properties": {
        "friendlyName": "string",
        "description": "null",
        "workspaceId": "string",
        "discoveryUrl": "string",
        "mlFlowTrackingUri": "string",
        "storageAccount": "string",
        "keyVault": "string",
        "applicationInsights": "null",
        "containerRegistry": "null",
        "publicNetworkAccess": "string",
        "v1LegacyMode": "boolean",
        "tenantId": "string",
        "provisioningState": "string",
    },
}
COMPONENT = RESOURCE | {
    "properties": {
        "description": "string",
        "tags": {},
        "properties": {},
        "isArchived": "boolean",
        "latestVersion": "string",
        "nextVersion": "string",
        "provisioningState": "string",
    },
}
DATASTORE = RESOURCE | {
    "properties": {
        "datastoreType": "string",
        "description": "null",
        "tags": {},
        "properties": "null",
        "isDefault": "boolean",
        "credentials": {"credentialsType": "string", "secrets": {"secretsType": "string", "key": "null"}},
        "subscriptionId": "string",
        "resourceGroup": "string",
        "accountName": "string",
        "containerName": "string",
        "endpoint": "string",
        "protocol": "string",
        "serviceDataAccessAuthIdentity": "string",
    },
}
SERVICE = {
    "jobServiceType": "string",
    "endpoint": "string",
    "port": "null",
    "status": "null",
    "errorMessage": "null",
    "properties": "null",
    "nodes": "null",
}
JOB = RESOURCE | {
    "properties": {
        "jobType": "string",
        "status": "string",
        "experimentName": "string",
        "isArchived": "boolean",
        "tags": {"workflow": "string"},
        "properties": {},
        "inputs": {"transactions": {"jobInputType": "string", "uri": "string"}},
        "outputs": {"scores": {"jobOutputType": "string", "mode": "string", "uri": "string"}},
        "jobs": {},
        "settings": {"force_rerun": "boolean"},
        "services": {"Tracking": SERVICE, "Studio": SERVICE},
        "description": "null",
        "displayName": "null",
        "componentId": "string",
        "computeId": "null",
        "identity": "null",
        "notificationSetting": "null",
        "sourceJobId": "null",
    },
}
RUN_ERROR = {
    "code": "string",
    "severity": "null",
    "message": "string",
    "messageFormat": "null",
    "target": "string",
    "details": [{"code": "string", "message": "string", "target": "string"}],
    "innerError": "null",
}
ARM_ERROR = {"error": {"code": "string", "message": "string"}}
PROVIDER_ERROR = {
    "error": {
        "code": "string",
        "message": "string",
        "target": "null",
        "details": [],
        "additionalInfo": [{"type": "string", "info": {"value": "string"}}],
    }
}


@pytest.mark.parametrize(
    ("method", "path", "shape"),
    [
        ("GET", KEY, ENDPOINT),
        ("GET", ENDPOINTS, {"value": [ENDPOINT], "nextLink": "null"}),
        ("GET", f"{KEY}/deployments/blue", DEPLOYMENT),
        ("GET", f"{KEY}/deployments", {"value": [DEPLOYMENT], "nextLink": "null"}),
        ("POST", f"{KEY}/listKeys", {"primaryKey": "string", "secondaryKey": "string"}),
        ("POST", f"{AML_TOKEN}/token", TOKEN),
        ("GET", WORKSPACE, WORKSPACE_SHAPE),
        ("GET", f"{WORKSPACE}/components", {"value": [COMPONENT], "nextLink": "null"}),
        ("GET", f"{WORKSPACE}/datastores/workspaceblobstore", DATASTORE),
        ("POST", f"{WORKSPACE}/datastores/lake/listSecrets", {"secretsType": "string", "key": "string"}),
        ("GET", f"{JOBS}/unknown", ARM_ERROR),
        ("GET", f"{ENDPOINTS}/unknown", ARM_ERROR),
        ("POST", f"{KEY}/token", PROVIDER_ERROR),
    ],
)
async def test_the_shape_of(arm: httpx.AsyncClient, method: str, path: str, shape: Any) -> None:
    answer = await arm.request(method, path)

    assert answer.headers["content-type"] == "application/json"
    assert shape_of(answer.json()) == shape


async def test_the_shape_of_a_job(arm: httpx.AsyncClient) -> None:
    created = await arm.put(f"{JOBS}/run-1", json=job_body())

    assert shape_of(created.json()) == JOB
    assert shape_of((await arm.get(JOBS)).json()) == {"value": [JOB], "nextLink": "null"}


async def test_the_shape_of_a_failed_run_s_error(
    arm: httpx.AsyncClient, data_plane: httpx.AsyncClient, storage: MemoryStorage
) -> None:
    storage.blobs["azureml-blobstore", "samples/few.csv"] = b"nothing"
    await arm.put(f"{JOBS}/run-1", json=job_body())
    await until(arm, "run-1")

    answer = await data_plane.post(f"/history/v1.0{WORKSPACE}/rundata", json={"runId": "run-1"})

    assert shape_of(answer.json()["runMetadata"]["error"]["error"]) == RUN_ERROR


async def test_the_shape_of_a_refusal_at_the_door(client: httpx.AsyncClient) -> None:
    answer = await client.get(KEY + VERSION)

    assert shape_of(answer.json()) == ARM_ERROR


def shape_of(value: Any) -> Any:
    """Names and types; of a list the distinct shapes of its items."""
    if isinstance(value, dict):
        return {name: shape_of(member) for name, member in value.items()}
    if isinstance(value, list):
        shapes: list[Any] = []
        for item in map(shape_of, value):
            if item not in shapes:
                shapes.append(item)
        return shapes
    names = {str: "string", bool: "boolean", int: "integer", float: "number", type(None): "null"}
    return names[type(value)]
