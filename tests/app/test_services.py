"""The composition root: what requests share, how long a definition is served, where keys come from."""

import asyncio
from collections.abc import Sequence
from dataclasses import replace
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


def test_a_definition_saved_anew_keeps_the_places_that_calls_hold() -> None:
    async def main() -> None:
        store = SlowStore(stored(degreeOfParallelism=2))
        made = services(store)
        before = await made.serve("language")
        store.skills["language"] = stored('"2"', degreeOfParallelism=7)
        made.forget_skill("language")
        after = await made.serve("language")

        assert after.skill.version == '"2"'
        assert after.skill.slots is before.skill.slots
        assert after.skill.stats is before.skill.stats

    run_virtual(main())


def test_a_put_that_changed_nothing_leaves_the_served_skill_as_it_is() -> None:
    async def main() -> None:
        made = services(SlowStore(stored()))
        before = await made.serve("language")
        made.forget_skill("language")

        assert (await made.serve("language")).skill is before.skill

    run_virtual(main())


class RotatingStore(SlowStore):
    """A PUT comes between the reading of the row and of its key: the key that the row named is gone."""

    async def get_secret(self, secret_id: str) -> str | None:
        if secret_id == "former":
            self.skills["language"] = stored('"2"', KeyPlace(secret_id="present"))
            return None
        return await super().get_secret(secret_id)


def test_a_key_that_is_replaced_while_it_is_read_fails_no_record() -> None:
    sent: list[httpx.Request] = []

    async def main() -> None:
        made = services(RotatingStore(stored(key=KeyPlace(secret_id="former"))), sent)
        skill = await made.skill("language")
        loop = asyncio.get_running_loop()
        await skill.endpoint.attempt(b"{}", timeout=1, deadline=loop.time() + 9)

    run_virtual(main())
    assert [request.headers["authorization"] for request in sent] == ["Bearer secret-of-present"]


def test_a_skill_that_was_deleted_and_made_again_starts_with_new_figures() -> None:
    async def main() -> None:
        store = SlowStore(stored())
        made = services(store)
        (await made.serve("language")).skill.stats.error("Old")
        gone = store.skills.pop("language")
        made.forget_skill("language")
        with pytest.raises(NotFound):
            await made.serve("language")
        store.skills["language"] = gone

        assert (await made.serve("language")).snapshot()["errors"] == {}

    run_virtual(main())


def test_every_spelling_of_one_address_shares_a_limiter() -> None:
    async def main() -> set[int]:
        spellings = (URI, URI.replace("https://language", "HTTPS://LANGUAGE"), URI.replace(".com/", ".com:443/"))
        store = SlowStore(*(replace(stored(uri=uri), name=f"s{index}") for index, uri in enumerate(spellings)))
        made = services(store)
        return {id((await made.serve(f"s{index}")).endpoint.limiter) for index in range(len(spellings))}

    assert len(run_virtual(main())) == 1
