"""Who may read data: every way of bringing a key, and every reason to be turned away."""

import asyncio
import base64
from dataclasses import dataclass, field
from datetime import datetime, timedelta

import pytest

from shared.entities.reader_keys import ReaderKey
from shared.entities.sign_in import KNOWN_FOR, MOST_REMEMBERED, UNKNOWN_FOR, Rules, SignIn, Visitor, visitor
from shared.errors import StorageUnavailable, Unauthorized
from tests.entities.reader_fakes import NOW, MemoryReaderKeys, key_text, reader_key

RIGHT, WRONG, EXPIRED, OWN = key_text("a"), key_text("z"), key_text("e"), "the-own-key of a laptop"


def basic(user: str, password: str, scheme: str = "Basic") -> str:
    return f"{scheme} {base64.b64encode(f'{user}:{password}'.encode()).decode()}"


@dataclass
class Door:
    rules: Rules = field(default_factory=Rules)
    store: MemoryReaderKeys = field(default_factory=MemoryReaderKeys)
    seconds: float = 0

    def __post_init__(self) -> None:
        stored = (reader_key(), reader_key("old", "e", expires_at=NOW - timedelta(seconds=1)))
        self.store.keys |= {key.name: key for key in stored}
        self.sign_in = SignIn(self.rules, lambda: self.store, clock=lambda: self.seconds, now=self.now)

    def now(self) -> datetime:
        return NOW + timedelta(seconds=self.seconds)

    async def admits(self, who: Visitor) -> bool:
        try:
            await self.sign_in.check(who)
        except Unauthorized:
            return False
        return True


WAYS = {
    "Basic": lambda key: visitor(authorization=basic("anyone", key)),
    "Basic without a user": lambda key: visitor(authorization=basic("", key)),
    "Basic in small letters": lambda key: visitor(authorization=basic("ä", key, "basic")),
    "header": lambda key: visitor(functions_key=key),
    "query": lambda key: visitor(code=key),
    "beside a wrong one": lambda key: visitor(authorization=basic("a", WRONG), functions_key="nonsense", code=key),
}
KEYS = {
    "the right one": (RIGHT, True),
    "with a space behind it": (f"{RIGHT} ", True),
    "a wrong one": (WRONG, False),
    "an expired one": (EXPIRED, False),
    "none": ("", False),
    "one cut short": (RIGHT[:-1], False),
    "one too long": (f"{RIGHT}a", False),
    "a key of the host": ("QXp1cmUgRnVuY3Rpb25zIGhvc3Qga2V5IQ==", False),
    "what has a colon": (f"{RIGHT}:", False),
    "what is no ASCII": ("brk_schlüssel", False),
    "a lone surrogate": ("brk_\udc80", False),
}


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("which", [name for name in KEYS if name != "a lone surrogate"])
async def test_a_reader_key_opens_whichever_way_it_comes_and_nothing_else_does(way: str, which: str) -> None:
    key, opens = KEYS[which]

    assert await Door().admits(WAYS[way](key)) is opens
    assert await Door(Rules(asks=False)).admits(WAYS[way](key))


async def test_a_lone_surrogate_opens_nothing() -> None:
    door = Door(Rules(own_key=OWN))

    assert not await door.admits(visitor(functions_key="\udc80", code="brk_\udc80"))


@pytest.mark.parametrize(
    "authorization",
    [
        "",
        "Basic",
        "Basic ",
        "Basic !",
        f"Basic {RIGHT}",
        f"Basic {base64.b64encode(RIGHT.encode()).decode()}",
        f"Basic {base64.b64encode(f'{RIGHT}:'.encode()).decode()}",
        f"Basic {base64.b64encode(b'a:' + RIGHT.encode() + b'\xff').decode()}",
        f"Basic {base64.b64encode(f'a:{RIGHT}'.encode()).decode()[:-1]}",
        f"Basic ä{basic('a', RIGHT)[6:]}",
        f"Bearer {RIGHT}",
        f"Bearer {basic('a', RIGHT)[6:]}",
        RIGHT,
    ],
)
async def test_what_is_not_basic_authentication_is_no_key(authorization: str) -> None:
    who = visitor(authorization=authorization)

    assert not await Door().admits(who)


@pytest.mark.parametrize(
    ("has_easy_auth", "principal", "opens"),
    [(True, "an-id", True), (True, "", False), (True, " ", False), (False, "an-id", False)],
)
async def test_a_principal_is_believed_where_easy_auth_wrote_it(
    has_easy_auth: bool, principal: str, opens: bool
) -> None:
    door = Door(Rules(has_easy_auth=has_easy_auth))

    assert await door.admits(visitor(principal=principal)) is opens
    assert await door.admits(visitor(principal=principal, code=RIGHT))


@pytest.mark.parametrize(("own", "given", "opens"), [(OWN, OWN, True), (OWN, f"{OWN}x", False), ("", "", False)])
async def test_the_own_key_of_a_laptop_opens_where_there_is_one(own: str, given: str, opens: bool) -> None:
    door = Door(Rules(own_key=own))

    assert await door.admits(visitor(functions_key=given)) is opens
    assert door.store.finds == []


async def test_a_refusal_is_the_same_whatever_was_wrong() -> None:
    told = set()
    for key in ("", WRONG, EXPIRED, "nonsense"):
        with pytest.raises(Unauthorized) as raised:
            await Door().sign_in.check(visitor(authorization=basic("someone", key)))
        told.add(raised.value.message)

    [message] = told
    assert all(way in message for way in ("Basic", "x-functions-key", "?code="))


# What is remembered


async def test_a_known_key_is_read_again_after_a_few_seconds() -> None:
    door = Door()
    for door.seconds in (0, 1, KNOWN_FOR - 0.1):
        assert await door.admits(visitor(code=RIGHT))
    assert len(door.store.finds) == 1
    del door.store.keys["sales"]

    door.seconds = KNOWN_FOR

    assert not await door.admits(visitor(code=RIGHT))


async def test_an_unknown_key_is_remembered_shorter() -> None:
    door = Door()
    assert not await door.admits(visitor(code=WRONG))
    door.store.keys["new"] = reader_key("new", "z")
    assert not await door.admits(visitor(code=WRONG))

    door.seconds = UNKNOWN_FOR

    assert await door.admits(visitor(code=WRONG))


async def test_a_remembered_key_expires_on_time() -> None:
    door = Door()
    door.store.keys["brief"] = reader_key("brief", "b", expires_at=NOW + timedelta(seconds=1))
    assert await door.admits(visitor(code=key_text("b")))

    door.seconds = 1

    assert not await door.admits(visitor(code=key_text("b")))


async def test_a_revoked_key_opens_nothing_from_then_on() -> None:
    door = Door()
    assert await door.admits(visitor(code=RIGHT))

    door.sign_in.forget(door.store.keys.pop("sales"))

    assert not await door.admits(visitor(code=RIGHT))


async def test_a_key_that_is_revoked_while_it_is_looked_up_is_not_remembered() -> None:
    class Slow(MemoryReaderKeys):
        async def find(self, key_id: str) -> ReaderKey | None:
            found = await super().find(key_id)
            await asyncio.sleep(0)
            return found

    door = Door(store=Slow())
    asking = asyncio.create_task(door.admits(visitor(code=RIGHT)))
    await asyncio.sleep(0)
    door.sign_in.forget(door.store.keys.pop("sales"))

    assert not await asking
    assert not await door.admits(visitor(code=RIGHT))


async def test_trying_keys_fills_no_memory_and_costs_no_look_up_for_what_is_no_key() -> None:
    door = Door()
    for number in range(MOST_REMEMBERED + 100):
        await door.admits(visitor(code=f"brk_{number:043d}"))
    await door.admits(visitor(code="guess", functions_key="brk_", authorization=basic("a", "brk_" + "?" * 43)))

    assert len(door.store.finds) == MOST_REMEMBERED + 100
    assert len(door.sign_in._remembered) <= MOST_REMEMBERED
    assert await door.admits(visitor(code=RIGHT))


# When it was used


async def test_use_is_told_at_most_once_an_hour() -> None:
    door = Door()
    seen = []
    for door.seconds in (0, 100, 3599, 3700):
        await door.admits(visitor(code=RIGHT))
        seen.append(door.store.keys["sales"].last_used_at)

    assert seen == [NOW, NOW, NOW, NOW + timedelta(seconds=3700)]
    assert door.store.keys["old"].last_used_at is None


async def test_a_use_that_cannot_be_told_turns_nobody_away() -> None:
    class ReadOnly(MemoryReaderKeys):
        async def mark_used(self, key: ReaderKey, at: datetime) -> None:
            raise StorageUnavailable("read-only")

    assert await Door(store=ReadOnly()).admits(visitor(code=RIGHT))


async def test_storage_that_is_away_is_told_as_such_and_opens_nothing() -> None:
    class Away(MemoryReaderKeys):
        async def find(self, key_id: str) -> ReaderKey | None:
            raise StorageUnavailable("away")

    with pytest.raises(StorageUnavailable):
        await Door(store=Away()).sign_in.check(visitor(code=RIGHT))
