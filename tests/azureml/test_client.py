"""Does Microsoft's own client take the simulator for Azure?

azure-ai-ml lives in an environment of its own (`make test-azureml`). It wants https, so the simulator gets a
certificate of an authority made here.
"""

import json
import os
import subprocess
from pathlib import Path
from typing import Any

import pytest
from azure.storage.blob import BlobServiceClient

from tests.simulator.process import ready_url, start_simulator
from tests.support.azurite import azurite
from tests.support.certificates import make_certificate

__all__ = ["azurite"]

ROOT = Path(__file__).parents[2]
SESSION_SECONDS = 120
CLIENT_PYTHON = ROOT / ".venv-azureml" / "bin" / "python"
PIPELINE_PYTHON = ROOT / ".venv-pipeline" / "bin" / "python"
FEW = "customer_id,date,quantity,amount\n" + "".join(
    f"{customer:05},1997-{month:02}-{1 + customer % 28:02},1,{customer}.50\n"
    for customer in range(1, 60)
    for month in range(1, 2 + customer % 11)
)

pytestmark = [
    pytest.mark.azureml,
    pytest.mark.timeout(300),
    pytest.mark.skipif(not CLIENT_PYTHON.exists(), reason="`make test-azureml` sets the client's environment up"),
]


@pytest.fixture(scope="module")
def storage(azurite: str) -> BlobServiceClient:
    service = BlobServiceClient.from_connection_string(azurite)
    service.create_container("azureml-blobstore").upload_blob("samples/few.csv", FEW.encode())
    return service


@pytest.fixture(scope="module")
def seen(azurite: str, storage: BlobServiceClient, tmp_path_factory: pytest.TempPathFactory) -> Any:
    """What the client saw in one session."""
    certificate = make_certificate(tmp_path_factory.mktemp("certificate"))
    secure = ("--certificate", str(certificate.chain), "--key", str(certificate.key))
    own = ("--port", "0", "--scoring-url", "", "--storage", azurite, "--python", str(PIPELINE_PYTHON))
    with start_simulator(*own, *secure) as simulator:
        command = [str(CLIENT_PYTHON), str(Path(__file__).with_name("session.py")), ready_url(simulator)]
        environment = os.environ | {"REQUESTS_CA_BUNDLE": str(certificate.authority)}
        try:
            session = subprocess.run(
                command, check=False, env=environment, capture_output=True, text=True, timeout=SESSION_SECONDS
            )
        finally:
            simulator.terminate()
    assert session.returncode == 0, session.stderr
    return json.loads(session.stdout.splitlines()[-1])


def test_it_sees_the_workspace_and_what_is_in_it(seen: Any) -> None:
    assert seen["workspace"] == ["bridge", "westeurope"]
    assert seen["datastores"]["workspaceblobstore"] == "DatastoreType.AZURE_BLOB"
    assert seen["endpoints"] == ["customer-value", "language-batch"]


def test_it_lists_the_components_and_knows_their_types(seen: Any) -> None:
    assert seen["components"]["customer_value"] == "pipeline"
    assert seen["components"]["summarize_transactions"] == "command"


@pytest.mark.parametrize("name", ["registered", "wrapping"])
def test_a_job_it_creates_runs_to_its_end(seen: Any, storage: BlobServiceClient, name: str) -> None:
    container = "lake" if name == "registered" else "azureml-blobstore"

    assert seen[name] == [name, "Completed"]
    scores = storage.get_blob_client(container, f"{name}/customer_value.csv").download_blob().readall()
    assert scores.startswith(b"customer_id,frequency")
    assert scores.count(b"\n") == 60


def test_a_job_it_cancels_is_canceled(seen: Any) -> None:
    assert seen["stuck"] == "Canceled"


def test_it_lists_the_jobs_and_knows_which_there_are_not(seen: Any) -> None:
    assert seen["jobs"] == ["stuck", "wrapping", "registered"]
    assert seen["unknown"] == ["ResourceNotFoundError", 404]
