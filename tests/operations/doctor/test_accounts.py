"""Storage accounts: read, written, and the command that mends each refusal."""

import asyncio
from dataclasses import dataclass, field

import pytest

from shared.errors import ConfigurationError, StorageUnavailable
from shared.operations.doctor.accounts import Account, NotYet, Place, examine_account
from shared.operations.doctor.commands import FunctionApp
from shared.operations.doctor.findings import Check, Finding, Status
from shared.operations.doctor.looks import Looks

APP = FunctionApp("bridge")
ROLE = "Storage Table Data Contributor"


@dataclass
class FakePlace:
    reading: Exception | None = None
    writing: Exception | None = None
    did: list[str] = field(default_factory=list)

    async def read(self) -> None:
        self.did.append("read")
        if self.reading is not None:
            raise self.reading

    async def write(self) -> None:
        self.did.append("write")
        if self.writing is not None:
            raise self.writing


def answered(status: int | None) -> StorageUnavailable:
    class Answered(Exception):
        status_code = status

    error = StorageUnavailable("table storage answered otherwise")
    error.__cause__ = Answered()
    return error


async def examined(place: Place, *, by_identity: bool = True, setting: str = "BRIDGE_STORAGE") -> list[Finding]:
    account = Account("data tables", "contoso", by_identity, setting, ROLE, lambda: place)
    return await examine_account(account, Looks(asyncio.get_running_loop().time), "the-object-id", APP)


async def test_an_account_is_read_and_written() -> None:
    place = FakePlace()

    read, written = await examined(place)

    assert place.did == ["read", "write"]
    assert (read.check, read.status) == (Check.STORAGE_READ, Status.OK)
    assert (written.check, written.status) == (Check.STORAGE_WRITE, Status.OK)
    assert "written and removed again with this app's identity" in written.message


async def test_what_cannot_be_read_is_not_written() -> None:
    place = FakePlace(reading=answered(403))

    read, written = await examined(place)

    assert place.did == ["read"]
    assert (read.status, written.status) == (Status.FAILED, Status.SKIPPED)


@pytest.mark.parametrize(
    ("error", "by_identity", "command"),
    [
        (
            answered(403),
            True,
            f"az role assignment create --assignee the-object-id --role '{ROLE}' "
            '--scope "$(az storage account show -n contoso --query id -o tsv)"',
        ),
        (
            answered(403),
            False,
            '"BRIDGE_STORAGE=$(az storage account show-connection-string -n contoso --query connectionString -o tsv)"',
        ),
        (answered(None), True, "az storage account show -n contoso --query '{publicNetworkAccess:"),
        (answered(503), False, "az storage account show -n contoso --query '{publicNetworkAccess:"),
        (ConfigurationError("is no connection string"), False, '"BRIDGE_STORAGE__accountName=<account>"'),
    ],
)
async def test_each_refusal_has_its_command(error: Exception, by_identity: bool, command: str) -> None:
    _, written = await examined(FakePlace(writing=error), by_identity=by_identity)

    assert written.status is Status.FAILED
    assert command in str(written.command)


async def test_what_others_have_not_made_yet_is_no_failure() -> None:
    _, written = await examined(FakePlace(writing=NotYet("the Functions host has not made it yet")))

    assert (written.status, written.message) == (Status.SKIPPED, "the Functions host has not made it yet")
