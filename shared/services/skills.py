"""What the skills' triggers call."""

import asyncio
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

from shared.errors import NotFound
from shared.services.clients import Clients
from shared.skills.catalog import SkillCatalog, SkillStore, StoredSkill
from shared.skills.gateway import Skill
from shared.skills.places import Places
from shared.skills.results import ResultCache
from shared.skills.stats import SkillStats

if TYPE_CHECKING:
    from shared.aml.arm import ResourceManager
    from shared.aml.capacity import Processes
    from shared.aml.endpoints import Endpoints, SkillKey
    from shared.aml.scoring import ScoringEndpoint

_DEFINITION_LIFETIME = 1.0
"""Seconds that another process may still serve the definition before a PUT."""


@dataclass(slots=True)
class ServedSkill:
    """A skill as this process serves it."""

    skill: Skill
    endpoint: "ScoringEndpoint"
    looked_up_at: float = 0.0

    def snapshot(self) -> dict[str, Any]:
        """Its figures in this process."""
        limiter = self.endpoint.limiter.snapshot(asyncio.get_running_loop().time())
        return {**self.skill.stats.snapshot(), "limiter": limiter}


class SkillServices(Clients):
    """Skills as this process serves them."""

    @cached_property
    def _served(self) -> dict[str, ServedSkill]:
        return {}

    @cached_property
    def _places(self) -> dict[str, Places]:
        return {}

    @cached_property
    def skills(self) -> SkillCatalog:
        settings = self.settings
        return SkillCatalog(self._store, settings.scoring_hosts, allow_literal_keys=settings.ALLOW_LITERAL_KEYS)

    async def skill(self, name: str) -> Skill:
        """The skill ready to score. Raises NotFound, StorageUnavailable."""
        return (await self.serve(name)).skill

    def forget_skill(self, name: str) -> None:
        """It was changed here: the next call looks it up again."""
        served = self._served.get(name.lower())
        if served is not None:
            served.looked_up_at = float("-inf")

    async def serve(self, name: str) -> ServedSkill:
        """The skill with its endpoint. Raises NotFound, StorageUnavailable."""
        now = asyncio.get_running_loop().time()
        served = self._served.get(name.lower())
        if served is not None and now - served.looked_up_at < _DEFINITION_LIFETIME:
            return served
        stored, key = await self._look_up(name)
        # From here on nothing waits: requests that came together get one skill, and so its one set of places.
        served = self._served.get(name.lower())
        if served is None or served.skill.version != stored.etag:
            served = self._served[name.lower()] = self._build(stored, key)
        served.looked_up_at = now
        return served

    async def _look_up(self, name: str) -> "tuple[StoredSkill, SkillKey | None]":
        """Row and key; a PUT in between may have removed the key that the row named, and then there is another row."""
        try:
            stored = await self.skills.get(name)
            key = await self._key(stored)
            if key is not None and key.value() is None:
                stored = await self.skills.get(name)
                key = await self._key(stored)
        except NotFound:
            self._served.pop(name.lower(), None)
            raise
        return stored, key

    def _build(self, stored: StoredSkill, key: "SkillKey | None") -> ServedSkill:
        definition, name = stored.definition(), stored.name.lower()
        former = self._served.get(name)
        places = self._places.setdefault(name, Places(definition.degree_of_parallelism))
        places.resize(definition.degree_of_parallelism)
        endpoint = self._endpoints.for_skill(definition, key)
        skill = Skill(
            name=stored.name,
            version=stored.etag,
            definition=definition,
            endpoint=endpoint,
            stats=former.skill.stats if former else SkillStats(self.now()),
            slots=places,
            results=self._results if self.settings.RESULT_CACHE else None,
        )
        return ServedSkill(skill, endpoint)

    async def _key(self, stored: StoredSkill) -> "SkillKey | None":
        from shared.aml.endpoints import SkillKey
        from shared.settings import secret_setting

        if stored.key is None:
            return None
        setting = stored.key.setting
        if setting is not None:
            return SkillKey(lambda: secret_setting(self._environment, setting), setting)
        value = await self._store.get_secret(stored.key.secret_id or "")
        return SkillKey(lambda: value)

    @cached_property
    def _results(self) -> ResultCache:
        return ResultCache(asyncio.get_running_loop().time)

    @cached_property
    def _resource_manager(self) -> "ResourceManager":
        from shared.aml.arm import ResourceManager

        settings = self.settings
        return ResourceManager(
            self._http,
            self._tokens,
            address=settings.resource_manager,
            audience=settings.cloud.management,
            api_version=settings.AML_API_VERSION,
        )

    @cached_property
    def _endpoints(self) -> "Endpoints":
        from shared.aml.endpoints import Endpoints

        return Endpoints(
            self._http,
            self._tokens,
            self._resource_manager,
            lambda: self._processes,
            self.settings,
            process_id=self.process_id,
            now=self.now,
        )

    @cached_property
    def _store(self) -> SkillStore:
        if self._skill_store is not None:
            return self._skill_store
        from shared.storage.skills import TableSkillStore

        return TableSkillStore(self._tables)

    @cached_property
    def _processes(self) -> "Processes":
        if self._given_processes is not None:
            return self._given_processes
        from shared.storage.processes import TableProcesses

        return TableProcesses(self._tables)
