"""Skills and their secrets in Table storage."""

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest
from azure.data.tables.aio import TableServiceClient

from shared.conditions import Conditions
from shared.skills.addresses import ScoringHosts
from shared.skills.catalog import KeyPlace, SkillCatalog, StoredSkill
from shared.storage.skills import TableSkillStore

NOW = datetime(2026, 1, 2, 3, 4, 5, 678901, tzinfo=UTC)


@pytest.fixture
def store(service: TableServiceClient) -> TableSkillStore:
    return TableSkillStore(service)


def skill(name: str = "Language", **members: Any) -> StoredSkill:
    document = {"uri": "https://a.inference.ml.azure.com/score", **members}
    return StoredSkill(name, document, None, '"etag-1"', NOW)


async def stored(store: TableSkillStore, given: StoredSkill) -> StoredSkill:
    assert await store.save(given, replaces=None)
    found = await store.get(given.name)
    assert found is not None
    return found


async def test_nothing_yet(store: TableSkillStore) -> None:
    assert await store.get("language") is None
    assert await store.list() == []
    assert await store.get_secret("s1") is None
    await store.delete_secret("s1")


@pytest.mark.parametrize(
    "key", [None, KeyPlace(setting="SKILL_KEY_A"), KeyPlace(secret_id="s1")], ids=["none", "setting", "secret"]
)
async def test_a_skill_comes_back_as_it_was(store: TableSkillStore, key: KeyPlace | None) -> None:
    given = replace(skill(), key=key)

    found = await stored(store, given)

    assert replace(found, version="") == given
    assert found.version


async def test_names_are_one_without_regard_to_case_and_keep_their_spelling(store: TableSkillStore) -> None:
    await stored(store, skill("Language-ID"))

    found = await store.get("lANGUAGE-id")

    assert found is not None
    assert found.name == "Language-ID"
    assert not await store.save(skill("language-id"), replaces=None)


async def test_list_is_by_name(store: TableSkillStore) -> None:
    for name in ("b", "A", "c"):
        await stored(store, skill(name))

    assert [found.name for found in await store.list()] == ["A", "b", "c"]


async def test_a_write_over_what_has_changed_is_refused(store: TableSkillStore) -> None:
    read = await stored(store, skill())

    assert await store.save(skill(description="first"), replaces=read)
    assert not await store.save(skill(description="second"), replaces=read)
    assert not await store.delete(read)

    current = await store.get("language")
    assert current is not None
    assert current.document["description"] == "first"
    assert await store.delete(current)
    assert await store.get("language") is None


@pytest.mark.parametrize(
    "text",
    [
        "x" * 250_000,
        "ä" * 100_000,
        "漢" * 80_000,
        "😀" * 60_000,
        '"\\\n' * 30_000,
        "\ud800 alone",
        "",
    ],
    ids=["ascii", "latin", "cjk", "emoji", "escapes", "surrogate", "empty"],
)
async def test_a_definition_larger_than_a_column(store: TableSkillStore, text: str) -> None:
    given = skill(description=text)

    found = await stored(store, given)

    assert found.document == given.document


async def test_a_definition_that_shrinks_leaves_nothing_behind(store: TableSkillStore) -> None:
    read = await stored(store, skill(description="x" * 100_000))

    assert await store.save(skill(description="short"), replaces=read)

    found = await store.get("language")
    assert found is not None
    assert found.document["description"] == "short"


async def test_secrets(store: TableSkillStore) -> None:
    await store.put_secret("s1", "käse 😀")
    assert await store.get_secret("s1") == "käse 😀"

    await store.put_secret("s1", "other")
    assert await store.get_secret("s1") == "other"

    await store.delete_secret("s1")
    assert await store.get_secret("s1") is None


async def test_a_literal_key_lies_apart_from_its_skill(store: TableSkillStore, service: TableServiceClient) -> None:
    catalog = SkillCatalog(store, ScoringHosts(), allow_literal_keys=True)
    definition = {
        "uri": "https://a.inference.ml.azure.com/score",
        "key": "sentinel-key",
        "inputs": [{"name": "text", "source": "/document/content"}],
        "outputs": [{"name": "language"}],
    }

    await catalog.put("language", definition, Conditions(), NOW)

    table = service.get_table_client("bridgeskills")
    assert "sentinel-key" not in str([dict(row) async for row in table.list_entities()])
    await catalog.delete("language", Conditions())
    secrets = service.get_table_client("bridgesecrets")
    assert [row async for row in secrets.list_entities()] == []
