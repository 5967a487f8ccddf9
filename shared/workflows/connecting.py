"""Saving a connection: its consent, its workspace, its tenant, and the rights that a workflow will need there."""

import re
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Protocol

from pydantic import StrictBool, StrictStr

from shared.conditions import Conditions, etag_of
from shared.documents import Document, read_document
from shared.errors import (
    MOST_NAMED,
    Conflict,
    InvalidDefinition,
    InvalidName,
    NotFound,
    StorageUnavailable,
    WorkspaceForbidden,
    there_are,
)
from shared.workflows.connections import CONSENT_VERSION, Connection, Consent
from shared.workflows.permissions import ROLE, cure, missing
from shared.workflows.workspaces import Readers, Workspace, WorkspaceId, WorkspaceReader

_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_]{0,62}")
_TENANT = re.compile(r"[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")
_READ_ONLY = frozenset({"name", "location", "consentGiven", "@odata.etag"})
_MOST_RACES = 10


class ConnectionDocument(Document):
    tenant: StrictStr
    workspace: StrictStr
    consent: StrictBool = False


class ConnectionStore(Protocol):
    """Where connections lie."""

    async def get(self, name: str) -> Connection | None:
        """By name, without regard to case."""

    async def list(self) -> Sequence[Connection]:
        """All, by name."""

    async def save(self, connection: Connection, *, replaces: Connection | None) -> bool:
        """Write; False if what it replaces (or its absence) is no longer so."""

    async def delete(self, connection: Connection) -> bool:
        """Remove; False if it has changed meanwhile."""


class Usage(Protocol):
    """Tells which workflows use a connection."""

    async def workflows_of(self, connection: str) -> Sequence[str]: ...


class RunsUnderWay(Protocol):
    """Tells which runs move, and so ask a workspace."""

    async def active_over(self, connection: str) -> Sequence[str]: ...


class ConnectionCatalog:
    """What the routes under `/api/connections` do."""

    def __init__(
        self,
        store: ConnectionStore,
        readers: Readers,
        usage: Usage,
        runs: RunsUnderWay,
        *,
        identity: Callable[[str], str],
    ) -> None:
        """`identity`: how a command names this app's identity in a tenant."""
        self._store = store
        self._readers = readers
        self._usage = usage
        self._runs = runs
        self._identity = identity

    async def get(self, name: str) -> Connection:
        """Raises NotFound, with the names there are."""
        found = await self._store.get(check_name(name))
        if found is None:
            names = [connection.name for connection in await self._store.list()]
            known = there_are(names, "there is none yet; PUT one")
            raise NotFound(f"no connection is called {name!r}; {known}", target="connection")
        return found

    async def list(self) -> Sequence[Connection]:
        return await self._store.list()

    async def put(
        self, name: str, body: object, by: str, conditions: Conditions, now: datetime
    ) -> tuple[Connection, bool]:
        """Save what a PUT brought; True if it is new. `by` agrees to the consent.

        Raises InvalidDefinition, NotFound (workspace), WorkspaceForbidden, PreconditionFailed.
        """
        check_name(name)
        document = read_document(
            ConnectionDocument, body, what="a connection", read_only=_READ_ONLY, error=InvalidDefinition
        )
        workspace = await self._check(document)
        for _ in range(_MOST_RACES):
            current = await self._store.get(name)
            conditions.check(current.etag if current else None)
            connection = _connection(current.name if current else name, document, workspace, by, current, now)
            if await self._store.save(connection, replaces=current):
                return connection, current is None
        raise StorageUnavailable(f"the connection {name} is written by others all the time; try again")

    async def _check(self, document: ConnectionDocument) -> Workspace:
        if not document.consent:
            raise InvalidDefinition(
                "consent: agree to the transfer of data with true; GET /api/consent has the text", target="consent"
            )
        if not _TENANT.fullmatch(document.tenant):
            raise InvalidDefinition("tenant: is the tenant's id, a GUID", target="tenant")
        reader = self._readers(document.tenant)
        try:
            workspace = await reader.workspace(WorkspaceId.parse(document.workspace))
        except ValueError as error:
            raise InvalidDefinition(f"workspace: {error}", target="workspace") from error
        self._check_tenant(document.tenant, workspace)
        if workspace.is_v1_legacy:
            raise InvalidDefinition(
                "workspace: it is in v1 legacy mode, in which it takes no pipeline jobs of today; turn it off "
                "(az ml workspace update --set v1_legacy_mode=false)",
                target="workspace",
            )
        await self._check_rights(reader, workspace)
        return workspace

    def _check_tenant(self, tenant: str, workspace: Workspace) -> None:
        if tenant.lower() != workspace.tenant.lower():
            raise InvalidDefinition(f"tenant: the workspace belongs to the tenant {workspace.tenant}", target="tenant")

    async def _check_rights(self, reader: WorkspaceReader, workspace: Workspace) -> None:
        lacking = missing(await reader.permissions(workspace.id))
        if lacking:
            raise WorkspaceForbidden(
                f"the connection was not saved: this app's identity lacks {', '.join(lacking)} on the workspace "
                f"{workspace.id.name}; the role {ROLE} has it: {cure(workspace.id, self._identity(workspace.tenant))}",
                target="workspace",
            )

    async def delete(self, name: str, conditions: Conditions) -> None:
        """Raises NotFound, Conflict (while a workflow uses it, or a run), PreconditionFailed."""
        for _ in range(_MOST_RACES):
            current = await self.get(name)
            conditions.check(current.etag)
            users = await self._usage.workflows_of(current.name)
            if users:
                raise Conflict(
                    f"the connection {current.name} is used by {', '.join(users[:MOST_NAMED])}; delete these workflows, "
                    "or give them another connection"
                )
            # A workflow may be gone, or have another connection now, and its job still run.
            runs = await self._runs.active_over(current.name)
            if runs:
                raise Conflict(
                    f"the connection {current.name} is used by {', '.join(runs[:MOST_NAMED])}, which has not ended; "
                    "wait for it, or cancel it"
                )
            if await self._store.delete(current):
                return
        raise StorageUnavailable(f"the connection {name} is written by others all the time; try again")


def check_name(name: str) -> str:
    """Raises InvalidName."""
    if not _NAME.fullmatch(name):
        raise InvalidName(
            f"{name[:100]!r} is not a connection's name: it starts with a letter, holds letters, numbers and "
            "underscores, at most 63",
            target="connection",
        )
    return name


def _connection(
    name: str, document: ConnectionDocument, workspace: Workspace, by: str, current: Connection | None, now: datetime
) -> Connection:
    """A connection saved as it was keeps the consent that was given then."""
    written = [name, document.tenant.lower(), workspace.id.path.lower()]
    etag = etag_of(written)
    consent = Consent(by, now, CONSENT_VERSION)
    if current is not None and current.etag == etag and current.consent.version == CONSENT_VERSION:
        consent = current.consent
    made = Connection(name, document.tenant, workspace.id.path, workspace.location, consent, etag)
    return replace(made, version=current.version) if current else made
