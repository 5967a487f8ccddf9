"""Where does a datastore of the workspace lie, and may this app's credential go there?

With this app's identity, at storage hosts alone: what a workspace says of its datastores is not trusted with a token.
An account that one of our own connection strings names is opened by that: so a laptop's Azurite works.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from shared.errors import WorkspaceRefused
from shared.storage.blobs import BlobOutput, BlobServiceClient, connect
from shared.workflows.mapping import OUTPUT_DATASTORES
from shared.workflows.workspaces import Datastore

KNOWN_SUFFIXES = frozenset({"core.windows.net", "core.usgovcloudapi.net", "core.chinacloudapi.cn"})
"""Domains of storage accounts. Source: Azure, endpoints of the national clouds."""
_ACCOUNT = re.compile(r"[a-z0-9]{3,24}")
_CONTAINER = re.compile(r"\$?[a-z0-9][a-z0-9-]{1,62}")
_EMULATOR = "devstoreaccount1"
"""The account of the short connection string `UseDevelopmentStorage=true`."""


class DatastoreFiles:
    """The files of datastores, with one client for each account."""

    def __init__(self, connections: Sequence[str], suffix: str, credential: Callable[[], Any]) -> None:
        """`connections`: this app's connection strings, the first one of an account is used; empty ones do not count.
        `suffix`: the domain of storage accounts (setting STORAGE_SUFFIX)."""
        self._connections = _by_account(connections)
        self._suffixes = KNOWN_SUFFIXES | {suffix.lower()}
        self._credential = credential
        self._services: dict[str, BlobServiceClient] = {}

    def output(self, datastore: Datastore) -> BlobOutput:
        """To read and to write. Raises WorkspaceRefused: a datastore we cannot use, or not at a storage host;
        ConfigurationError: a connection string that is none."""
        _check_kind(datastore)
        account, container = _place(datastore)
        connection = self._connections.get(account, "")
        address = "" if connection else self._address(account, datastore)
        place = address or account
        if place not in self._services:
            self._services[place] = connect(connection, address, self._credential)
        return BlobOutput(self._services[place], container)

    async def close(self) -> None:
        while self._services:
            await self._services.popitem()[1].close()

    def _address(self, account: str, datastore: Datastore) -> str:
        """Of the account's blobs. A token goes there."""
        endpoint = datastore.endpoint.lower()
        if datastore.protocol.lower() == "https" and endpoint in self._suffixes:
            return f"https://{account}.blob.{endpoint}"
        raise _refused(
            datastore,
            f"lies at {datastore.protocol[:20]}://{account}.blob.{datastore.endpoint[:100]}, and this app's identity goes to https "
            f"and {', '.join(sorted(self._suffixes))} alone: set STORAGE_SUFFIX to your cloud's domain, or use a "
            "datastore of the account that BRIDGE_STORAGE (or AzureWebJobsStorage) names",
        )


def _by_account(connections: Sequence[str]) -> Mapping[str, str]:
    """Connection strings by the account they name; one without AccountName is for nobody."""
    named = ((account_name(connection), connection) for connection in reversed(connections))
    return {account: connection for account, connection in named if account}


def account_name(connection: str) -> str:
    """That a connection string names; empty where it names none."""
    members = (member.strip().partition("=") for member in connection.split(";"))
    values = {name.lower(): value for name, _, value in members}
    if values.get("usedevelopmentstorage", "").lower() == "true":
        return _EMULATOR
    return values.get("accountname", "").lower()


def _check_kind(datastore: Datastore) -> None:
    if datastore.kind.lower() not in OUTPUT_DATASTORES:
        raise _refused(
            datastore,
            f"is of the kind {datastore.kind[:50]}, whose files this app cannot reach: use a datastore of the kind "
            "AzureBlob or AzureDataLakeGen2",
        )


def _place(datastore: Datastore) -> tuple[str, str]:
    """Account and container, as storage names them: neither can lead elsewhere."""
    account, container = datastore.account or "", datastore.container or ""
    if not _ACCOUNT.fullmatch(account):
        raise _refused(datastore, "names no storage account (3 to 24 lower-case letters and digits): register it anew")
    if not _CONTAINER.fullmatch(container):
        raise _refused(
            datastore, "names no container or file system (lower-case letters, digits and -): register it anew"
        )
    return account, container


def _refused(datastore: Datastore, why: str) -> WorkspaceRefused:
    return WorkspaceRefused(f"the datastore {datastore.name[:255]} {why}")
