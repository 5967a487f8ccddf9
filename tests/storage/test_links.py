"""Links to a blob: they read that one alone, for a while; signed by key or, for an identity, by a delegated one."""

import logging
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest
from azure.core.credentials import AccessToken
from azure.core.pipeline.transport import AsyncHttpTransport
from azure.storage.blob.aio import BlobServiceClient

from shared.errors import ConfigurationError, StorageUnavailable
from shared.storage.blobs import connect
from shared.storage.links import BlobLinks
from tests.storage.accounts import Storage
from tests.support.identity import no_identity

HOUR = timedelta(hours=1)
NOW = datetime(2026, 11, 22, 6, tzinfo=UTC)
DELEGATED = """<?xml version="1.0" encoding="utf-8"?><UserDelegationKey><SignedOid>11111111-2222-3333-4444-555555555555</SignedOid>
<SignedTid>66666666-7777-8888-9999-000000000000</SignedTid><SignedStart>2026-11-22T05:45:00Z</SignedStart>
<SignedExpiry>2026-11-23T07:00:00Z</SignedExpiry><SignedService>b</SignedService><SignedVersion>2025-01-05</SignedVersion>
<Value>c2VudGluZWwta2V5LW9mLXN0b3JhZ2Uh</Value></UserDelegationKey>"""


class Identity:
    async def get_token(self, *scopes: str, **options: Any) -> AccessToken:
        return AccessToken("token", 2**40)

    async def close(self) -> None: ...

    async def __aenter__(self) -> "Identity":
        return self

    async def __aexit__(self, *details: object) -> None: ...


class Answering:
    """An answer of the wire, as azure.core's pipeline reads it."""

    def __init__(self, request: Any, status: int, text: str) -> None:
        self.request = request
        self.status_code = status
        self.reason = ""
        self.headers = {"content-type": "application/xml"}
        self.content_type = "application/xml"
        self.block_size = 4096
        self._text = text

    async def load_body(self) -> None: ...

    def body(self) -> bytes:
        return self._text.encode()

    def text(self, encoding: str | None = None) -> str:
        return self._text


class Wire(AsyncHttpTransport[Any, Any]):
    """The account's side, for what no emulator does over plain http."""

    def __init__(self, status: int = 200, text: str = DELEGATED) -> None:
        self.status = status
        self.text = text
        self.asked: list[str] = []

    async def send(self, request: Any, **options: Any) -> Any:
        self.asked.append(request.url)
        return Answering(request, self.status, self.text)

    async def open(self) -> None: ...

    async def close(self) -> None: ...

    async def __aexit__(self, *details: object) -> None: ...


@pytest.fixture
async def service(azurite: str) -> AsyncIterator[BlobServiceClient]:
    async with connect(azurite, "", no_identity) as service:
        yield service


def by_identity(wire: Wire, lifetime: timedelta = HOUR) -> BlobLinks:
    service = BlobServiceClient(
        "https://account.blob.core.windows.net", credential=Identity(), transport=wire, retry_total=0
    )
    return BlobLinks(service, lifetime, by_identity=True)


async def test_a_link_reads_its_file_and_can_do_nothing_else(storage: Storage, service: BlobServiceClient) -> None:
    await storage.imports.large.put("exports/T1/x.csv", b"id\r\n1\r\n")
    await storage.imports.large.put("exports/T1/y.csv", b"other")
    links = BlobLinks(service, HOUR, by_identity=False)
    link = await links.link("exports/T1/x.csv", "Value.csv", datetime.now(UTC))
    late = await links.link("exports/T1/x.csv", "Value.csv", datetime.now(UTC) - 2 * HOUR)

    async with httpx.AsyncClient() as http:
        found = await http.get(link)
        refused = [
            await http.get(link.replace("x.csv", "y.csv")),
            await http.get(late),
            await http.put(link, content=b"=1", headers={"x-ms-blob-type": "BlockBlob"}),
            await http.delete(link),
            await http.get(f"{link.replace('/exports/T1/x.csv', '')}&restype=container&comp=list"),
        ]

    assert (found.status_code, found.content) == (200, b"id\r\n1\r\n")
    assert found.headers["Content-Type"] == "text/csv;charset=utf-8;header=present"
    assert found.headers["Content-Disposition"] == 'attachment; filename="Value.csv"'
    assert [reply.status_code for reply in refused] == [403] * 5
    assert parse_qs(urlsplit(link).query)["sp"] == ["r"]


async def test_a_link_is_for_https_alone_but_on_this_machine(service: BlobServiceClient) -> None:
    far = BlobServiceClient("https://account.blob.core.windows.net", {"account_name": "account", "account_key": "a2V5"})

    here, there = [
        parse_qs(urlsplit(await BlobLinks(each, HOUR, by_identity=False).link("x", "x.csv", NOW)).query)
        for each in (service, far)
    ]

    assert (here["spr"], there["spr"], there["se"]) == (["https,http"], ["https"], ["2026-11-22T07:00:00Z"])


async def test_an_identity_signs_with_a_delegated_key_that_it_fetches_once_a_day() -> None:
    wire = Wire()
    links = by_identity(wire)

    found = [await links.link("exports/T1/x.csv", "Value.csv", NOW + later * HOUR) for later in (0, 1, 23.9, 24.1)]

    options = parse_qs(urlsplit(found[0]).query)
    assert found[0].startswith("https://account.blob.core.windows.net/bridge/exports/T1/x.csv?")
    assert (options["sp"], options["spr"], options["se"]) == (["r"], ["https"], ["2026-11-22T07:00:00Z"])
    assert options["skoid"] == ["11111111-2222-3333-4444-555555555555"]
    assert len(wire.asked) == 2


@pytest.mark.parametrize("status", [401, 403])
async def test_an_identity_without_the_right_is_told_the_role(status: int) -> None:
    with pytest.raises(StorageUnavailable, match="Storage Blob Data Contributor or Storage Blob Delegator"):
        await by_identity(Wire(status, "")).link("x", "x.csv", NOW)


async def test_storage_that_is_busy_is_told() -> None:
    with pytest.raises(StorageUnavailable, match="answered 503"):
        await by_identity(Wire(503, "")).link("x", "x.csv", NOW)


async def test_a_connection_string_without_a_key_is_told() -> None:
    signature = "sv=2024-01-01&sig=sentinel"
    text = f"BlobEndpoint=https://account.blob.core.windows.net;SharedAccessSignature={signature}"

    async with connect(text, "", no_identity) as service:
        with pytest.raises(ConfigurationError, match="AccountKey") as raised:
            await BlobLinks(service, HOUR, by_identity=False).link("x", "x.csv", NOW)

    assert "sentinel" not in raised.value.message


async def test_no_signature_is_logged(service: BlobServiceClient, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO):
        link = await BlobLinks(service, HOUR, by_identity=False).link("x", "x.csv", NOW)

    assert parse_qs(urlsplit(link).query)["sig"][0] not in caplog.text
    assert "sig=" not in caplog.text
