"""A storage account's client: by connection string, else by endpoint and this app's identity."""

from collections.abc import Callable

from shared.errors import ConfigurationError


def open_account[T](
    connection: str, endpoint: str, *, by_key: Callable[[str], T], by_identity: Callable[[str], T], setting: str
) -> T:
    """`setting` is the one that names the endpoint. Raises ConfigurationError, which names the settings."""
    try:
        if connection:
            return by_key(connection)
        if endpoint:
            return by_identity(endpoint)
    except ValueError:
        raise ConfigurationError(
            "the app setting BRIDGE_STORAGE (or AzureWebJobsStorage) is not a storage connection string"
        ) from None  # the SDK's own error may hold the key
    raise ConfigurationError(
        "no storage is configured: set BRIDGE_STORAGE (or AzureWebJobsStorage) to a connection string, or "
        f"{setting} for use with this app's identity"
    )
