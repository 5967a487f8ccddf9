"""The app's queues: in Azure the deployment makes them, here the stack does, so that the first message finds one."""

from azure.core.exceptions import ResourceExistsError
from azure.storage.queue import QueueServiceClient

from shared.operations.doctor.messaging import QUEUES


def make_queues(connection: str) -> None:
    """Safe to repeat. Raises AzureError."""
    with QueueServiceClient.from_connection_string(connection) as service:
        for queue in QUEUES:
            _make(service, queue)


def _make(service: QueueServiceClient, queue: str) -> None:
    try:
        service.create_queue(queue)
    except ResourceExistsError:
        return
