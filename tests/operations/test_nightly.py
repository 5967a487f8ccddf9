"""The nightly copy of the configuration: written where it differs, kept for as long as was asked."""

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from shared.entities.tombstones import Tombstone
from shared.operations.configuration import Stored
from shared.operations.nightly import NightlyExport, parse_erasure, parse_keys
from tests.entities.fakes import MemoryLarge, MemoryTombstones
from tests.entities.reader_fakes import MemoryReaderKeys, reader_key
from tests.workflows.fakes import stored_workflow

NOW = datetime(2026, 11, 22, 3, 47, tzinfo=UTC)


class Account:
    """What the export reads and writes."""

    def __init__(self) -> None:
        self.files = MemoryLarge()
        self.stored = Stored([], [], [stored_workflow("churn")])
        self.tombstones = MemoryTombstones()
        self.keys = MemoryReaderKeys()
        self.now = NOW

    async def configuration(self) -> Stored:
        return self.stored

    async def night(self, *, days: int = 0) -> dict[str, int]:
        self.now = NOW + timedelta(days=days)
        export = NightlyExport(
            self.files, self.configuration, self.tombstones, self.keys, timedelta(days=30), lambda: self.now
        )
        return dict(await export.write())

    @property
    def documents(self) -> list[str]:
        return sorted(name for name in self.files.values if name[0].isdigit() or name == "latest.json")


async def test_the_first_night_writes_the_day_and_the_latest() -> None:
    account = Account()

    assert await account.night() == {"written": 3, "dropped": 0}
    assert account.documents == ["2026/11/22.json", "latest.json"]
    assert account.files.values["latest.json"] == account.files.values["2026/11/22.json"]
    assert list(json.loads(account.files.values["latest.json"])["workflows"]) == ["churn"]


async def test_a_night_without_a_change_writes_nothing() -> None:
    account = Account()
    await account.night()

    assert await account.night(days=1) == {"written": 0, "dropped": 0}
    assert account.documents == ["2026/11/22.json", "latest.json"]
    account.stored = replace(account.stored, workflows=[])
    assert await account.night(days=2) == {"written": 2, "dropped": 0}
    assert account.documents == ["2026/11/22.json", "2026/11/24.json", "latest.json"]


async def test_an_export_that_died_before_the_latest_is_repeated() -> None:
    account = Account()
    await account.night()
    del account.files.values["latest.json"]

    assert (await account.night())["written"] == 2


@pytest.mark.parametrize("damaged", [b"", b"{", b"null", b"\xff"])
async def test_a_latest_that_is_damaged_is_written_anew(damaged: bytes) -> None:
    account = Account()
    await account.night()
    account.files.values["latest.json"] = damaged

    assert (await account.night())["written"] == 2
    assert account.files.values["latest.json"] == account.files.values["2026/11/22.json"]


@pytest.mark.parametrize(("days", "dropped"), [(30, 0), (31, 1), (400, 1)])
async def test_days_go_when_their_time_is_over_and_the_latest_stays(days: int, dropped: int) -> None:
    account = Account()
    await account.night()

    assert await account.night(days=days) == {"written": 0, "dropped": dropped}
    assert "latest.json" in account.documents


async def test_who_was_erased_and_reader_keys_go_beside_the_document_and_never_into_it() -> None:
    account = Account()
    tombstone = await account.tombstones.add(Tombstone("ab" * 32, NOW))
    key = reader_key(expires_at=NOW)
    await account.keys.add(key)

    await account.night()

    secret, tombstones = parse_erasure(json.loads(account.files.values["erasure.json"]))
    assert (secret, tombstones) == (await account.tombstones.secret(), [tombstone])
    assert parse_keys(json.loads(account.files.values["reader-keys.json"])) == [key]
    document = account.files.values["latest.json"]
    assert tombstone.mark.encode() not in document
    assert key.digest.encode() not in document


async def test_a_tombstone_that_was_lifted_is_gone_from_the_copy() -> None:
    account = Account()
    tombstone = await account.tombstones.add(Tombstone("ab" * 32, NOW))
    await account.night()
    await account.tombstones.remove(tombstone.mark)

    await account.night()

    assert parse_erasure(json.loads(account.files.values["erasure.json"]))[1] == []
