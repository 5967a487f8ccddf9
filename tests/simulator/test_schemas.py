"""Do the answers of ARM conform to machine-readable specifications?

These are not part of this repository: AZURE_SPECS_DIR names a folder with JSON Schemas of Azure ML's ARM
resources (`sdk-derived/aml-arm-*.schema.json`) and of its templates (`aml-requests-*.relaxed.json`; for
deployments, which the former lacks).
"""

import copy
import json
import os
from pathlib import Path
from typing import Any

import httpx
import pytest
from jsonschema import Draft202012Validator

from tests.simulator.arm import AAD_TOKEN, AML_TOKEN, ENDPOINTS, KEY, VERSION

SPECS = os.environ.get("AZURE_SPECS_DIR")

pytestmark = pytest.mark.skipif(SPECS is None, reason="AZURE_SPECS_DIR names no folder with Azure's schemas")


@pytest.fixture(scope="module")
def resources() -> dict[str, Any]:
    """Closed: a member that the schema does not have is an error."""
    return closed(load("sdk-derived/aml-arm-*.schema.json"))


@pytest.fixture(scope="module")
def templates() -> dict[str, Any]:
    return load("aml-requests-*.relaxed.json")


@pytest.mark.parametrize(
    ("method", "path", "definition"),
    [
        ("GET", KEY, "OnlineEndpoint"),
        ("GET", AML_TOKEN, "OnlineEndpoint"),
        ("GET", AAD_TOKEN, "OnlineEndpoint"),
        ("POST", f"{KEY}/listKeys", "EndpointAuthKeys"),
        ("POST", f"{AML_TOKEN}/token", "EndpointAuthToken"),
        ("POST", f"{KEY}/token", "ErrorResponse"),
        ("GET", f"{ENDPOINTS}/unknown", "ErrorResponse"),
    ],
)
async def test_the_answer_conforms(
    arm: httpx.AsyncClient, resources: dict[str, Any], method: str, path: str, definition: str
) -> None:
    answer = (await arm.request(method, path)).json()

    assert errors_of(answer, resources, f"#/$defs/{definition}") == []


async def test_a_refusal_at_the_door_conforms(client: httpx.AsyncClient, resources: dict[str, Any]) -> None:
    answer = (await client.get(KEY + VERSION)).json()

    assert errors_of(answer, resources, "#/$defs/ErrorResponse") == []


async def test_every_endpoint_in_the_list_conforms(arm: httpx.AsyncClient, resources: dict[str, Any]) -> None:
    page = (await arm.get(ENDPOINTS)).json()

    assert [errors_of(each, resources, "#/$defs/OnlineEndpoint") for each in page["value"]] == [[], [], []]


async def test_a_deployment_conforms(arm: httpx.AsyncClient, templates: dict[str, Any]) -> None:
    deployment = (await arm.get(f"{KEY}/deployments/blue")).json()
    # Read-only, so that a template has no place for it.
    assert deployment["properties"].pop("provisioningState") == "Succeeded"

    assert errors_of(deployment["properties"], templates, "#/definitions/OnlineDeploymentProperties") == []
    assert errors_of(deployment["sku"], templates, "#/definitions/Sku") == []


async def test_the_check_notices_an_unknown_member_and_a_wrong_type(
    arm: httpx.AsyncClient, resources: dict[str, Any]
) -> None:
    endpoint = (await arm.get(KEY)).json()
    endpoint["properties"] |= {"scoringUrl": "x", "traffic": {"blue": "all"}}

    assert len(errors_of(endpoint, resources, "#/$defs/OnlineEndpoint")) == 2


def load(pattern: str) -> dict[str, Any]:
    [file] = Path(SPECS or "").glob(pattern)
    schema: dict[str, Any] = json.loads(file.read_text(encoding="utf-8"))
    return schema


def errors_of(answer: Any, document: dict[str, Any], reference: str) -> list[str]:
    schema = {**document, "$schema": Draft202012Validator.META_SCHEMA["$id"], "$ref": reference}
    schema["unevaluatedProperties"] = False
    return [error.message for error in Draft202012Validator(schema).iter_errors(without_nulls(answer))]


def closed(document: dict[str, Any]) -> dict[str, Any]:
    document = copy.deepcopy(document)
    for definition in document["$defs"].values():
        if "properties" in definition:
            definition.setdefault("additionalProperties", False)
    return document


def without_nulls(value: Any) -> Any:
    """Live answers have optional members that are null, which the schemas do not say."""
    if isinstance(value, dict):
        return {name: without_nulls(member) for name, member in value.items() if member is not None}
    return [without_nulls(item) for item in value] if isinstance(value, list) else value
