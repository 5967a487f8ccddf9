"""The composition root: everything a trigger calls, built once a process at first use, and handed in.

The only maker of clients. SDKs are imported where they are first needed, so that a cold start pays for none of them.
"""

import asyncio
import logging
import os
import secrets
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
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
from shared.workflows.poison import Cause, Poisoned, PoisonStore

if TYPE_CHECKING:
    import httpx

    from shared.aml.auth import Credential, Tokens
    from shared.aml.azure import Azure
    from shared.aml.capacity import Processes
    from shared.aml.endpoints import Endpoints, SkillKey
    from shared.aml.scoring import ScoringEndpoint
    from shared.aml.tenants import Tenants
    from shared.entities.csv_exports import CsvExports
    from shared.entities.erasure import ErasableCopies
    from shared.entities.parquet_reader import ParquetReader
    from shared.entities.reader_keys import ReaderKeyCatalog
    from shared.entities.reading import DataStores
    from shared.entities.recent import RecentEntities
    from shared.entities.retention import SnapshotStores
    from shared.entities.sign_in import SignIn
    from shared.entities.tombstones import Tombstones
    from shared.storage.blobs import BlobOutput, BlobServiceClient
    from shared.storage.datastores import DatastoreFiles
    from shared.storage.parts import TableParts
    from shared.storage.plane import RowPlane
    from shared.storage.queues import Queues
    from shared.storage.reader_keys import TableReaderKeys
    from shared.storage.runs import TableRuns
    from shared.storage.slots import TableSlots
    from shared.storage.tables import TableServiceClient
    from shared.storage.workflows import TableWorkflows
    from shared.workflows.advancing import Runner
    from shared.workflows.catalog import WorkflowCatalog
    from shared.workflows.connecting import ConnectionCatalog
    from shared.workflows.definition import WorkflowDefinition
    from shared.workflows.erasing import Erasure
    from shared.workflows.importing import ImportSteps
    from shared.workflows.part_work import PartWork
    from shared.workflows.refreshing import Refreshes
    from shared.workflows.run_control import RunControl
    from shared.workflows.scheduling import Scheduler
    from shared.workflows.sweeping import Sweep
    from shared.workflows.views import WorkflowViews
    from shared.workflows.workspaces import Datastore, WorkspaceReader

_DEFINITION_LIFETIME = 1.0
"""Seconds that another process may still serve the definition before a PUT."""


VERSION = "0.1.0"
REFRESH_QUEUE = "workflow-refresh"
ADVANCE_QUEUE = "run-advance"
PART_QUEUE = "import-part"
EVENTS_QUEUE = "aml-events"


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
    """What the triggers call. Tests hand in their own store, transport and credentials."""

    def __init__(
        self,
        environment: Mapping[str, str],
        *,
        skill_store: SkillStore | None = None,
        transport: "httpx.AsyncBaseTransport | None" = None,
        credential: "Callable[[], Credential] | None" = None,
        registration: "Callable[[str], Credential] | None" = None,
        processes: "Processes | None" = None,
        poison_store: PoisonStore | None = None,
        poisoned: Poisoned | None = None,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self.settings = Settings.from_environment(environment)
        self.now = now
        self.poisoned = poisoned or self._tell_run
        self.process_id = uuid4().hex[:12]
        self._environment = environment
        self._skill_store = skill_store
        self._poison_store = poison_store
        self._transport = transport
        self._credential = credential
        self._given_registration = registration
        self._given_processes = processes
        self._served: dict[str, ServedSkill] = {}
        self._places: dict[str, Places] = {}
        self._files_abroad: dict[str, DatastoreFiles] = {}

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

    def readers(self, tenant: str) -> "WorkspaceReader":
        """Reads the workspaces of a tenant, with this app's identity there."""
        return self._azure.reader(tenant)

    @cached_property
    def _azure(self) -> "Azure":
        from shared.aml.azure import Azure

        return Azure(self._http, self._tenants, self.settings)

    @cached_property
    def _tenants(self) -> "Tenants":
        from shared.aml.tenants import Tenants

        registration = self._given_registration or self._registration
        return Tenants(self._tokens, registration, self.settings, lambda: self.now().timestamp())

    def _registration(self, tenant: str) -> "Credential":
        from shared.aml.federation import FederatedCredential

        settings = self.settings
        return FederatedCredential(
            tenant,
            settings.CONNECTION_CLIENT_ID,
            self._tokens,
            authority=settings.authority,
            exchange=settings.cloud.token_exchange,
        )

    @cached_property
    def connections(self) -> "ConnectionCatalog":
        from shared.storage.connections import TableConnections
        from shared.workflows.connecting import ConnectionCatalog

        return ConnectionCatalog(
            TableConnections(self._tables),
            self.readers,
            self._workflow_store,
            self.run_store,
            identity=self._tenants.identity,
        )

    @cached_property
    def workflows(self) -> "WorkflowCatalog":
        from shared.workflows.catalog import WorkflowCatalog

        return WorkflowCatalog(self._workflow_store, self.connections.get, self.readers)

    @cached_property
    def refreshes(self) -> "Refreshes":
        """Begins runs."""
        from shared.workflows.refreshing import Refreshes

        return Refreshes(self.run_store, send=self.send_advance, now=self.now)

    @cached_property
    def runner(self) -> "Runner":
        """Advances runs."""
        from shared.workflows.advancing import Runner
        from shared.workflows.job_steps import JobSteps

        azure = self._azure
        jobs = JobSteps(self.connections.get, azure.access, azure.jobs, self.data, self.datastore_output, self.now)
        return Runner(
            self.run_store, self._workflow_store, jobs, self._import_steps, send=self.send_advance, now=self.now
        )

    @cached_property
    def runs(self) -> "RunControl":
        from shared.workflows.run_control import RunControl

        return RunControl(self.run_store, self.runner, self.refreshes, self.workflows, send=self.send_advance)

    @cached_property
    def views(self) -> "WorkflowViews":
        from shared.workflows.views import WorkflowViews

        return WorkflowViews(self.run_store, self.snapshots.entities, self.now)

    @cached_property
    def parts(self) -> "PartWork":
        """Imports parts in this process."""
        from shared.workflows.part_work import PartWork

        return PartWork(
            self.run_store,
            self._part_ledger,
            self._import_steps,
            self.snapshots,
            erased=self._tombstones.erased,
            send=self._send_part,
            process=self.process_id,
            at_once=self.settings.IMPORT_PARALLELISM,
            now=self.now,
        )

    @cached_property
    def scheduler(self) -> "Scheduler":
        """Runs workflows by their timetables."""
        from shared.workflows.scheduling import Scheduler

        store = self.run_store
        return Scheduler(self._slots, self._workflow_store.list, self.refreshes.begin, store.run_of, self.now)

    @cached_property
    def sweep(self) -> "Sweep":
        from shared.workflows.sweeping import Retention, Sweep, SweepStores

        settings = self.settings
        stores = SweepStores(self.run_store, self._part_ledger, self._slots, self.poison, self.snapshots)
        retention = Retention(
            settings.SNAPSHOTS_KEPT,
            timedelta(hours=settings.SNAPSHOT_GRACE_HOURS),
            timedelta(days=settings.RETENTION_DAYS),
        )
        return Sweep(stores, self._output, retention, self.now, erase_again=self.erasure.again)

    @cached_property
    def _slots(self) -> "TableSlots":
        from shared.storage.slots import TableSlots

        return TableSlots(self._tables)

    async def send_advance(self, run: str, delay: float = 0) -> None:
        from shared.workflows.messages import advance_message

        await self.queues.send(ADVANCE_QUEUE, advance_message(run), delay=delay)

    async def _send_part(self, run: str, number: int, delay: float) -> None:
        from shared.workflows.messages import part_message

        await self.queues.send(PART_QUEUE, part_message(run, number), delay=delay)

    async def _tell_run(self, queue: str, body: str, cause: Cause | None) -> None:
        """A part whose message was given up fails its run; every other message is about something that goes on."""
        from shared.workflows.messages import read_part
        from shared.workflows.runs import RunError

        if queue != PART_QUEUE:
            return
        part = read_part(body)
        message = cause.message if cause else "the message was given up without a cause; its process may have died"
        error = RunError(cause.code if cause else "PartGivenUp", f"part {part.number} of the import: {message}")
        await self.parts.fail(part.run, part.number, error)
        await self.send_advance(part.run)

    @cached_property
    def run_store(self) -> "TableRuns":
        from shared.storage.runs import TableRuns

        return TableRuns(self._tables)

    @cached_property
    def _part_ledger(self) -> "TableParts":
        from shared.storage.parts import TableParts

        return TableParts(self._tables)

    @cached_property
    def _import_steps(self) -> "ImportSteps":
        from shared.workflows.importing import ImportSteps

        return ImportSteps(self.snapshots, self._part_ledger, self._output, self._send_part, self.now)

    async def _output(self, definition: "WorkflowDefinition", datastore: str) -> "BlobOutput":
        """The files of a datastore of the workflow's workspace. Raises NotFound, WorkspaceRefused."""
        connection = await self.connections.get(definition.connection)
        access = self._azure.access(connection)
        for found in await access.reader.datastores(access.workspace):
            if found.name == datastore:
                return self.datastore_output(connection.tenant, found)
        raise NotFound(f"the workspace {access.workspace.name} has no datastore {datastore!r} any more")

    def datastore_output(self, tenant: str, datastore: "Datastore") -> "BlobOutput":
        """Of a workspace that has been read. Raises WorkspaceRefused, WorkspaceForbidden."""
        from shared.storage.datastores import DatastoreFiles

        abroad = self._tenants.storage(tenant)
        if abroad is None:
            return self._datastore_files.output(datastore)
        if tenant.lower() not in self._files_abroad:
            # Without this app's connection strings: a workspace of others must not lead to them by a name.
            files = DatastoreFiles([], self.settings.STORAGE_SUFFIX, lambda: abroad)
            self._files_abroad[tenant.lower()] = files
        return self._files_abroad[tenant.lower()].output(datastore)

    @cached_property
    def _datastore_files(self) -> "DatastoreFiles":
        from shared.aml.auth import azure_credential
        from shared.storage.datastores import DatastoreFiles

        settings = self.settings
        return DatastoreFiles(
            [settings.data_connection, settings.AzureWebJobsStorage],
            settings.STORAGE_SUFFIX,
            lambda: azure_credential(settings.AZURE_CLIENT_ID),
        )

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
            TableEntities(tables, lambda name: self._recent.forget(name)),  # noqa: PLW0108  # they are made of each other
            TableRows(tables, self._row_plane),
            BlobLargeValues(self._blobs),
            TableRejects(tables),
        )

    @cached_property
    def _row_plane(self) -> "RowPlane":
        from shared.aml.auth import azure_credential
        from shared.storage.plane import connect

        settings = self.settings
        return connect(
            settings.data_connection, settings.table_endpoint, lambda: azure_credential(settings.AZURE_CLIENT_ID)
        )

    @cached_property
    def data(self) -> "DataStores":
        """What the data plane reads."""
        from shared.entities.parquet_reader import ParquetReader
        from shared.entities.reading import DataStores
        from shared.entities.tombstones import VisibleRows

        stores = self.snapshots
        erased = self._tombstones.erased
        reader = ParquetReader(stores.large, erased)
        csv = self._csv_exports(reader)
        return DataStores(self._recent, VisibleRows(stores.rows, erased), stores.large, reader, csv)

    @cached_property
    def _tombstones(self) -> "Tombstones":
        from shared.entities.tombstones import Tombstones
        from shared.storage.tombstones import TableTombstones

        return Tombstones(TableTombstones(self._tables), time.monotonic)

    @cached_property
    def erasure(self) -> "Erasure":
        """Erases customers."""
        from shared.entities.csv_exports import CsvCopies
        from shared.entities.erased_parquet import ParquetCopies
        from shared.workflows.erased_exports import RunExports
        from shared.workflows.erasing import Erasure

        stores = self.snapshots
        exports = RunExports(self.run_store, self._output)
        copies: list[ErasableCopies] = [ParquetCopies(stores.entities, stores.large), CsvCopies(stores.large)]
        return Erasure(self._tombstones, stores, exports, copies, now=self.now, sleep=asyncio.sleep)

    @cached_property
    def _recent(self) -> "RecentEntities":
        """The pointers, for reading."""
        from shared.entities.recent import RecentEntities

        return RecentEntities(self.snapshots.entities, time.monotonic)

    def _csv_exports(self, reader: "ParquetReader") -> "CsvExports":
        from shared.entities.csv_exports import CsvExports
        from shared.storage.links import BlobLinks

        lifetime = timedelta(minutes=self.settings.CSV_LINK_MINUTES)
        links = BlobLinks(self._blobs, lifetime, by_identity=not self.settings.data_connection)
        return CsvExports(reader, self.snapshots.large, links, lifetime=lifetime, erased=self._tombstones.erased)

    @cached_property
    def sign_in(self) -> "SignIn":
        """The data plane's door."""
        from shared.entities.sign_in import Rules, SignIn

        settings = self.settings
        rules = Rules(settings.BRIDGE_AUTH == "on", settings.WEBSITE_AUTH_ENABLED, settings.own_reader_key)
        return SignIn(rules, lambda: self._reader_key_store, clock=time.monotonic, now=self.now)

    @cached_property
    def reader_keys(self) -> "ReaderKeyCatalog":
        from shared.entities.reader_keys import ReaderKeyCatalog

        return ReaderKeyCatalog(
            self._reader_key_store, random=lambda: secrets.token_urlsafe(32), revoked=self.sign_in.forget
        )

    @cached_property
    def _reader_key_store(self) -> "TableReaderKeys":
        from shared.storage.reader_keys import TableReaderKeys

        return TableReaderKeys(self._tables)

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

    @cached_property
    def poison(self) -> PoisonStore:
        """Messages that could not be handled, and why."""
        if self._poison_store is not None:
            return self._poison_store
        from shared.storage.poison import TablePoison

        return TablePoison(self._tables)

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
