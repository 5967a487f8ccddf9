"""How do the transactions come to where a workflow reads them? As a blob in the container of `workspaceblobstore`."""

import subprocess
import tempfile
from pathlib import Path

from azure.core.exceptions import ResourceExistsError
from azure.storage.blob import BlobServiceClient

CONTAINER = "azureml-blobstore"
BLOB = "samples/cdnow.csv"
PATH = f"azureml://datastores/workspaceblobstore/paths/{BLOB}"
HERE = Path(__file__).resolve().parent
PIPELINE_PYTHON = HERE.parents[1] / ".venv-pipeline" / "bin" / "python"


def store_transactions(connection: str, python: Path = PIPELINE_PYTHON) -> str:
    """Where they lie, as a data reference. Safe to repeat: what is there stays.

    `python` is the pipeline's: its environment has the data. Raises CalledProcessError, AzureError.
    """
    with BlobServiceClient.from_connection_string(connection) as service:
        blob = service.get_blob_client(CONTAINER, BLOB)
        make_container(service)
        if not blob.exists():
            with tempfile.TemporaryDirectory() as folder:
                file = write_transactions(Path(folder) / "cdnow.csv", python)
                blob.upload_blob(file.read_bytes())
    return PATH


def make_container(service: BlobServiceClient) -> None:
    try:
        service.create_container(CONTAINER)
    except ResourceExistsError:
        return


def write_transactions(target: Path, python: Path = PIPELINE_PYTHON) -> Path:
    subprocess.run([python, HERE / "transactions.py", target], check=True, capture_output=True)
    return target
