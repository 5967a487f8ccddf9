"""The composition root: everything a trigger calls, built once a process at first use, and handed in.

The only maker of clients. SDKs are imported where they are first needed, so that a cold start pays for none of them.
"""

import asyncio
import logging
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cached_property, lru_cache
from typing import TYPE_CHECKING, Any
from uuid import uuid4

from shared.errors import NotFound
from shared.settings import Settings
from shared.skills.catalog import SkillCatalog, SkillStore, StoredSkill
from shared.skills.gateway import Skill
from shared.skills.places import Places
from shared.skills.results import ResultCache
from shared.skills.stats import SkillStats

if TYPE_CHECKING:
    import httpx

    from shared.aml.auth import Credential, Tokens
    from shared.aml.capacity import Processes
    from shared.aml.endpoints import Endpoints, SkillKey
    from shared.aml.scoring import ScoringEndpoint
    from shared.entities.reading import DataStores
    from shared.entities.retention import SnapshotStores
    from shared.storage.blobs import BlobServiceClient
    from shared.storage.queues import Queues
    from shared.storage.tables import TableServiceClient
    from shared.storage.workflows import TableWorkflows
    from shared.workflows.catalog import WorkflowCatalog
    from shared.workflows.connecting import ConnectionCatalog
    from shared.workflows.workspaces import WorkspaceReader

_DEFINITION_LIFETIME = 1.0
"""Seconds that another process may still serve the definition before a PUT."""


VERSION = "0.1.0"


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


class Services:
    """What the triggers call. Tests hand in their own store, transport and credential."""

    def __init__(
        self,
        environment: Mapping[str, str],
        *,
        skill_store: SkillStore | None = None,
        transport: "httpx.AsyncBaseTransport | None" = None,
        credential: "Callable[[], Credential] | None" = None,
        processes: "Processes | None" = None,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self.settings = Settings.from_environment(environment)
        self.now = now
        self.process_id = uuid4().hex[:12]
        self._environment = environment
        self._skill_store = skill_store
        self._transport = transport
        self._credential = credential
        self._given_processes = processes
        self._served: dict[str, ServedSkill] = {}
        self._places: dict[str, Places] = {}

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

        if stored.key is None:
            return None
        setting = stored.key.setting
        if setting is not None:
            return SkillKey(lambda: self._environment.get(setting), setting)
        value = await self._store.get_secret(stored.key.secret_id or "")
        return SkillKey(lambda: value)

    @cached_property
    def _results(self) -> ResultCache:
        return ResultCache(asyncio.get_running_loop().time)

    @cached_property
    def _endpoints(self) -> "Endpoints":
        from shared.aml.arm import ResourceManager
        from shared.aml.endpoints import Endpoints

        settings = self.settings
        arm = ResourceManager(
            self._http,
            self._tokens,
            address=settings.resource_manager,
            audience=settings.cloud.management,
            api_version=settings.AML_API_VERSION,
        )
        return Endpoints(
            self._http,
            self._tokens,
            arm,
            lambda: self._processes,
            settings,
            process_id=self.process_id,
            now=self.now,
        )

    @cached_property
    def workspaces(self) -> "WorkspaceReader":
        """Azure ML workspaces, read with this app's identity."""
        from shared.aml.exchange import Exchange
        from shared.aml.workspace_calls import WorkspaceCalls
        from shared.aml.workspaces import ArmWorkspaces

        settings = self.settings
        exchange = Exchange(
            self._http, self._tokens, audience=settings.cloud.management, address=settings.resource_manager
        )
        return ArmWorkspaces(WorkspaceCalls(exchange, api_version=settings.AML_API_VERSION, identity=self._identity))

    @cached_property
    def connections(self) -> "ConnectionCatalog":
        from shared.storage.connections import TableConnections
        from shared.workflows.connecting import ConnectionCatalog

        return ConnectionCatalog(
            TableConnections(self._tables), self.workspaces, self._workflow_store, identity=self._identity
        )

    @cached_property
    def workflows(self) -> "WorkflowCatalog":
        from shared.workflows.catalog import WorkflowCatalog

        return WorkflowCatalog(self._workflow_store, self.connections.get, self.workspaces)

    @cached_property
    def _workflow_store(self) -> "TableWorkflows":
        from shared.storage.workflows import TableWorkflows

        return TableWorkflows(self._tables)

    @cached_property
    def snapshots(self) -> "SnapshotStores":
        """Wherever entities and their snapshots lie."""
        from shared.entities.retention import SnapshotStores
        from shared.storage.blobs import BlobLargeValues
        from shared.storage.entities import TableEntities, TableRejects
        from shared.storage.rows import TableRows

        tables = self._tables
        return SnapshotStores(
            TableEntities(tables), TableRows(tables), BlobLargeValues(self._blobs), TableRejects(tables)
        )

    @cached_property
    def data(self) -> "DataStores":
        """What the data plane reads."""
        from shared.entities.reading import DataStores

        stores = self.snapshots
        return DataStores(stores.entities, stores.rows, stores.large)

    @cached_property
    def queues(self) -> "Queues":
        from shared.aml.auth import azure_credential
        from shared.storage.queues import Queues, connect

        settings = self.settings
        return Queues(
            connect(
                settings.AzureWebJobsStorage,
                settings.queue_endpoint,
                lambda: azure_credential(settings.AZURE_CLIENT_ID),
            )
        )

    @property
    def _identity(self) -> str:
        """How a command names this app's identity."""
        return self.settings.AZURE_CLIENT_ID or "<principal id of this app's identity>"

    @cached_property
    def _http(self) -> "httpx.AsyncBaseTransport":
        from shared.aml.http import create_transport

        return self._transport or create_transport()

    @cached_property
    def _tokens(self) -> "Tokens":
        from shared.aml.auth import EntraCredential, Tokens

        credential = self._credential or (lambda: EntraCredential(self.settings.AZURE_CLIENT_ID))
        return Tokens(credential, lambda: self.now().timestamp())

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

    @cached_property
    def _tables(self) -> "TableServiceClient":
        from shared.aml.auth import azure_credential
        from shared.storage.tables import connect

        settings = self.settings
        return connect(
            settings.data_connection, settings.table_endpoint, lambda: azure_credential(settings.AZURE_CLIENT_ID)
        )

    @cached_property
    def _blobs(self) -> "BlobServiceClient":
        from shared.aml.auth import azure_credential
        from shared.storage.blobs import connect

        settings = self.settings
        return connect(
            settings.data_connection, settings.blob_endpoint, lambda: azure_credential(settings.AZURE_CLIENT_ID)
        )


@lru_cache(maxsize=1)
def get_services() -> Services:
    """The process's services. Raises ConfigurationError."""
    # The SDKs log the address of every request, which names rows.
    logging.getLogger("azure").setLevel(logging.WARNING)
    return Services(os.environ)
