"""A workspace, a pipeline and a workflow to try things on."""

from datetime import UTC, datetime
from typing import Any

from shared.workflows.catalog import StoredWorkflow
from shared.workflows.definition import WorkflowDefinition, parse_workflow
from shared.workflows.pipelines import Pipeline, read_pipeline
from shared.workflows.workspaces import ComponentVersion, Datastore, WorkspaceId

WORKSPACE = WorkspaceId("00000000-0000-0000-0000-000000000001", "rg", "ws1")
DATASTORES = [
    Datastore("workspaceblobstore", "AzureBlob", is_default=True),
    Datastore("lake", "AzureDataLakeGen2", is_default=False),
    Datastore("share", "AzureFile", is_default=False),
]
DATA = "azureml://datastores/workspaceblobstore/paths/in/transactions.csv"


def document(**members: Any) -> dict[str, Any]:
    """The least that is a workflow, and `members`."""
    return {
        "connection": "contoso",
        "pipeline": "customer_value",
        "outputPath": "outputs/value",
        "outputDatastore": "workspaceblobstore",
        "outputEntity": "CustomerValue",
        "primaryKey": "customer_id",
        "customerId": "customer_id",
        **members,
    }


def workflow(**members: Any) -> WorkflowDefinition:
    return parse_workflow(document(**members))


def stored_workflow(name: str = "churn", **members: Any) -> StoredWorkflow:
    """As a catalog keeps it: ready, of version 3 of its pipeline."""
    version, missing = members.pop("pipeline_version", "3"), members.pop("missing", [])
    pipeline_id = f"{WORKSPACE.path}/components/customer_value/versions/{version}"
    at = datetime(2026, 11, 1, tzinfo=UTC)
    return StoredWorkflow(name, document(**members), pipeline_id, version, missing, '"etag"', at)


def component(spec: dict[str, Any], name: str = "customer_value", version: str = "3") -> ComponentVersion:
    return ComponentVersion(f"{WORKSPACE.path}/components/{name}/versions/{version}", name, version, spec)


def pipeline(inputs: dict[str, Any], outputs: dict[str, Any] | None = None) -> Pipeline:
    found = read_pipeline(component({"type": "pipeline", "inputs": inputs, "outputs": outputs or {}}))
    assert found is not None
    return found


def style_a(**inputs: Any) -> Pipeline:
    """A data input, a data output."""
    return pipeline({"transactions": {"type": "uri_file"}, **inputs}, {"scores": {"type": "uri_folder"}})


def style_b(**inputs: Any) -> Pipeline:
    """A data input, and strings that take the output's place."""
    return pipeline(
        {
            "transactions": {"type": "uri_folder"},
            "output_path": {"type": "string"},
            "output_datastore": {"type": "string"},
            **inputs,
        }
    )
