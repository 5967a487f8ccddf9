"""Stores in memory that begin with what is there: an import is done to them first, so that nothing is written unless all of
it can be, and a dry run goes through the same catalogs as the import."""

from collections.abc import Awaitable, Callable, Iterable, Sequence
from typing import Protocol

from shared.skills.catalog import StoredSkill
from shared.workflows.catalog import StoredWorkflow


class Named(Protocol):
    @property
    def name(self) -> str: ...


class Planned[T: Named]:
    """Resources of one kind."""

    def __init__(self, stored: Iterable[T]) -> None:
        self._resources = {resource.name.lower(): resource for resource in stored}

    async def get(self, name: str) -> T | None:
        return self._resources.get(name.lower())

    async def list(self) -> Sequence[T]:
        return [self._resources[name] for name in sorted(self._resources)]

    async def save(self, resource: T, *, replaces: T | None) -> bool:
        self._resources[resource.name.lower()] = resource
        return True

    async def delete(self, resource: T) -> bool:
        self._resources.pop(resource.name.lower(), None)
        return True


class PlannedSkills(Planned[StoredSkill]):
    """A SkillStore. Secrets that are kept are read; a new one goes nowhere."""

    def __init__(self, stored: Iterable[StoredSkill], get_secret: Callable[[str], Awaitable[str | None]]) -> None:
        super().__init__(stored)
        self._get_secret = get_secret

    async def get_secret(self, secret_id: str) -> str | None:
        return await self._get_secret(secret_id)

    async def put_secret(self, secret_id: str, value: str) -> None:
        """Would be kept."""

    async def delete_secret(self, secret_id: str) -> None:
        """Would be dropped."""


class PlannedWorkflows(Planned[StoredWorkflow]):
    """A WorkflowStore that tells who uses a connection."""

    async def workflows_of(self, connection: str) -> Sequence[str]:
        found = await self.list()
        return [item.name for item in found if str(item.document["connection"]).lower() == connection.lower()]
