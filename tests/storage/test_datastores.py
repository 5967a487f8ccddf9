"""Where a datastore's files lie, where a credential may go, and files written in blocks, on Azurite."""

from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any

import pytest
from azure.core.credentials import AccessToken

from shared.errors import ConfigurationError, StorageUnavailable, UnusableOutput, WorkspaceRefused
from shared.storage.blobs import BlobOutput
from shared.storage.datastores import DatastoreFiles
from shared.workflows.workspaces import Datastore
from tests.storage.accounts import CONTAINER, Storage
from tests.support.azurite import connection_string
from tests.support.identity import no_identity

MIB = 1024 * 1024
BLOB = Datastore("store", "AzureBlob", is_default=True, account="contoso", container="data")
LAPTOP = replace(BLOB, account="devstoreaccount1", container=CONTAINER, endpoint="localhost:10000", protocol="http")


class Identity:
    """A credential that is handed on and never asked."""

    async def get_token(self, *scopes: str, **options: Any) -> AccessToken:
        raise AssertionError("a token was asked for")

    async def close(self) -> None:
        return


def url(output: BlobOutput) -> str:
    return str(output._container.url)


def files(*connections: str, suffix: str = "core.windows.net") -> DatastoreFiles:
    return DatastoreFiles(connections, suffix, Identity)


async def chunked(data: bytes, size: int) -> AsyncIterator[bytes]:
    for start in range(0, len(data), size):
        yield data[start : start + size]


async def content(output: BlobOutput, path: str) -> bytes | None:
    found = [file async for file in output.list(path) if file.path == path]
    return b"".join([chunk async for chunk in output.read(found[0])]) if found else None


@pytest.fixture
async def output(storage: Storage, azurite: str) -> AsyncIterator[BlobOutput]:
    """The laptop's datastore, as its own connection string opens it; `storage` has made its container."""
    datastores = DatastoreFiles(["", azurite], "core.windows.net", no_identity)
    yield datastores.output(LAPTOP)
    await datastores.close()


# Addresses


@pytest.mark.parametrize(
    ("datastore", "expected"),
    [
        (BLOB, "https://contoso.blob.core.windows.net/data"),
        (replace(BLOB, kind="azureBlob", protocol="HTTPS"), "https://contoso.blob.core.windows.net/data"),
        (replace(BLOB, kind="AzureDataLakeGen2", container="lake"), "https://contoso.blob.core.windows.net/lake"),
        (replace(BLOB, endpoint="core.usgovcloudapi.net"), "https://contoso.blob.core.usgovcloudapi.net/data"),
        (replace(BLOB, endpoint="Core.ChinaCloudApi.cn"), "https://contoso.blob.core.chinacloudapi.cn/data"),
        (replace(BLOB, endpoint="core.sovereign.example"), "https://contoso.blob.core.sovereign.example/data"),
    ],
)
async def test_a_datastore_lies_at_its_account_and_container(datastore: Datastore, expected: str) -> None:
    datastores = files(suffix="core.sovereign.example")

    assert url(datastores.output(datastore)) == expected

    await datastores.close()


@pytest.mark.parametrize(
    "short", ["UseDevelopmentStorage=true", connection_string(blob=10000), f"x=y;{connection_string(blob=10000)}"]
)
async def test_an_account_of_our_own_is_opened_by_its_connection_string(short: str) -> None:
    datastores = DatastoreFiles(["", short, connection_string(blob=9)], "core.windows.net", no_identity)

    assert url(datastores.output(LAPTOP)) == f"http://127.0.0.1:10000/devstoreaccount1/{CONTAINER}"

    await datastores.close()


async def test_the_connection_string_of_another_account_is_not_used() -> None:
    datastores = files("DefaultEndpointsProtocol=https;AccountName=other;AccountKey=a2V5")

    assert url(datastores.output(BLOB)) == "https://contoso.blob.core.windows.net/data"

    await datastores.close()


async def test_an_account_has_one_client() -> None:
    made: list[Identity] = []

    def credential() -> Identity:
        made.append(Identity())
        return made[-1]

    datastores = DatastoreFiles([], "core.windows.net", credential)
    for datastore in (BLOB, replace(BLOB, container="more"), replace(BLOB, account="fabrikam")):
        datastores.output(datastore)

    assert len(made) == 2

    await datastores.close()


# Refusals


@pytest.mark.parametrize(
    ("member", "value", "says"),
    [
        ("protocol", "http", "identity goes to https"),
        ("endpoint", "evil.example", r"evil\.example, and this app's identity .* STORAGE_SUFFIX"),
        ("endpoint", "core.windows.net.evil.example", "STORAGE_SUFFIX"),
        ("endpoint", "evil.example/core.windows.net", "STORAGE_SUFFIX"),
        ("endpoint", "core.windows.net:444", "STORAGE_SUFFIX"),
        ("endpoint", "", "STORAGE_SUFFIX"),
        ("account", "evil.example/", "names no storage account"),
        ("account", "evil.example#", "names no storage account"),
        ("account", "Contoso", "names no storage account"),
        ("account", "contoso\n", "names no storage account"),
        ("account", None, "names no storage account"),
        ("container", None, "names no container"),
        ("container", "../other", "names no container"),
        ("kind", "AzureFile", "is of the kind AzureFile.*use a datastore of the kind AzureBlob or AzureDataLakeGen2"),
        ("kind", "OneLake", "is of the kind OneLake"),
    ],
)
def test_no_credential_goes_elsewhere(member: str, value: str | None, says: str) -> None:
    datastores = DatastoreFiles([connection_string()], "core.windows.net", no_identity)

    with pytest.raises(WorkspaceRefused, match=says) as raised:
        datastores.output(replace(BLOB, **{member: value}))  # type: ignore[arg-type]

    assert raised.value.message.startswith("the datastore store ")


def test_a_laptops_datastore_without_its_connection_string_is_refused_with_the_setting() -> None:
    with pytest.raises(WorkspaceRefused, match=r"http://devstoreaccount1\.blob\.localhost:10000.*BRIDGE_STORAGE"):
        files().output(LAPTOP)


def test_a_connection_string_that_is_broken_names_the_setting() -> None:
    with pytest.raises(ConfigurationError, match="BRIDGE_STORAGE") as raised:
        files("AccountName=contoso;AccountKey=sentinel;nonsense").output(BLOB)

    assert "sentinel" not in raised.value.message


# Writing


@pytest.mark.parametrize("size", [0, 1, MIB - 1, MIB, MIB + 1, 3 * MIB + 7])
async def test_what_is_written_is_read_back(output: BlobOutput, size: int) -> None:
    data = bytes(index * index % 251 for index in range(size))

    await output.write(f"written/{size} ü.csv", chunked(data, 700_001))

    assert await content(output, f"written/{size} ü.csv") == data


async def test_a_large_chunk_goes_in_blocks(output: BlobOutput) -> None:
    data = b"0123456789abcdef" * (5 * MIB // 16)

    await output.write("large.bin", chunked(data, len(data)))

    assert await content(output, "large.bin") == data


async def test_writing_again_replaces_the_file(output: BlobOutput) -> None:
    await output.write("again.csv", chunked(b"a" * (2 * MIB), MIB))

    await output.write("again.csv", chunked(b"b", 1))

    assert await content(output, "again.csv") == b"b"


async def test_a_file_changes_only_after_the_last_byte(output: BlobOutput) -> None:
    async def breaking() -> AsyncIterator[bytes]:
        yield b"half" * MIB
        raise StorageUnavailable("away")

    await output.write("whole.csv", chunked(b"whole", 5))
    for path in ("whole.csv", "never.csv"):
        with pytest.raises(StorageUnavailable, match="away"):
            await output.write(path, breaking())

    assert await content(output, "whole.csv") == b"whole"
    assert await content(output, "never.csv") is None


async def test_two_writings_of_one_path_are_never_mixed(output: BlobOutput) -> None:
    async def first() -> AsyncIterator[bytes]:
        yield b"1" * MIB
        await output.write("both.csv", chunked(b"2" * (2 * MIB), MIB))
        yield b"1" * MIB

    with pytest.raises(StorageUnavailable, match="answered 400"):
        await output.write("both.csv", first())

    assert await content(output, "both.csv") == b"2" * (2 * MIB)


async def test_a_container_that_is_not_there_is_told(azurite: str) -> None:
    datastores = DatastoreFiles([azurite], "core.windows.net", no_identity)
    absent = datastores.output(replace(LAPTOP, container="absent"))

    with pytest.raises(WorkspaceRefused, match="container absent does not exist; check the datastore"):
        await absent.write("a.csv", chunked(b"a", 1))
    with pytest.raises(UnusableOutput, match="container absent does not exist"):
        await content(absent, "a.csv")

    await datastores.close()


async def test_a_refusal_names_the_role(azurite: str) -> None:
    refused = azurite.replace("AccountKey=", "AccountKey=AAAA")
    datastores = DatastoreFiles([refused], "core.windows.net", no_identity)

    with pytest.raises(
        StorageUnavailable, match=r"refused this app .*the role Storage Blob Data Contributor"
    ) as raised:
        await datastores.output(LAPTOP).write("a.csv", chunked(b"a", 1))

    assert "AAAA" not in raised.value.message
    await datastores.close()
