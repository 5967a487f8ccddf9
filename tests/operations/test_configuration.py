"""The configuration as a document: what is exported is what is imported."""

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shared.operations.configuration import Kind, Stored, export_document, is_same_configuration, read_import
from shared.operations.differences import changes
from shared.operations.environments import parameterized
from shared.skills.catalog import KeyPlace, StoredSkill
from shared.wire import readable_bytes
from shared.workflows.connections import Connection, Consent
from tests.operations.test_variables import JSON, TEXTS
from tests.workflows.fakes import WORKSPACE, stored_workflow

NOW = datetime(2026, 11, 22, 6, tzinfo=UTC)
NAMES = st.from_regex(r"[A-Za-z][A-Za-z0-9_-]{0,9}", fullmatch=True)
HOSTS = st.sampled_from(["a.example", "b.example:8443", "a.example${x}"])
KEYS = st.sampled_from([None, KeyPlace(setting="SKILL_KEY_A"), KeyPlace(secret_id="s")])
PLACES: st.SearchStrategy[dict[str, str]] = st.one_of(
    st.builds(lambda host, path: {"uri": f"https://{host}/{path}"}, HOSTS, TEXTS),
    st.builds(
        lambda name, end: {"resourceId": f"{replace(WORKSPACE, name=name).path}/onlineEndpoints/{end}"}, NAMES, TEXTS
    ),
    st.just({}),
)


def skill(name: str, document: dict[str, Any], key: KeyPlace | None) -> StoredSkill:
    return StoredSkill(name, {**document, **({"key": "***"} if key else {})}, key, '"e"', NOW)


def connection(name: str, tenant: str, workspace: str) -> Connection:
    return Connection(name, tenant, workspace, "westeurope", Consent("somebody", NOW, "1"), '"e"')


def unique(resource: Any) -> str:
    return str(resource.name.lower())


DOCUMENTS = st.dictionaries(st.text(max_size=5).filter(lambda name: name not in ("uri", "resourceId", "key")), JSON)
STORED = st.builds(
    Stored,
    st.lists(
        st.builds(lambda n, d, p, k: skill(n, {**d, **p}, k), NAMES, DOCUMENTS, PLACES, KEYS),
        unique_by=unique,
        max_size=2,
    ),
    st.lists(
        st.builds(
            connection,
            NAMES,
            st.sampled_from(["t1", "t2"]),
            st.sampled_from([WORKSPACE.path, replace(WORKSPACE, name="${w}").path]),
        ),
        unique_by=unique,
        max_size=2,
    ),
    st.lists(
        st.builds(lambda n, path: stored_workflow(n, outputPath=path), NAMES, TEXTS), unique_by=unique, max_size=2
    ),
)


def sent_back(document: object) -> object:
    return read_import(readable_bytes(document), {})


@settings(max_examples=30)
@given(stored=STORED)
def test_an_export_is_imported_as_what_was_there(stored: Stored) -> None:
    assert sent_back(export_document(stored, NOW)) == stored.resources()


@settings(max_examples=30)
@given(stored=STORED)
def test_an_export_with_variables_is_imported_as_what_was_there(stored: Stored) -> None:
    assert sent_back(parameterized(stored, NOW)) == stored.resources()


@settings(max_examples=30)
@given(stored=STORED)
def test_the_same_configuration_is_the_same_document_whatever_the_order(stored: Stored) -> None:
    other = Stored(stored.skills[::-1], stored.connections[::-1], stored.workflows[::-1])

    assert readable_bytes(export_document(stored, NOW)) == readable_bytes(export_document(other, NOW))
    assert stored.etag() == other.etag()
    later = export_document(other, NOW.replace(hour=7))
    assert is_same_configuration(export_document(stored, NOW), later)
    assert not is_same_configuration({"version": 1}, {"version": True})


def test_two_environments_in_one_account_have_variables_of_their_own() -> None:
    other = replace(WORKSPACE, name="ws2")
    stored = Stored(
        [
            skill("a-b", {"uri": "https://one.example/score"}, None),
            skill("a_b", {"uri": "https://two.example/score"}, None),
            skill("managed", {"resourceId": f"{other.path}/onlineEndpoints/e"}, None),
        ],
        [connection("dev", "t", WORKSPACE.path), connection("prod", "t", other.path)],
        [],
    )

    exported = parameterized(stored, NOW)

    assert exported["variables"] == {
        "HOST_A_B": "one.example",
        "HOST_A_B_2": "two.example",
        "TENANT": "t",
        "WORKSPACE_DEV": WORKSPACE.path,
        "WORKSPACE_PROD": other.path,
    }
    assert exported["document"][Kind.SKILLS]["managed"]["resourceId"] == "${WORKSPACE_PROD}/onlineEndpoints/e"


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        ({"a": 1}, {"a": 1}, []),
        ({"a": 1}, {"a": True}, [{"path": "a", "old": 1, "new": True}]),
        ({"a": 1}, {"a": 1.0}, [{"path": "a", "old": 1, "new": 1.0}]),
        ({"a": None}, {}, [{"path": "a", "old": None}]),
        ({}, {"a": None}, [{"path": "a", "new": None}]),
        ({"a": {"b": [1, {"c": 2}]}}, {"a": {"b": [1, {"c": 3}]}}, [{"path": "a.b[1].c", "old": 2, "new": 3}]),
        ({"a": [1]}, {"a": [1, 2]}, [{"path": "a", "old": [1], "new": [1, 2]}]),
    ],
)
def test_a_change_is_told_where_it_is(old: dict[str, Any], new: dict[str, Any], told: list[dict[str, Any]]) -> None:
    assert [change.render() for change in changes(old, new)] == told


@given(old=st.dictionaries(TEXTS, JSON, max_size=2), new=st.dictionaries(TEXTS, JSON, max_size=2))
def test_there_is_a_change_exactly_where_two_differ(old: dict[str, Any], new: dict[str, Any]) -> None:
    assert changes(old, old) == ()
    assert bool(changes(old, new)) == (readable_bytes(_ordered(old)) != readable_bytes(_ordered(new)))


def _ordered(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _ordered(value[name]) for name in sorted(value)}
    return [_ordered(item) for item in value] if isinstance(value, list) else value
