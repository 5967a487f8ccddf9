"""A storage account's client: by connection string, else by endpoint and this app's identity."""

from collections.abc import Callable

from shared.errors import ConfigurationError


def open_account[T](
    connection: str,
    endpoint: str,
    *,
    by_key: Callable[[str], T],
    by_identity: Callable[[str], T],
    setting: str,
    own: str = "BRIDGE_STORAGE (or AzureWebJobsStorage)",
) -> T:
    """`setting` is the one that names the endpoint, `own` the one of the connection string. Raises ConfigurationError,
    which names both."""
    try:
        if connection:
            return by_key(connection)
        if endpoint:
            return by_identity(endpoint)
    except ValueError:
        raise ConfigurationError(
            f"the app setting {own} is not a storage connection string"
        ) from None  # the SDK's own error may hold the key
    raise ConfigurationError(
        f"no storage is configured: set {own} to a connection string, or {setting} for use with this app's identity"
    )
