"""The queues that others write to: in Azure Bicep makes them, here the stack does, so that the first message finds one."""

from azure.core.exceptions import ResourceExistsError
from azure.storage.queue import QueueServiceClient

PUBLIC_QUEUES = ("workflow-refresh", "aml-events")
"""All others are the app's own, which makes what it misses."""


def make_queues(connection: str) -> None:
    """Safe to repeat. Raises AzureError."""
    with QueueServiceClient.from_connection_string(connection) as service:
        for queue in PUBLIC_QUEUES:
            _make(service, queue)


def _make(service: QueueServiceClient, queue: str) -> None:
    try:
        service.create_queue(queue)
    except ResourceExistsError:
        return
