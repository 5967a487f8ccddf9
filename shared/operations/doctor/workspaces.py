"""What the checks know of a workspace: looked at once an examination, however many connections and workflows use it."""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from shared.operations.doctor.looks import Fault, Looks
from shared.workflows.workspaces import Datastore, Permission, Workspace, WorkspaceId, WorkspaceReader

type ReaderOf = Callable[[str], WorkspaceReader]
"""The reader of a tenant's workspaces; the empty tenant is this app's own."""


@dataclass(frozen=True, slots=True)
class WorkspaceFacts:
    """Each as it was found, or why not; nothing else is looked at where the workspace itself was not found."""

    id: WorkspaceId
    workspace: Workspace | Fault
    permissions: Sequence[Permission] | Fault
    datastores: Sequence[Datastore] | Fault


class Workspaces:
    """Of one examination."""

    def __init__(self, readers: ReaderOf, looks: Looks) -> None:
        self._readers = readers
        self._looks = looks
        self._found: dict[tuple[str, str], asyncio.Task[WorkspaceFacts]] = {}
        self._allowed: dict[tuple[str, str], asyncio.Task[Sequence[Permission] | Fault]] = {}

    def reader(self, tenant: str) -> WorkspaceReader:
        return self._readers(tenant)

    async def facts(self, tenant: str, workspace: WorkspaceId) -> WorkspaceFacts:
        key = (tenant.lower(), workspace.path.lower())
        if key not in self._found:
            self._found[key] = asyncio.create_task(self._look(tenant, workspace))
        return await self._found[key]

    async def permissions(self, tenant: str, workspace: WorkspaceId) -> Sequence[Permission] | Fault:
        """Also of a workspace that this app may not read."""
        key = (tenant.lower(), workspace.path.lower())
        if key not in self._allowed:
            reader, of = self._readers(tenant), f"the workspace {workspace.name}"
            look = self._looks.at(lambda: reader.permissions(workspace), of=of)
            self._allowed[key] = asyncio.create_task(look)
        return await self._allowed[key]

    async def _look(self, tenant: str, workspace: WorkspaceId) -> WorkspaceFacts:
        reader, of = self._readers(tenant), f"the workspace {workspace.name}"
        found = await self._looks.at(lambda: reader.workspace(workspace), of=of)
        if isinstance(found, Fault):
            return WorkspaceFacts(workspace, found, found, found)
        permissions, datastores = await asyncio.gather(
            self.permissions(tenant, workspace), self._looks.at(lambda: reader.datastores(workspace), of=of)
        )
        return WorkspaceFacts(workspace, found, permissions, datastores)
