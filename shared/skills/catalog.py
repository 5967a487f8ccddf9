"""The skills this app serves: saved, read, replaced, deleted, with their keys kept apart.

A PUT stores the definition as it was given; its key goes elsewhere and comes back as `***`, which, sent again,
keeps the stored one while scheme, host and port of `uri` stay.
"""

import hmac
import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol
from uuid import uuid4

from shared.conditions import Conditions, etag_of
from shared.errors import InvalidDefinition, InvalidName, NotFound, StorageUnavailable, there_are
from shared.skills.addresses import ScoringHosts, origin
from shared.skills.definition import REDACTED, SkillDefinition, parse_definition, stored_definition, strip_definition
from shared.wire import json_bytes

_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_-]{0,62}")
_KEY_SETTING = re.compile(r"@appsetting\('(SKILL_KEY_[A-Za-z0-9_]{1,100})'\)")
_MOST_RACES = 10
_LARGEST_DEFINITION = 256 * 1024


@dataclass(frozen=True, slots=True)
class KeyPlace:
    """Where a skill's key is: an app setting, or the store of secrets. Never the key itself."""

    setting: str | None = None
    secret_id: str | None = None


@dataclass(frozen=True, slots=True)
class StoredSkill:
    """A skill as it is kept."""

    name: str
    document: dict[str, Any]
    """The definition as given, its key replaced by `***`."""
    key: KeyPlace | None
    etag: str
    """Strong, of what PUT wrote."""
    updated_at: datetime
    version: str = ""
    """The store's own mark for a conditional write; empty for what is not stored yet."""

    def render(self) -> dict[str, Any]:
        """As GET shows it, and as a PUT takes it back: `skill` and `@odata.etag` are read-only, and a `name` that is
        the skill's own says nothing."""
        return {"name": self.name, **self.document, "skill": self.name, "@odata.etag": self.etag}

    def definition(self) -> SkillDefinition:
        return stored_definition(self.document)


class SkillStore(Protocol):
    """Where skills and their secrets lie."""

    async def get(self, name: str) -> StoredSkill | None:
        """By name, without regard to case."""

    async def list(self) -> Sequence[StoredSkill]:
        """All, by name."""

    async def save(self, skill: StoredSkill, *, replaces: StoredSkill | None) -> bool:
        """Write; False if what it replaces (or its absence) is no longer so."""

    async def delete(self, skill: StoredSkill) -> bool:
        """Remove; False if it has changed meanwhile."""

    async def get_secret(self, secret_id: str) -> str | None: ...

    async def put_secret(self, secret_id: str, value: str) -> None: ...

    async def delete_secret(self, secret_id: str) -> None: ...


class SkillCatalog:
    """What the routes under `/api/skills` do, but for calling a skill."""

    def __init__(self, store: SkillStore, hosts: ScoringHosts, *, allow_literal_keys: bool) -> None:
        self._store = store
        self._hosts = hosts
        self._allow_literal_keys = allow_literal_keys

    async def get(self, name: str) -> StoredSkill:
        """Raises NotFound, with the names there are."""
        found = await self._store.get(check_name(name))
        if found is None:
            names = [skill.name for skill in await self._store.list()]
            known = there_are(names, "there is none yet; PUT one")
            raise NotFound(f"no skill is called {name!r}; {known}", target="skill")
        return found

    async def list(self) -> Sequence[StoredSkill]:
        return await self._store.list()

    async def put(self, name: str, body: object, conditions: Conditions, now: datetime) -> tuple[StoredSkill, bool]:
        """Save what a PUT brought; True if it is new. Raises InvalidDefinition, InvalidName, PreconditionFailed."""
        check_name(name)
        document = strip_definition(body)
        if isinstance(given := document.get("name"), str) and given.lower() == name.lower():
            del document["name"]
        if len(json_bytes(document)) > _LARGEST_DEFINITION:
            raise InvalidDefinition(f"a definition has at most {_LARGEST_DEFINITION} bytes")
        definition = parse_definition(document)
        self._check_address(definition)
        for _ in range(_MOST_RACES):
            current = await self._store.get(name)
            conditions.check(current.etag if current else None)
            saved = await self._save(name, document, definition, current, now)
            if saved is not None:
                return saved, current is None
        raise _busy(name)

    async def _save(
        self,
        name: str,
        document: dict[str, Any],
        definition: SkillDefinition,
        current: StoredSkill | None,
        now: datetime,
    ) -> StoredSkill | None:
        """The key is written before the definition that names it, and the former key removed last: a process that
        dies in between leaves a secret that nobody names, never a definition without its key."""
        former = current.key if current else None
        key = await self._place_key(definition, current)
        kept = {**document, "key": REDACTED} if key else document
        spelling = current.name if current else name
        skill = StoredSkill(spelling, kept, key, _etag(spelling, kept, key), now)
        is_saved = await self._store.save(skill, replaces=current)
        if key != former:
            await self._drop_secret(former if is_saved else key)
        return skill if is_saved else None

    async def _drop_secret(self, key: KeyPlace | None) -> None:
        if key is not None and key.secret_id is not None:
            await self._store.delete_secret(key.secret_id)

    async def _place_key(self, definition: SkillDefinition, current: StoredSkill | None) -> KeyPlace | None:
        """Where the definition's key is; a literal one has been stored there."""
        key = definition.key
        if key is None:
            return None
        if key == REDACTED:
            return _kept_key(definition, current)
        if key.startswith("@"):
            return KeyPlace(setting=_key_setting(key))
        if not self._allow_literal_keys:
            raise InvalidDefinition(
                "key: a literal key is not taken here; put it into an app setting SKILL_KEY_<NAME> and write "
                "@appsetting('SKILL_KEY_<NAME>') (the setting ALLOW_LITERAL_KEYS lifts this, on a laptop)",
                target="key",
            )
        return await self._place_literal(key, current.key if current else None)

    async def _place_literal(self, key: str, former: KeyPlace | None) -> KeyPlace:
        """The former place if it holds this very key, so that a repeated PUT changes nothing; else a new one."""
        if former is not None and former.secret_id is not None:
            stored = await self._store.get_secret(former.secret_id)
            if stored is not None and hmac.compare_digest(stored.encode(), key.encode()):
                return former
        place = KeyPlace(secret_id=uuid4().hex)
        await self._store.put_secret(str(place.secret_id), key)
        return place

    def _check_address(self, definition: SkillDefinition) -> None:
        if definition.uri is None:
            return
        try:
            self._hosts.check(definition.uri)
        except ValueError as error:
            raise InvalidDefinition(f"uri: {error}", target="uri") from error

    async def delete(self, name: str, conditions: Conditions) -> None:
        """Raises NotFound, PreconditionFailed."""
        for _ in range(_MOST_RACES):
            current = await self.get(name)
            conditions.check(current.etag)
            if await self._store.delete(current):
                await self._drop_secret(current.key)
                return
        raise _busy(name)


def _busy(name: str) -> StorageUnavailable:
    return StorageUnavailable(f"the skill {name} is written by others all the time; try again", target="skill")


def check_name(name: str) -> str:
    """Raises InvalidName."""
    if not _NAME.fullmatch(name):
        raise InvalidName(
            f"{name[:100]!r} is not a skill's name: it has 1 to 63 letters, digits, _ and -, and starts with a letter",
            target="skill",
        )
    return name


def _key_setting(reference: str) -> str:
    match = _KEY_SETTING.fullmatch(reference)
    if match is None:
        raise InvalidDefinition(
            "key: a reference has the form @appsetting('SKILL_KEY_<NAME>'); only settings with that prefix are read",
            target="key",
        )
    return match[1]


def _kept_key(definition: SkillDefinition, current: StoredSkill | None) -> KeyPlace:
    former = current.document.get("uri") if current else None
    if current is None or current.key is None or former is None or definition.uri is None:
        raise InvalidDefinition(
            f'key: "{REDACTED}" keeps a stored key, and there is none; give the key, or, better, its app setting as '
            "@appsetting('SKILL_KEY_<NAME>')",
            target="key",
        )
    if origin(former) != origin(definition.uri):
        raise InvalidDefinition(
            f'key: "{REDACTED}" keeps the stored key only for the same scheme, host and port of uri; give the key anew',
            target="key",
        )
    return current.key


def _etag(name: str, document: dict[str, Any], key: KeyPlace | None) -> str:
    return etag_of([name, sorted(document.items()), key and [key.setting, key.secret_id]])
