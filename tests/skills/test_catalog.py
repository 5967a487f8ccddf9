"""Skills saved, read, replaced and deleted, with their keys kept apart."""

import asyncio
import json
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.conditions import Conditions
from shared.errors import InvalidDefinition, InvalidName, NotFound, PreconditionFailed
from shared.skills.addresses import ScoringHosts
from shared.skills.catalog import KeyPlace, SkillCatalog, StoredSkill, check_name
from tests.skills.fakes import NOON, URI, MemoryStore, StoreFailed, document
from tests.support.virtual_time import in_virtual_time, run_virtual

ALWAYS = Conditions()
RESOURCE = (
    "/subscriptions/00000000-0000-0000-0000-000000000001/resourceGroups/rg"
    "/providers/Microsoft.MachineLearningServices/workspaces/ws1/onlineEndpoints/ep"
)


class Catalog:
    """A catalog over a store in memory."""

    def __init__(self, *, allow_literal_keys: bool = True, loopback: bool = True) -> None:
        self.store = MemoryStore()
        hosts = ScoringHosts(loopback=loopback)
        self.catalog = SkillCatalog(self.store, hosts, allow_literal_keys=allow_literal_keys)

    async def put(self, body: Any, name: str = "churn", conditions: Conditions = ALWAYS) -> StoredSkill:
        return (await self.catalog.put(name, body, conditions, NOON))[0]

    async def key(self, name: str = "churn") -> str | None:
        """The key that the stored definition leads to."""
        place = (await self.catalog.get(name)).key
        return await self.store.get_secret(place.secret_id) if place and place.secret_id else None


# Names


@pytest.mark.parametrize("name", ["a", "Churn", "churn-2", "x_1", "a" * 63])
def test_names_start_with_a_letter(name: str) -> None:
    assert check_name(name) == name


@pytest.mark.parametrize("name", ["", "1a", "-a", "_a", "a b", "a/b", "é", "a.b", "a" * 64, "a\n"])
def test_other_names_are_refused(name: str) -> None:
    with pytest.raises(InvalidName, match="is not a skill's name: it has 1 to 63 letters"):
        check_name(name)


@in_virtual_time
async def test_a_name_is_found_in_any_case_and_keeps_its_spelling() -> None:
    app = Catalog()
    await app.put(document(), "Churn")

    again, is_new = await app.catalog.put("CHURN", document(timeout="PT5S"), ALWAYS, NOON)

    assert not is_new
    assert again.name == "Churn"
    assert (await app.catalog.get("churn")).document["timeout"] == "PT5S"
    assert [skill.name for skill in await app.catalog.list()] == ["Churn"]


@in_virtual_time
async def test_an_unknown_skill_is_told_with_those_there_are() -> None:
    app = Catalog()
    with pytest.raises(NotFound, match="no skill is called 'churn'; there is none yet; PUT one"):
        await app.catalog.get("churn")
    for name in ("beta", "alpha"):
        await app.put(document(), name)

    with pytest.raises(NotFound, match="no skill is called 'churn'; there are: alpha, beta") as missing:
        await app.catalog.delete("churn", ALWAYS)
    assert missing.value.status == 404


# GET then PUT


VARIANTS: list[dict[str, Any]] = [
    document(),
    document(name="Display name", description="d", timeout="PT60S"),
    document(key="literal"),
    document(key="@appsetting('SKILL_KEY_CHURN')"),
    {name: value for name, value in document(resourceId=RESOURCE, region="westeurope").items() if name != "uri"},
    document(gateway={"retries": 0, "payload": "instances", "maxRecordsPerCall": 8}),
    document(timeout=None, gateway=None, inputs=[{"name": "a", "source": "/document/a", "inputs": []}]),
    document(**{"@odata.type": "Microsoft.Skills.Custom.AmlSkill"}),
]


@pytest.mark.parametrize("body", VARIANTS)
def test_a_put_of_what_get_gave_changes_nothing(body: dict[str, Any]) -> None:
    async def main() -> None:
        app = Catalog()
        stored = await app.put(body)
        secrets = dict(app.store.secrets)

        again, is_new = await app.catalog.put("churn", json.loads(json.dumps(stored.render())), ALWAYS, NOON)

        assert not is_new
        assert again.etag == stored.etag
        assert again.render() == stored.render()
        assert again.key == stored.key
        assert app.store.secrets == secrets

    run_virtual(main())


@pytest.mark.parametrize("body", VARIANTS)
def test_the_same_put_again_has_the_same_etag(body: dict[str, Any]) -> None:
    async def main() -> None:
        app = Catalog()

        etags = {(await app.put(body)).etag for _ in range(3)}

        assert len(etags) == 1
        etag = etags.pop()
        assert etag.startswith('"')
        assert etag.endswith('"')

    run_virtual(main())


@in_virtual_time
async def test_every_change_has_another_etag() -> None:
    app = Catalog()
    bodies = [*VARIANTS[:6], document(key="other"), document(timeout="PT31S")]

    etags = [(await app.put(body)).etag for body in bodies]

    assert len(set(etags)) == len(bodies)


@in_virtual_time
async def test_what_is_shown_holds_no_key() -> None:
    app = Catalog()
    literal = await app.put(document(key="very-secret"))
    reference = await app.put(document(key="@appsetting('SKILL_KEY_X')"), "other")

    for stored in (literal, reference):
        assert stored.render()["key"] == "***"
        assert "very-secret" not in repr(stored)
    assert literal.render()["skill"] == "churn"
    assert "@odata.etag" in literal.render()
    assert "key" not in (await app.put(document(), "third")).render()


# Keys


@in_virtual_time
async def test_a_literal_key_is_kept_apart() -> None:
    app = Catalog()

    stored = await app.put(document(key="one"))

    assert stored.document["key"] == "***"
    assert await app.key() == "one"
    assert stored.definition().key == "***"


@in_virtual_time
async def test_a_new_key_takes_the_place_of_the_former() -> None:
    app = Catalog()
    await app.put(document(key="one"))

    await app.put(document(key="two"))

    assert list(app.store.secrets.values()) == ["two"]
    assert await app.key() == "two"


@pytest.mark.parametrize("body", [document(), document(key="@appsetting('SKILL_KEY_X')"), VARIANTS[4]])
def test_a_definition_without_the_literal_key_removes_it(body: dict[str, Any]) -> None:
    async def main() -> None:
        app = Catalog()
        await app.put(document(key="one"))

        await app.put(body)

        assert app.store.secrets == {}

    run_virtual(main())


@in_virtual_time
async def test_a_deleted_skill_takes_its_key_along() -> None:
    app = Catalog()
    await app.put(document(key="one"))

    await app.catalog.delete("CHURN", ALWAYS)

    assert app.store.secrets == {}
    assert app.store.skills == {}


@in_virtual_time
async def test_a_reference_to_a_setting_is_kept_and_never_shown() -> None:
    app = Catalog(allow_literal_keys=False)

    stored = await app.put(document(key="@appsetting('SKILL_KEY_CHURN')"))

    assert stored.key == KeyPlace(setting="SKILL_KEY_CHURN")
    assert app.store.secrets == {}


@pytest.mark.parametrize(
    "reference",
    [
        "@appsetting('AzureWebJobsStorage')",
        "@appsetting('skill_key_churn')",
        "@appsetting('SKILL_KEY_')",
        "@appsetting('XSKILL_KEY_A')",
        "@appsetting('SKILL_KEY_A-B')",
        '@appsetting("SKILL_KEY_A")',
        "@appsetting(SKILL_KEY_A)",
        "@appsetting('SKILL_KEY_A')x",
        "@AppSetting('SKILL_KEY_A')",
        "@Microsoft.KeyVault(SecretUri=https://v.vault.azure.net/secrets/a)",
        "@",
    ],
)
def test_only_settings_with_the_prefix_are_read(reference: str) -> None:
    app = Catalog()

    with pytest.raises(InvalidDefinition, match=r"key: a reference has the form @appsetting\('SKILL_KEY_<NAME>'\)"):
        run_virtual(app.put(document(key=reference)))
    assert app.store.skills == {}


@in_virtual_time
async def test_a_literal_key_is_taken_only_where_the_setting_allows_it() -> None:
    app = Catalog(allow_literal_keys=False)

    with pytest.raises(
        InvalidDefinition, match="a literal key is not taken here; put it into an app setting"
    ) as refused:
        await app.put(document(key="very-secret"))

    assert "very-secret" not in refused.value.message
    assert (app.store.skills, app.store.secrets) == ({}, {})


LOOPBACK = "http://127.0.0.1:5001/score"


@pytest.mark.parametrize(
    ("former", "uri"),
    [
        (URI, URI),
        (URI, f"{URI}?x=1"),
        (URI, URI.replace("/score", "/other")),
        (URI, URI.replace(".com/", ".com:443/")),
        (URI, URI.upper().replace("SCORE", "score")),
        (LOOPBACK, "http://127.0.0.1:5001/other"),
    ],
)
def test_three_stars_keep_the_key_for_the_same_origin(former: str, uri: str) -> None:
    async def main() -> None:
        app = Catalog()
        await app.put(document(uri=former, key="one"))

        await app.put(document(uri=uri, key="***"))

        assert await app.key() == "one"

    run_virtual(main())


@pytest.mark.parametrize(
    ("former", "uri"),
    [
        (URI, URI.replace("model", "other")),
        (URI, URI.replace(".com/", ".com:8443/")),
        (LOOPBACK, "http://127.0.0.1:5002/score"),
        (LOOPBACK, "https://127.0.0.1:5001/score"),
        (LOOPBACK, "http://localhost:5001/score"),
    ],
)
def test_three_stars_keep_no_key_for_another_origin(former: str, uri: str) -> None:
    async def main() -> None:
        app = Catalog()
        await app.put(document(uri=former, key="one"))

        with pytest.raises(InvalidDefinition, match="only for the same scheme, host and port"):
            await app.put(document(uri=uri, key="***"))
        assert await app.key() == "one"

    run_virtual(main())


@pytest.mark.parametrize("former", [None, document(), VARIANTS[4]])
def test_three_stars_where_no_key_is_stored_are_refused(former: dict[str, Any] | None) -> None:
    async def main() -> None:
        app = Catalog()
        if former is not None:
            await app.put(former)

        with pytest.raises(InvalidDefinition, match="keeps a stored key, and there is none; give the key"):
            await app.put(document(key="***"))

    run_virtual(main())


# Addresses and size


@pytest.mark.parametrize(
    ("uri", "says"),
    [
        ("http://model.inference.ml.azure.com/score", "uri: only https is allowed"),
        ("https://contoso.com/score", "SCORING_HOSTS"),
        ("https://127.0.0.1/score", "uri: an address literal is refused"),
    ],
)
def test_an_address_is_checked_when_it_is_saved(uri: str, says: str) -> None:
    app = Catalog(loopback=False)

    with pytest.raises(InvalidDefinition, match=says) as refused:
        run_virtual(app.put(document(uri=uri, key="one")))
    assert refused.value.target == "uri"
    assert (app.store.skills, app.store.secrets) == ({}, {})


@in_virtual_time
async def test_a_definition_has_a_largest_size() -> None:
    with pytest.raises(InvalidDefinition, match="at most 262144 bytes"):
        await Catalog().put(document(description="x" * 300_000))


# Conditions


@pytest.mark.parametrize(
    ("conditions", "current", "holds"),
    [
        (Conditions(), None, True),
        (Conditions(), '"1"', True),
        (Conditions(if_match='"1"'), '"1"', True),
        (Conditions(if_match='"2"'), '"1"', False),
        (Conditions(if_match='"2", "1"'), '"1"', True),
        (Conditions(if_match='W/"1"'), '"1"', False),
        (Conditions(if_none_match='W/"1"'), '"1"', False),
        (Conditions(if_match="*"), '"1"', True),
        (Conditions(if_match="*"), None, False),
        (Conditions(if_match='"1"'), None, False),
        (Conditions(if_match="1"), '"1"', False),
        (Conditions(if_match=""), '"1"', False),
        (Conditions(if_none_match="*"), None, True),
        (Conditions(if_none_match="*"), '"1"', False),
        (Conditions(if_none_match='"1"'), '"1"', False),
        (Conditions(if_none_match='"2"'), '"1"', True),
    ],
)
def test_a_condition_holds_or_not(conditions: Conditions, current: str | None, holds: bool) -> None:
    if holds:
        conditions.check(current)
        return
    with pytest.raises(PreconditionFailed, match="does not hold") as failed:
        conditions.check(current)
    assert failed.value.status == 412


@in_virtual_time
async def test_conditions_guard_put_and_delete() -> None:
    app = Catalog()
    first = await app.put(document(), conditions=Conditions(if_none_match="*"))
    second = await app.put(document(timeout="PT5S"), conditions=Conditions(if_match=first.etag))

    with pytest.raises(PreconditionFailed, match="If-Match"):
        await app.put(document(), conditions=Conditions(if_match=first.etag))
    with pytest.raises(PreconditionFailed, match="If-None-Match"):
        await app.put(document(), conditions=Conditions(if_none_match="*"))
    with pytest.raises(PreconditionFailed, match="If-Match"):
        await app.catalog.delete("churn", Conditions(if_match=first.etag))
    await app.catalog.delete("churn", Conditions(if_match=second.etag))

    assert app.store.skills == {}


# Two at once, and dying in between


def key_is_whole(app: Catalog, *keys: str) -> bool:
    """Every stored definition with a key leads to one of `keys`."""
    return all(
        stored.key is None or app.store.secrets.get(stored.key.secret_id or "") in keys
        for stored in app.store.skills.values()
    )


@pytest.mark.parametrize("fails_at", range(1, 5))
@pytest.mark.parametrize("body", [document(key="two"), document(key="***", timeout="PT5S"), document()])
def test_a_process_that_dies_between_two_writes_of_a_put_loses_no_key(fails_at: int, body: dict[str, Any]) -> None:
    async def main() -> None:
        app = Catalog()
        await app.put(document(key="one"))
        app.store.writes, app.store.fails_at = 0, fails_at

        try:
            await app.put(body)
        except StoreFailed:
            assert key_is_whole(app, "one", "two")
        app.store.fails_at = None
        await app.put(body if body.get("key") != "***" or await app.key() else document(key="one"))

        assert key_is_whole(app, "one", "two")

    run_virtual(main())


@pytest.mark.parametrize("fails_at", [1, 2])
def test_a_process_that_dies_while_it_deletes_leaves_a_skill_with_its_key_or_none(fails_at: int) -> None:
    async def main() -> None:
        app = Catalog()
        await app.put(document(key="one"))
        app.store.writes, app.store.fails_at = 0, fails_at

        with pytest.raises(StoreFailed):
            await app.catalog.delete("churn", ALWAYS)

        assert key_is_whole(app, "one")
        assert bool(app.store.skills) is (fails_at == 1)

    run_virtual(main())


@given(st.lists(st.sampled_from(["a", "b", "***", None]), min_size=1, max_size=6))
def test_puts_at_the_same_time_end_with_one_definition_and_its_key_alone(keys: list[str | None]) -> None:
    async def main() -> None:
        app = Catalog()
        await app.put(document(key="first"))
        bodies = [document(key=key, timeout=f"PT{number + 1}S") for number, key in enumerate(keys)]

        outcomes = await asyncio.gather(*(app.put(body) for body in bodies), return_exceptions=True)

        assert all(isinstance(outcome, StoredSkill | InvalidDefinition) for outcome in outcomes)
        stored = await app.catalog.get("churn")
        assert key_is_whole(app, "first", "a", "b")
        assert len(app.store.secrets) == (1 if stored.key else 0)

    run_virtual(main())


@in_virtual_time
async def test_a_put_that_another_overtakes_starts_again_and_leaves_no_secret_behind() -> None:
    app = Catalog()
    await app.put(document(key="one"))
    rival = replace(await app.catalog.get("churn"), etag='"rival"')
    app.store.before_save.append(rival)

    await app.put(document(key="two"))

    assert list(app.store.secrets.values()) == ["two"]


@in_virtual_time
async def test_a_condition_is_checked_again_after_another_overtook() -> None:
    app = Catalog()
    stored = await app.put(document())
    app.store.before_save.append(replace(stored, etag='"rival"'))

    with pytest.raises(PreconditionFailed):
        await app.put(document(timeout="PT5S", key="two"), conditions=Conditions(if_match=stored.etag))

    assert app.store.secrets == {}


@in_virtual_time
async def test_a_skill_called_none_needs_no_name_of_its_own() -> None:
    stored = await Catalog().put(document(), "none")

    assert stored.render()["name"] == "none"


@in_virtual_time
async def test_a_name_that_is_the_skills_own_changes_nothing() -> None:
    app = Catalog()
    first = await app.put(document())

    assert (await app.put(first.render())).etag == first.etag
