"""The composition root: what requests share, how long a definition is served, where keys come from."""

import asyncio
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

import httpx
import pytest

from shared.app import Services
from shared.errors import ConfigurationError, NotFound
from shared.skills.catalog import KeyPlace, StoredSkill
from tests.support.virtual_time import run_virtual

URI = "https://language.westeurope.inference.ml.azure.com/score"


class SlowStore:
    """Skills that take a moment to read."""

    def __init__(self, *skills: StoredSkill) -> None:
        self.skills = {skill.name.lower(): skill for skill in skills}
        self.reads = 0

    async def get(self, name: str) -> StoredSkill | None:
        self.reads += 1
        await asyncio.sleep(0.01)
        return self.skills.get(name.lower())

    async def list(self) -> Sequence[StoredSkill]:
        return list(self.skills.values())

    async def get_secret(self, secret_id: str) -> str | None:
        await asyncio.sleep(0.01)
        return f"secret of {secret_id}".replace(" ", "-")

    async def save(self, skill: StoredSkill, *, replaces: StoredSkill | None) -> bool:
        raise NotImplementedError

    async def delete(self, skill: StoredSkill) -> bool:
        raise NotImplementedError

    async def put_secret(self, secret_id: str, value: str) -> None:
        raise NotImplementedError

    async def delete_secret(self, secret_id: str) -> None:
        raise NotImplementedError


def stored(etag: str = '"1"', key: KeyPlace | None = None, **members: Any) -> StoredSkill:
    document = {
        "uri": URI,
        "inputs": [{"name": "text", "source": "/document/content"}],
        "outputs": [{"name": "language"}],
        **({"key": "***"} if key else {}),
        **members,
    }
    return StoredSkill("Language", document, key, etag, datetime(2026, 1, 1, tzinfo=UTC), etag)


def services(store: SlowStore, sent: list[httpx.Request] | None = None, **environment: str) -> Services:
    def respond(request: httpx.Request) -> httpx.Response:
        if sent is not None:
            sent.append(request)
        return httpx.Response(200, json={"language": "en"})

    return Services(environment, skill_store=store, transport=httpx.MockTransport(respond))


def test_requests_that_come_together_share_the_skills_places() -> None:
    async def main() -> set[int]:
        made = services(SlowStore(stored(key=KeyPlace(secret_id="s1"))))
        found = await asyncio.gather(*(made.serve(name) for name in ("language", "Language", "LANGUAGE") * 10))
        return {id(served.skill.slots) for served in found}

    assert len(run_virtual(main())) == 1


def test_a_definition_is_looked_up_once_a_second() -> None:
    async def main() -> int:
        store = SlowStore(stored())
        made = services(store)
        for _ in range(100):
            await made.serve("language")
            await asyncio.sleep(0.05)
        return store.reads

    assert 4 <= run_virtual(main()) <= 5


def test_a_definition_that_another_process_changed_is_seen() -> None:
    async def main() -> tuple[float, float, bool]:
        store = SlowStore(stored())
        made = services(store)
        before = await made.serve("language")
        store.skills["language"] = stored('"2"', timeout="PT5S")
        await asyncio.sleep(1.1)
        after = await made.serve("language")
        return (
            before.skill.definition.timeout,
            after.skill.definition.timeout,
            before.skill.stats is after.skill.stats,
        )

    assert run_virtual(main()) == (30.0, 5.0, True)


def test_a_definition_that_did_not_change_keeps_its_places() -> None:
    async def main() -> bool:
        made = services(SlowStore(stored()))
        before = await made.serve("language")
        await asyncio.sleep(1.1)
        return (await made.serve("language")).skill is before.skill

    assert run_virtual(main())


async def test_a_skill_that_is_gone() -> None:
    with pytest.raises(NotFound):
        await services(SlowStore()).serve("language")


@pytest.mark.parametrize(
    ("key", "authorization"),
    [
        (None, None),
        (KeyPlace(setting="SKILL_KEY_A"), "Bearer of-the-setting"),
        (KeyPlace(secret_id="s1"), "Bearer secret-of-s1"),
    ],
)
async def test_where_a_key_comes_from(key: KeyPlace | None, authorization: str | None) -> None:
    sent: list[httpx.Request] = []
    made = services(SlowStore(stored(key=key)), sent, SKILL_KEY_A="of-the-setting")

    endpoint = (await made.serve("language")).endpoint
    await endpoint.attempt(b"{}", timeout=5, deadline=1e12)

    assert sent[0].headers.get("authorization") == authorization


def test_settings_are_checked_when_the_services_are_made() -> None:
    with pytest.raises(ConfigurationError):
        Services({"MAX_RECORDS": "many"})
