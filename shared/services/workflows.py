"""What the workflows' triggers call: connections, workflows, runs, their imports, schedules and messages."""

import asyncio
from datetime import timedelta
from functools import cached_property, partial
from typing import TYPE_CHECKING

from shared.errors import NotFound
from shared.services.data import DataServices
from shared.tracing import carried
from shared.workflows.poison import Cause, Poisoned, PoisonStore
from shared.workflows.queues import ADVANCE_QUEUE, ANNOUNCE_QUEUE, NOTIFY_QUEUE, PART_QUEUE

if TYPE_CHECKING:
    from shared.aml.azure import Azure
    from shared.entities.erasure import ErasableCopies
    from shared.storage.blobs import BlobOutput
    from shared.storage.heartbeats import TableHeartbeats
    from shared.storage.parts import TableParts
    from shared.storage.runs import TableRuns
    from shared.storage.slots import TableSlots
    from shared.storage.workflows import TableWorkflows
    from shared.workflows.advancing import Runner
    from shared.workflows.catalog import WorkflowCatalog
    from shared.workflows.connecting import ConnectionCatalog
    from shared.workflows.definition import WorkflowDefinition
    from shared.workflows.erasing import Erasure
    from shared.workflows.importing import ImportSteps
    from shared.workflows.messages import NotifyMessage
    from shared.workflows.notifications import Notifier
    from shared.workflows.part_work import PartWork
    from shared.workflows.refreshing import Refreshes
    from shared.workflows.run_control import RunControl
    from shared.workflows.scheduling import Scheduler
    from shared.workflows.sweeping import Sweep
    from shared.workflows.views import WorkflowViews
    from shared.workflows.workspaces import WorkspaceReader

_EVENT_LIFETIME = 7 * 86400
"""Seconds that an event waits in its queue for who reads it."""


class WorkflowServices(DataServices):
    """Workflows and their runs."""

    def readers(self, tenant: str) -> "WorkspaceReader":
        """Reads the workspaces of a tenant, with this app's identity there."""
        return self._azure.reader(tenant)

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

        check_url = self.settings.notify_hosts.check
        return WorkflowCatalog(self._workflow_store, self.connections.get, self.readers, check_url)

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
        from shared.workflows.notifications import Announcer

        announcer = Announcer(event=self._send_event, notify=self._send_notify)
        azure = self._azure
        jobs = JobSteps(self.connections.get, azure.access, azure.jobs, self.data, self.datastore_output, self.now)
        return Runner(
            self.run_store,
            self._workflow_store,
            jobs,
            self._import_steps,
            send=self.send_advance,
            tell=announcer.tell,
            now=self.now,
        )

    @cached_property
    def notifier(self) -> "Notifier":
        """Tells receivers of runs."""
        from shared.aml.webhooks import Webhooks
        from shared.settings import secret_setting
        from shared.workflows.notifications import Notifier

        return Notifier(
            self.run_store,
            self.runner.record,
            self.poison,
            post=Webhooks(self._http, self.settings.notify_hosts).post,
            secret_of=partial(secret_setting, self._environment),
            send=self._send_notify,
            now=self.now,
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
    def heartbeats(self) -> "TableHeartbeats":
        """When each timer last ended well."""
        from shared.storage.heartbeats import TableHeartbeats

        return TableHeartbeats(self._tables)

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

    @property
    def poisoned(self) -> Poisoned:
        """Is told of every message that was given up."""
        return self._given_poisoned or self._tell_run

    @cached_property
    def poison(self) -> PoisonStore:
        """Messages that could not be handled, and why."""
        if self._poison_store is not None:
            return self._poison_store
        from shared.storage.poison import TablePoison

        return TablePoison(self._tables)

    @cached_property
    def run_store(self) -> "TableRuns":
        from shared.storage.runs import TableRuns

        return TableRuns(self._tables)

    async def send_advance(self, run: str, delay: float = 0) -> None:
        from shared.workflows.messages import advance_message

        await self.queues.send(ADVANCE_QUEUE, advance_message(run, carried()), delay=delay)

    async def _send_part(self, run: str, number: int, delay: float) -> None:
        from shared.workflows.messages import part_message

        await self.queues.send(PART_QUEUE, part_message(run, number, carried()), delay=delay)

    async def _send_event(self, text: str) -> None:
        await self.queues.send(ANNOUNCE_QUEUE, text, lifetime=_EVENT_LIFETIME)

    async def _send_notify(self, message: "NotifyMessage", delay: float) -> None:
        await self.queues.send(NOTIFY_QUEUE, message.text(carried()), delay=delay)

    async def _tell_run(self, queue: str, body: str, cause: Cause | None) -> None:
        """A part whose message was given up fails its run, a notification is noted there; every other message is about
        something that goes on."""
        from shared.workflows.messages import read_notify, read_part
        from shared.workflows.runs import RunError

        if queue == NOTIFY_QUEUE:
            await self.notifier.note(read_notify(body), cause.message if cause else "its message left no cause")
        if queue != PART_QUEUE:
            return
        part = read_part(body)
        message = cause.message if cause else "the message was given up without a cause; its process may have died"
        error = RunError(cause.code if cause else "PartGivenUp", f"part {part.number} of the import: {message}")
        await self.parts.fail(part.run, part.number, error)
        await self.send_advance(part.run)

    @cached_property
    def _azure(self) -> "Azure":
        from shared.aml.azure import Azure

        return Azure(self._http, self._tenants, self.settings)

    @cached_property
    def _slots(self) -> "TableSlots":
        from shared.storage.slots import TableSlots

        return TableSlots(self._tables)

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

    @cached_property
    def _workflow_store(self) -> "TableWorkflows":
        from shared.storage.workflows import TableWorkflows

        return TableWorkflows(self._tables)
