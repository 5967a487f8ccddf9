"""Microsoft's azure-ai-ml client at work. Run by .venv-azureml's Python; prints what it saw, as one JSON object.

    python session.py https://127.0.0.1:7072

The client knows the simulator as a cloud of its own. REQUESTS_CA_BUNDLE names the certificate's authority.
"""

import json
import sys
import time
from collections.abc import Iterator, Sequence
from typing import Any

import requests
from azure.ai.ml import Input, MLClient, Output, dsl
from azure.ai.ml.entities import PipelineJob
from azure.core.credentials import AccessToken
from azure.core.exceptions import HttpResponseError

SUBSCRIPTION = "00000000-0000-0000-0000-000000000001"
ML = "https://ml.azure.com"
TRANSACTIONS = "azureml://datastores/workspaceblobstore/paths/samples/few.csv"
OVER = ("Completed", "Failed", "Canceled")


class SimulatedIdentity:
    """The simulator's managed identity, as a credential. ARM's scope is the cloud's own address."""

    def __init__(self, origin: str) -> None:
        self._origin = origin

    def get_token(self, *scopes: str, **options: Any) -> AccessToken:
        resource = ML if scopes[0].startswith(ML) else "https://management.azure.com"
        query = {"api-version": "2019-08-01", "resource": resource}
        answer = requests.get(
            f"{self._origin}/identity/token", query, headers={"x-identity-header": "local"}, timeout=10
        ).json()
        return AccessToken(answer["access_token"], int(answer["expires_on"]))


def connect(origin: str, workspace: str) -> MLClient:
    metadata = {
        "azure_portal": "https://portal.azure.com/",
        "resource_manager": f"{origin}/",
        "active_directory": "https://login.microsoftonline.com/",
        "aml_resource_id": f"{ML}/",
        "storage_endpoint": "core.windows.net",
        "registry_discovery_endpoint": f"{origin}/",
    }
    return MLClient(
        SimulatedIdentity(origin),
        SUBSCRIPTION,
        "local",
        workspace,
        cloud="Simulator",
        cloud_metadata=metadata,
        enable_telemetry=False,
    )


def registered_job(client: MLClient, name: str) -> PipelineJob:
    """A job of the registered component itself."""
    component = client.components.get("customer_value", "2")
    return PipelineJob(
        name=name,
        component=component.id,
        experiment_name="client",
        inputs={"transactions": Input(type="uri_file", path=TRANSACTIONS), "horizon_days": 30},
        outputs={"scores": Output(type="uri_folder", path=f"azureml://datastores/lake/paths/{name}/")},
    )


def wrapping_job(client: MLClient, name: str) -> PipelineJob:
    """A pipeline written in Python, with the registered one as its node."""
    component = client.components.get("customer_value", "2")

    @dsl.pipeline(name=name, default_compute="serverless")  # type: ignore[untyped-decorator]  # no stubs here
    def wrap(transactions: Input) -> dict[str, Any]:
        node = component(transactions=transactions, horizon_days=30)
        return {"scores": node.outputs.scores}

    job = wrap(transactions=Input(type="uri_file", path=TRANSACTIONS))
    job.name = name
    job.outputs.scores = Output(type="uri_folder", path=f"azureml://datastores/workspaceblobstore/paths/{name}/")
    return job


def until(client: MLClient, name: str, wanted: Sequence[str]) -> str:
    """Which of `wanted` it is in, or how it ended otherwise."""
    while True:
        status = client.jobs.get(name).status  # an enum whose members equal their text
        for each in (*wanted, *OVER):
            if status == each:
                return each
        time.sleep(0.1)


def versions(client: MLClient) -> Iterator[tuple[str, str]]:
    for component in client.components.list():
        latest = client.components.get(component.name, component.latest_version)
        yield latest.name, latest.type


def main(origin: str) -> dict[str, Any]:
    client = connect(origin, "bridge")
    workspace = client.workspaces.get("bridge")
    seen: dict[str, Any] = {
        "workspace": [workspace.name, workspace.location],
        "components": dict(versions(client)),
        "datastores": {store.name: str(store.type) for store in client.datastores.list()},
        "endpoints": [endpoint.name for endpoint in client.batch_endpoints.list()],
    }
    for make, name in ((registered_job, "registered"), (wrapping_job, "wrapping")):
        created = client.jobs.create_or_update(make(client, name))
        seen[name] = [created.name, until(client, name, OVER)]
    requests.post(f"{origin}/control/jobs/plans", json={"fault": "queuedForEver"}, timeout=10).raise_for_status()
    client.jobs.create_or_update(registered_job(client, "stuck"))
    until(client, "stuck", ["Queued"])
    client.jobs.begin_cancel("stuck").result(timeout=30)
    seen["stuck"] = until(client, "stuck", OVER)
    seen["jobs"] = [job.name for job in client.jobs.list()]
    try:
        client.jobs.get("unknown")
    except HttpResponseError as error:
        seen["unknown"] = [type(error).__name__, error.status_code]
    return seen


if __name__ == "__main__":
    sys.stdout.write(json.dumps(main(sys.argv[1])) + "\n")
