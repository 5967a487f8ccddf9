"""One examination: what there is, then each group's round, together and within one time."""

import asyncio
from collections.abc import Awaitable, Callable, Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from shared.errors import InvalidName, NotFound
from shared.operations.doctor.accounts import Account, examine_account, owner_finding
from shared.operations.doctor.commands import FunctionApp, show_network
from shared.operations.doctor.configuration import examine_settings
from shared.operations.doctor.connections import ConnectionSources, DataPlaneOf, examine_connection
from shared.operations.doctor.findings import Check, Finding, Group, Report
from shared.operations.doctor.identity import STORAGE_AUDIENCE, Principal, token_finding
from shared.operations.doctor.looks import Fault, Looks
from shared.operations.doctor.messaging import (
    QUEUES,
    Heartbeats,
    QueueState,
    poison_finding,
    queue_findings,
    timer_findings,
)
from shared.operations.doctor.rounds import examine_each, unlisted
from shared.operations.doctor.selection import Selection
from shared.operations.doctor.skills import Scoring, SkillSources, examine_skill
from shared.operations.doctor.workflows import Running, WorkflowSources, examine_workflow
from shared.operations.doctor.workspaces import ReaderOf, Workspaces
from shared.settings import Settings
from shared.skills.catalog import StoredSkill
from shared.workflows.catalog import StoredWorkflow
from shared.workflows.connections import Connection


class Catalog[T](Protocol):
    """Skills, connections or workflows."""

    async def get(self, name: str) -> T:
        """Raises NotFound, with the names there are; StorageUnavailable."""

    async def list(self) -> Sequence[T]:
        """Raises StorageUnavailable."""


@dataclass(frozen=True, slots=True)
class Stores:
    """What this app keeps itself."""

    connections: Catalog[Connection]
    workflows: Catalog[StoredWorkflow]
    skills: Catalog[StoredSkill]
    heartbeats: Heartbeats
    poison_codes: Callable[[], Awaitable[Sequence[str]]]
    queue_state: Callable[[str], Awaitable[QueueState | None]]
    """None where there is no such queue. Raises StorageUnavailable."""
    accounts: Sequence[Account]
    own_account: Callable[[], Awaitable[None]]
    """Raises AccountInUse, StorageUnavailable."""
    data_account: str
    """Its name; empty where nobody knows. So the next."""
    queue_account: str


@dataclass(frozen=True, slots=True)
class Azure:
    """What is Azure's."""

    principal: Callable[[str], Awaitable[Principal]]
    """Of a token for an audience. Raises AttemptFailed."""
    registration: Callable[[str], str]
    """The app registration's client id in another tenant, empty in this app's own; right once a call was made there."""
    readers: ReaderOf
    data_plane: DataPlaneOf


@dataclass(frozen=True, slots=True)
class Surroundings:
    """All that an examination asks, and whom."""

    settings: Settings
    given: Collection[str]
    """The settings that are not empty."""
    app: FunctionApp
    stores: Stores
    azure: Azure
    running: Running
    scoring: Scoring
    clock: Callable[[], float]
    now: Callable[[], datetime]
    mark: str
    """Of this examination alone."""


class Examination:
    """Made for one report."""

    def __init__(self, around: Surroundings, selection: Selection) -> None:
        self._around = around
        self._selection = selection
        self._looks = Looks(around.clock)
        self._workspaces = Workspaces(around.azure.readers, self._looks)
        self._principal: Principal | Fault = Principal()
        self._connections: Sequence[Connection] | Fault = ()
        self._workflows: Sequence[StoredWorkflow] | Fault = ()
        self._skills: Sequence[StoredSkill] | Fault = ()

    async def report(self) -> Report:
        """Raises NotFound for a name that was asked for."""
        await self._find_out()
        rounds: dict[Group, Callable[[], Awaitable[list[Finding]]]] = {
            Group.SETTINGS: self._settings,
            Group.IDENTITY: self._identity,
            Group.STORAGE: self._storage,
            Group.QUEUES: self._queues,
            Group.TIMERS: self._timers,
            Group.CONNECTIONS: self._each_connection,
            Group.WORKFLOWS: self._each_workflow,
            Group.SKILLS: self._each_skill,
        }
        chosen = [rounds[group]() for group in Group if group in self._selection.groups]
        found = [finding for findings in await asyncio.gather(*chosen) for finding in findings]
        return Report(found, self._looks.seconds)

    async def _find_out(self) -> None:
        """Who this app is, and what there is to examine."""
        stores, management = self._around.stores, self._around.settings.cloud.management
        self._principal, self._connections, self._workflows, self._skills = await asyncio.gather(
            self._looks.at(lambda: self._around.azure.principal(management), of=management),
            self._stored(stores.connections, Group.CONNECTIONS),
            self._stored(stores.workflows, Group.WORKFLOWS),
            self._stored(stores.skills, Group.SKILLS),
        )

    async def _stored[T](self, catalog: Catalog[T], group: Group) -> Sequence[T] | Fault:
        """All, or the one that was asked for."""
        name = self._selection.name_of(group)

        async def look() -> Sequence[T]:
            return await catalog.list() if name is None else [await catalog.get(name)]

        found = await self._looks.at(look, of="table storage")
        if isinstance(found, Fault) and found.code in (NotFound.code, InvalidName.code):
            raise NotFound(found.message, target=group.removesuffix("s"))
        return found

    def _assignee(self, tenant: str) -> str:
        registration = self._around.azure.registration(tenant)
        own = self._principal if isinstance(self._principal, Principal) else Principal()
        return registration or own.assignee

    async def _settings(self) -> list[Finding]:
        return examine_settings(self._around.settings, self._around.given, self._around.app)

    async def _identity(self) -> list[Finding]:
        settings, principal = self._around.settings, self._around.azure.principal
        by_identity = any(account.by_identity for account in self._around.stores.accounts)
        # What cannot be listed may well need it.
        is_needed = bool(self._connections) or (
            isinstance(self._skills, Fault) or any(skill.document.get("resourceId") for skill in self._skills)
        )
        scoring = settings.cloud.machine_learning
        scored = await self._looks.at(lambda: principal(scoring), of=scoring)
        stored = await self._looks.at(lambda: principal(STORAGE_AUDIENCE), of=STORAGE_AUDIENCE) if by_identity else None
        client, app = settings.AZURE_CLIENT_ID, self._around.app
        return [
            token_finding(check, audience, found, client, app, is_needed=needed)
            for check, audience, found, needed in (
                (Check.IDENTITY_MANAGEMENT, settings.cloud.management, self._principal, is_needed),
                (Check.IDENTITY_MACHINE_LEARNING, scoring, scored, is_needed),
                (Check.IDENTITY_STORAGE, STORAGE_AUDIENCE, stored, by_identity),
            )
        ]

    async def _storage(self) -> list[Finding]:
        app, assignee = self._around.app, self._assignee("")
        subjects = {
            account.subject: examine_account(account, self._looks, assignee, app)
            for account in self._around.stores.accounts
        }
        found = await examine_each(Check.STORAGE_READ, subjects, app.restart())
        owned = await self._looks.at(self._around.stores.own_account, of="table storage")
        return [*found, owner_finding(owned, app)]

    async def _queues(self) -> list[Finding]:
        stores, app = self._around.stores, self._around.app
        by_identity = not self._around.settings.AzureWebJobsStorage

        async def look(queue: str) -> list[Finding]:
            state = await self._looks.at(lambda: stores.queue_state(queue), of=f"the queue {queue}")
            account, now = stores.queue_account, self._around.now()
            return queue_findings(queue, state, account, now, app, by_identity=by_identity)

        found = await asyncio.gather(*map(look, QUEUES))
        kept = await self._looks.at(stores.poison_codes, of="table storage")
        return [*(finding for findings in found for finding in findings), poison_finding(kept)]

    async def _timers(self) -> list[Finding]:
        last = await self._looks.at(self._around.stores.heartbeats.last, of="table storage")
        return timer_findings(last, self._around.now(), self._around.app)

    async def _each_connection(self) -> list[Finding]:
        around, found = self._around, self._connections
        if isinstance(found, Fault):
            return self._unlisted(Check.CONNECTION_STORED, found)
        sources = ConnectionSources(self._workspaces, self._looks, around.azure.data_plane, self._assignee, around.app)
        with_batch = _with_batch(self._workflows)
        subjects = {
            item.name: examine_connection(item, sources, with_batch=item.name.lower() in with_batch) for item in found
        }
        return await examine_each(Check.CONNECTION_STORED, subjects, around.app.restart())

    async def _each_workflow(self) -> list[Finding]:
        around, found = self._around, self._workflows
        if isinstance(found, Fault):
            return self._unlisted(Check.WORKFLOW_STORED, found)
        sources = WorkflowSources(
            around.running, self._workspaces, self._looks, self._assignee, around.now, around.app, around.mark
        )
        tells = Group.CONNECTIONS not in self._selection.groups or self._selection.connection is not None
        subjects = {item.name: examine_workflow(item, sources, tells_workspace=tells) for item in found}
        return await examine_each(Check.WORKFLOW_STORED, subjects, around.app.restart())

    async def _each_skill(self) -> list[Finding]:
        around, found = self._around, self._skills
        if isinstance(found, Fault):
            return self._unlisted(Check.SKILL_STORED, found)
        settings = around.settings
        sources = SkillSources(
            around.scoring,
            self._workspaces,
            self._looks,
            settings.scoring_hosts,
            settings.MAX_RECORDS,
            self._assignee,
            around.app,
        )
        subjects = {item.name: examine_skill(item, sources) for item in found}
        return await examine_each(Check.SKILL_STORED, subjects, around.app.restart())

    def _unlisted(self, check: Check, fault: Fault) -> list[Finding]:
        return unlisted(check, fault, show_network(self._around.stores.data_account))


def _with_batch(workflows: Sequence[StoredWorkflow] | Fault) -> frozenset[str]:
    """The connections with a workflow that runs at a batch endpoint, in lower case."""
    if isinstance(workflows, Fault):
        return frozenset()
    batch = (item.document for item in workflows if item.document.get("provider") == "batchEndpoint")
    return frozenset(str(document["connection"]).lower() for document in batch)
