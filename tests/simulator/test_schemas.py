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

from tests.simulator.arm import AAD_TOKEN, AML_TOKEN, ENDPOINTS, KEY, VERSION, WORKSPACE
from tests.simulator.jobs import JOBS, component, job_body, literal, until
from tests.simulator.memory import MemoryStorage

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


@pytest.mark.parametrize(
    ("path", "definition"),
    [
        ("", "Workspace"),
        ("/components/customer_value", "ComponentContainer"),
        ("/components/customer_value/versions/2", "ComponentVersion"),
        ("/datastores/workspaceblobstore", "Datastore"),
        ("/datastores/lake", "Datastore"),
        ("/datastores/workspacefilestore", "Datastore"),
        ("/batchEndpoints/customer-value", "BatchEndpoint"),
        ("/batchEndpoints/customer-value/deployments/v2", "BatchDeployment"),
        ("/batchEndpoints/language-batch/deployments/blue", "BatchDeployment"),
        ("/components/none", "ErrorResponse"),
        ("/jobs/none", "ErrorResponse"),
    ],
)
async def test_what_a_workspace_holds_conforms(
    arm: httpx.AsyncClient, resources: dict[str, Any], path: str, definition: str
) -> None:
    answer = (await arm.get(WORKSPACE + path)).json()

    assert errors_of(answer, resources, f"#/$defs/{definition}") == []


async def test_a_datastore_s_secrets_conform(arm: httpx.AsyncClient, resources: dict[str, Any]) -> None:
    answer = (await arm.post(f"{WORKSPACE}/datastores/lake/listSecrets")).json()

    assert errors_of(answer, resources, "#/$defs/AccountKeyDatastoreSecrets") == []


async def test_a_job_s_request_and_answers_conform(
    arm: httpx.AsyncClient, resources: dict[str, Any], templates: dict[str, Any]
) -> None:
    body = job_body(component("customer_value", "2"))
    body["properties"]["inputs"]["horizon_days"] = literal("30")
    created = (await arm.put(f"{JOBS}/run-1", json=body)).json()
    await until(arm, "run-1")
    over = (await arm.get(f"{JOBS}/run-1")).json()

    assert errors_of(body["properties"], templates, "#/definitions/JobBaseProperties") == []
    for answer in (created, over):
        assert errors_of(answer, resources, "#/$defs/JobBase") == []
        assert errors_of(answer["properties"], resources, "#/$defs/PipelineJob") == []


async def test_a_failed_run_s_history_conforms(
    arm: httpx.AsyncClient, data_plane: httpx.AsyncClient, storage: MemoryStorage
) -> None:
    history = closed(load("sdk-derived/aml-runhistory-*.schema.json"))
    storage.blobs["azureml-blobstore", "samples/few.csv"] = b"nothing"
    await arm.put(f"{JOBS}/run-1", json=job_body())
    assert await until(arm, "run-1") == "Failed"

    answer = (await data_plane.post(f"/history/v1.0{WORKSPACE}/rundata", json={"runId": "run-1"})).json()

    assert answer["runMetadata"]["error"]["error"]["details"]
    assert errors_of(answer, history, "#/$defs/GetRunDataResult") == []


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
        if "properties" in definition and "oneOf" not in definition:  # a base is closed by what it is one of
            definition.setdefault("additionalProperties", False)
    return document


def without_nulls(value: Any) -> Any:
    """Live answers have optional members that are null, which the schemas do not say."""
    if isinstance(value, dict):
        return {name: without_nulls(member) for name, member in value.items() if member is not None}
    return [without_nulls(item) for item in value] if isinstance(value, list) else value
