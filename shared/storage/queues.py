"""Queue storage through azure-storage-queue: sends a message, now or later. Reading is the Functions host's part."""

from collections.abc import Callable
from math import ceil
from typing import Any

from azure.core.exceptions import (
    AzureError,
    ClientAuthenticationError,
    HttpResponseError,
    ResourceExistsError,
    ResourceNotFoundError,
)
from azure.storage.queue.aio import QueueServiceClient

from shared.errors import StorageUnavailable
from shared.storage.accounts import open_account

__all__ = ["QueueServiceClient", "Queues", "connect", "unavailable"]

_PATIENCE: dict[str, Any] = {
    "connection_timeout": 1.5,
    "read_timeout": 10,
    "retry_total": 2,
    "retry_connect": 1,
}


def connect(connection: str, endpoint: str, credential: Callable[[], Any]) -> QueueServiceClient:
    """The host account's client. Raises ConfigurationError, which names the settings."""
    return open_account(
        connection,
        endpoint,
        by_key=lambda text: QueueServiceClient.from_connection_string(text, **_PATIENCE),
        by_identity=lambda address: QueueServiceClient(address, credential=credential(), **_PATIENCE),
        setting="AzureWebJobsStorage__queueServiceUri",
        own="AzureWebJobsStorage",
    )


class Queues:
    """Queues by name; one that is missed is made. Messages go as they are, for the queues' encoding is `none`."""

    def __init__(self, service: QueueServiceClient) -> None:
        self._service = service

    async def send(self, queue: str, text: str, *, delay: float = 0, lifetime: int | None = None) -> None:
        """`delay`: seconds before anybody sees it; a part of one counts whole. `lifetime`: seconds that it is kept unread,
        the service's seven days unless said. Raises StorageUnavailable."""
        client = self._service.get_queue_client(queue)
        visible_in = ceil(delay) or None
        try:
            try:
                await client.send_message(text, visibility_timeout=visible_in, time_to_live=lifetime)
            except ResourceNotFoundError:
                await self._create(queue)
                await client.send_message(text, visibility_timeout=visible_in, time_to_live=lifetime)
        except AzureError as error:
            raise unavailable(queue, error) from error

    async def _create(self, queue: str) -> None:
        try:
            await self._service.create_queue(queue)
        except ResourceExistsError:
            return


def unavailable(queue: str, error: AzureError) -> StorageUnavailable:
    """What went wrong, without the SDK's text: that can hold an address with a signature."""
    status = error.status_code if isinstance(error, HttpResponseError) else None
    if isinstance(error, ClientAuthenticationError) or status in (401, 403):
        refused = f"refused this app at the queue {queue} ({status})" if status else "has no credential from this app"
        return StorageUnavailable(
            f"queue storage {refused}: give the app's identity the role Storage Queue Data Contributor on the account, "
            "or mend the connection string in AzureWebJobsStorage"
        )
    answered = f"answered {status}" if status else "did not answer"
    return StorageUnavailable(
        f"queue storage {answered} at the queue {queue}; try again, and check the account's network rules"
    )
