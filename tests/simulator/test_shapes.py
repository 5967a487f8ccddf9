"""Do the answers of ARM have these members, of these types, and no others?"""

from typing import Any

import httpx
import pytest

from tests.simulator.arm import AML_TOKEN, ENDPOINTS, KEY, VERSION

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
        ("GET", f"{ENDPOINTS}/unknown", ARM_ERROR),
        ("POST", f"{KEY}/token", PROVIDER_ERROR),
    ],
)
async def test_the_shape_of(arm: httpx.AsyncClient, method: str, path: str, shape: Any) -> None:
    answer = await arm.request(method, path)

    assert answer.headers["content-type"] == "application/json"
    assert shape_of(answer.json()) == shape


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
