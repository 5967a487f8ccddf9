"""The catalog of reader keys: what is made, what is kept, what is told."""

import re
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

import pytest

from shared.entities.reader_keys import ReaderKey, ReaderKeyCatalog, digest_of, is_key
from shared.errors import BridgeError, Conflict, InvalidDefinition, InvalidName, NotFound
from tests.entities.reader_fakes import NOW, MemoryReaderKeys, key_text, reader_key

BY = "ada@contoso.example"


@dataclass
class World:
    store: MemoryReaderKeys = field(default_factory=MemoryReaderKeys)
    revoked: list[ReaderKey] = field(default_factory=list)

    def __post_init__(self) -> None:
        letters = iter("abcdefgh")
        self.catalog = ReaderKeyCatalog(self.store, random=lambda: next(letters) * 43, revoked=self.revoked.append)

    async def create(self, **body: Any) -> dict[str, Any]:
        return await self.catalog.create({"name": "sales", **body}, BY, NOW)


async def test_a_key_is_told_once_and_only_its_hash_is_kept() -> None:
    world = World()

    made = await world.create(expiresAt="2027-01-01T01:00:00+01:00")

    assert made == {
        "name": "sales",
        "key": key_text("a"),
        "createdAt": "2026-11-21T12:00:00Z",
        "createdBy": BY,
        "expiresAt": "2027-01-01T00:00:00Z",
        "lastUsedAt": None,
    }
    assert is_key(made["key"])
    [kept] = world.store.keys.values()
    assert kept.digest == digest_of(made["key"])
    assert made["key"] not in repr(kept)
    told = (await world.catalog.get("SALES")).render()
    assert told == {name: value for name, value in made.items() if name != "key"}


async def test_two_keys_are_two() -> None:
    world = World()

    keys = [(await world.create(name=name))["key"] for name in ("b", "A")]

    assert len(set(keys)) == 2
    assert [key.name for key in await world.catalog.list()] == ["A", "b"]


@pytest.mark.parametrize(
    ("body", "error", "target"),
    [
        ([], InvalidDefinition, None),
        ({}, InvalidDefinition, "name"),
        ({"name": None}, InvalidDefinition, "name"),
        ({"name": 5}, InvalidDefinition, "name"),
        ({"name": ""}, InvalidName, "name"),
        ({"name": "1sales"}, InvalidName, "name"),
        ({"name": "sa les"}, InvalidName, "name"),
        ({"name": "s|"}, InvalidName, "name"),
        ({"name": "s\n"}, InvalidName, "name"),
        ({"name": "s" * 64}, InvalidName, "name"),
        ({"name": "s", "key": "mine"}, InvalidDefinition, "key"),
        ({"name": "s", "expires": "2027-01-01T00:00:00Z"}, InvalidDefinition, "expires"),
        ({"name": "s", "expiresAt": "tomorrow"}, InvalidDefinition, "expiresAt"),
        ({"name": "s", "expiresAt": 1800000000}, InvalidDefinition, "expiresAt"),
        ({"name": "s", "expiresAt": "2027-01-01"}, InvalidDefinition, "expiresAt"),
        ({"name": "s", "expiresAt": "2027-01-01T00:00:00"}, InvalidDefinition, "expiresAt"),
        ({"name": "s", "expiresAt": "9999-12-31T23:59:59-12:00"}, InvalidDefinition, "expiresAt"),
        ({"name": "s", "expiresAt": "2026-11-21T12:00:00Z"}, InvalidDefinition, "expiresAt"),
    ],
)
async def test_a_body_that_cannot_be_used_makes_nothing(
    body: object, error: type[BridgeError], target: str | None
) -> None:
    world = World()

    with pytest.raises(error) as raised:
        await world.catalog.create(body, BY, NOW)

    assert raised.value.target == target
    assert world.store.keys == {}


async def test_a_name_is_taken_until_its_key_is_revoked() -> None:
    world = World()
    await world.create()
    with pytest.raises(Conflict, match="'SALES'"):
        await world.create(name="SALES")

    await world.catalog.revoke("Sales")

    assert [key.name for key in world.revoked] == ["sales"]
    assert (await world.create(name="SALES"))["name"] == "SALES"


async def test_an_unknown_name_is_answered_with_those_there_are() -> None:
    world = World()
    with pytest.raises(NotFound, match="there is none yet"):
        await world.catalog.get("sales")
    await world.create()

    with pytest.raises(NotFound, match="there are: sales"):
        await world.catalog.revoke("other")


@pytest.mark.parametrize(
    ("expires", "given", "opened"),
    [
        (None, "a", True),
        (None, "b", False),
        (timedelta(seconds=1), "a", True),
        (timedelta(0), "a", False),
        (-timedelta(days=1), "a", False),
    ],
)
def test_a_key_is_opened_by_itself_until_it_expires(expires: timedelta | None, given: str, opened: bool) -> None:
    key = reader_key(expires_at=None if expires is None else NOW + expires)

    assert key.is_opened_by(digest_of(key_text(given)), NOW) is opened


def test_ids_are_no_keys_and_differ() -> None:
    ids = {reader_key(letter=letter).id for letter in "abcd"}

    assert len(ids) == 4
    assert all(re.fullmatch(r"[0-9a-f]{32}", each) for each in ids)
