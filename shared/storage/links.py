"""Links to single blobs: shared access signatures that read one of them, for a while.

Signed with the account's key where a connection string has it, else with a user delegation key, which storage gives this
app's identity.
"""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from azure.core.exceptions import AzureError, ClientAuthenticationError, HttpResponseError
from azure.storage.blob import BlobSasPermissions, UserDelegationKey, generate_blob_sas
from azure.storage.blob.aio import BlobServiceClient

from shared.errors import ConfigurationError, StorageUnavailable
from shared.skills.addresses import is_loopback_url

_KEY_LIFETIME = timedelta(days=1)
_SKEW = timedelta(minutes=15)
"""By which clocks may differ. A link says no time from which it is valid."""


@dataclass(frozen=True, slots=True)
class _Delegated:
    key: UserDelegationKey
    until: datetime


class BlobLinks:
    """Links to what lies in the container `bridge`."""

    def __init__(self, service: BlobServiceClient, lifetime: timedelta, *, by_identity: bool) -> None:
        self._service = service
        self._lifetime = lifetime
        self._by_identity = by_identity
        self._delegated: _Delegated | None = None

    async def link(self, path: str, name: str, now: datetime) -> str:
        blob = self._service.get_blob_client("bridge", path)
        signature = generate_blob_sas(
            str(self._service.account_name),
            "bridge",
            path,
            permission=BlobSasPermissions(read=True),
            expiry=now + self._lifetime,
            protocol="https,http" if is_loopback_url(blob.url) else "https",
            content_type="text/csv;charset=utf-8;header=present",
            content_disposition=f'attachment; filename="{name}"',
            **await self._signer(now),
        )
        return f"{blob.url}?{signature}"

    async def _signer(self, now: datetime) -> dict[str, Any]:
        if self._by_identity:
            return {"user_delegation_key": await self._delegation(now)}
        key = getattr(self._service.credential, "account_key", None)
        if not key:
            raise ConfigurationError(
                "the connection string in the app setting BRIDGE_STORAGE (or AzureWebJobsStorage) has no account key, so "
                "no link can be signed: use one with AccountKey, or this app's identity (BRIDGE_STORAGE__accountName)"
            )
        return {"account_key": key}

    async def _delegation(self, now: datetime) -> UserDelegationKey:
        if self._delegated is None or self._delegated.until < now + self._lifetime:
            until = now.astimezone(UTC) + self._lifetime + _KEY_LIFETIME
            self._delegated = _Delegated(await self._fetched(now.astimezone(UTC) - _SKEW, until), until)
        return self._delegated.key

    async def _fetched(self, start: datetime, until: datetime) -> UserDelegationKey:
        try:
            return await self._service.get_user_delegation_key(start, until)
        except AzureError as error:
            raise _unavailable(error) from error


def _unavailable(error: AzureError) -> StorageUnavailable:
    status = error.status_code if isinstance(error, HttpResponseError) else None
    if isinstance(error, ClientAuthenticationError) or status in (401, 403):
        return StorageUnavailable(
            "blob storage gives this app no key to sign links with: give the app's identity the role Storage Blob Data "
            "Contributor or Storage Blob Delegator on the account; on the container alone it is not enough"
        )
    answered = f"answered {status}" if status else "did not answer"
    return StorageUnavailable(f"blob storage {answered} when asked for a key to sign a link; try again")
