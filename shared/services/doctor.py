"""What the doctor is made of: whom it asks about each subject."""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from functools import cached_property, partial
from typing import TYPE_CHECKING
from uuid import uuid4

from shared.errors import ConfigurationError
from shared.services.ownership import OwnershipServices
from shared.services.skills import SkillServices
from shared.services.workflows import WorkflowServices
from shared.skills.addresses import EndpointId, is_loopback_url
from shared.skills.catalog import KeyPlace

if TYPE_CHECKING:
    from shared.operations.doctor.accounts import Account
    from shared.operations.doctor.examination import Azure, Stores, Surroundings
    from shared.operations.doctor.findings import Report
    from shared.operations.doctor.identity import Principal
    from shared.operations.doctor.messaging import QueueState
    from shared.operations.doctor.skill_findings import Deployment, Endpoint
    from shared.operations.doctor.skills import Scoring
    from shared.operations.doctor.workflows import Running
    from shared.storage.blobs import BlobServiceClient
    from shared.workflows.runs import Run


class DoctorServices(SkillServices, WorkflowServices, OwnershipServices):
    """What an examination asks."""

    def surroundings(self, given: Sequence[str], address: str) -> "Surroundings":
        """`given`: the names of the settings that are not empty; `address`: where this app was called."""
        from shared.operations.doctor.commands import FunctionApp
        from shared.operations.doctor.examination import Surroundings

        mark = uuid4().hex
        return Surroundings(
            self.settings,
            given,
            FunctionApp(self.settings.WEBSITE_SITE_NAME, self._address(address)),
            self._stores(mark),
            self._asked_in_azure(),
            self._running(),
            self._scoring(),
            asyncio.get_running_loop().time,
            self.now,
            mark,
        )

    def _address(self, called: str) -> str:
        settings = self.settings
        if settings.PUBLIC_BASE_URL:
            return settings.PUBLIC_BASE_URL.rstrip("/")
        hostname = settings.WEBSITE_HOSTNAME
        return f"https://{hostname}" if hostname and not is_loopback_url(f"//{hostname}") else called

    def _stores(self, mark: str) -> "Stores":
        from shared.operations.doctor.examination import Stores

        settings = self.settings
        return Stores(
            self.connections,
            self.workflows,
            self.skills,
            self.heartbeats,
            self._poison_codes,
            self._queue_state,
            self._accounts(mark),
            self.account.check,
            _account(settings.data_connection, settings.table_endpoint),
            _account(settings.AzureWebJobsStorage, settings.queue_endpoint),
        )

    def _asked_in_azure(self) -> "Azure":
        from shared.operations.doctor.examination import Azure

        return Azure(self._principal, self._tenants.registration, self._azure.reader_anew, self._azure.reach_data_plane)

    def _running(self) -> "Running":
        from shared.operations.doctor.workflows import Running
        from shared.settings import secret_setting

        return Running(
            self.connections.get,
            self.datastore_output,
            self.snapshots.entities.get,
            self._last_run,
            self.settings.notify_hosts,
            lambda name: bool(secret_setting(self._environment, name)),
        )

    def _scoring(self) -> "Scoring":
        from shared.operations.doctor.skills import Scoring

        return Scoring(self._endpoint, self._deployments, self._probe, self._has_key, self._slow_call, self._alive)

    def _accounts(self, mark: str) -> "list[Account]":
        """The services that this app, or its host, uses."""
        from shared.operations.doctor.accounts import Account
        from shared.operations.doctor.commands import BLOB_ROLE, QUEUE_ROLE, TABLE_ROLE
        from shared.storage.doctor import BlobPlace, HostBlobPlace, QueuePlace, TablePlace

        settings = self.settings
        own, host = settings.data_connection, settings.AzureWebJobsStorage
        data = "BRIDGE_STORAGE" if settings.has_data_account else "AzureWebJobsStorage"

        def account(subject: str, connection: str, endpoint: str, setting: str, role: str) -> "partial[Account]":
            return partial(Account, subject, _account(connection, endpoint), not connection, setting, role)

        return [
            account("data tables", own, settings.table_endpoint, data, TABLE_ROLE)(
                lambda: TablePlace(self._tables, mark, self.now())
            ),
            account("data blobs", own, settings.blob_endpoint, data, BLOB_ROLE)(lambda: BlobPlace(self._blobs, mark)),
            account("host queues", host, settings.queue_endpoint, "AzureWebJobsStorage", QUEUE_ROLE)(
                lambda: QueuePlace(self._queue_service)
            ),
            account("host blobs", host, settings.host_blob_endpoint, "AzureWebJobsStorage", BLOB_ROLE)(
                lambda: HostBlobPlace(self._host_blobs, mark)
            ),
        ]

    @cached_property
    def _host_blobs(self) -> "BlobServiceClient":
        from shared.aml.auth import azure_credential
        from shared.storage.blobs import connect

        settings = self.settings
        return connect(
            settings.AzureWebJobsStorage,
            settings.host_blob_endpoint,
            lambda: azure_credential(settings.AZURE_CLIENT_ID),
        )

    async def _principal(self, audience: str) -> "Principal":
        """Of a token of this app's own identity. Raises AttemptFailed."""
        from shared.aml.tenants import claims_of
        from shared.operations.doctor.identity import Principal

        return Principal.of(claims_of(await self._tokens.get(audience)))

    async def _queue_state(self, queue: str) -> "QueueState | None":
        from shared.storage.doctor import queue_state

        return await queue_state(self._queue_service, queue)

    async def _poison_codes(self) -> list[str]:
        return [str(message.render()["code"]) for message in await self.poison.list()]

    async def _last_run(self, workflow: str) -> "Run | None":
        claim = await self.run_store.claim_of(workflow)
        stored = await self.run_store.get(claim.latest) if claim.latest else None
        return stored.run if stored else None

    async def _endpoint(self, endpoint: EndpointId) -> "Endpoint":
        return await self._resource_manager.online_endpoint(endpoint)

    async def _deployments(self, endpoint: EndpointId) -> "Sequence[Deployment]":
        return await self._resource_manager.deployments(endpoint)

    async def _probe(self, name: str) -> int:
        return await (await self.serve(name)).endpoint.probe()

    async def _has_key(self, place: KeyPlace) -> bool:
        from shared.aml.http import is_header_value
        from shared.settings import secret_setting

        if place.setting is not None:
            value: str | None = secret_setting(self._environment, place.setting)
        else:
            value = await self._store.get_secret(place.secret_id or "")
        return is_header_value((value or "").strip())

    async def _slow_call(self, name: str) -> float | None:
        return (await self.serve(name)).skill.stats.percentile(0.95)

    async def _alive(self) -> int:
        from shared.storage.processes import TableProcesses

        return await TableProcesses(self._tables).alive(self.now())


async def examine(
    environment: Mapping[str, str], services: Callable[[], DoctorServices], query: Mapping[str, str], address: str
) -> "Report":
    """Also where a setting cannot be used: then that is what is found. Raises BadRequest, NotFound."""
    from shared.operations.doctor.commands import FunctionApp
    from shared.operations.doctor.configuration import unusable
    from shared.operations.doctor.examination import Examination
    from shared.operations.doctor.findings import Group, Report
    from shared.operations.doctor.rounds import unexamined
    from shared.operations.doctor.selection import Selection

    selection = Selection.parse(query)
    try:
        made = services()
    except ConfigurationError as error:
        app = FunctionApp(environment.get("WEBSITE_SITE_NAME", ""), address)
        rest = [group for group in Group if group is not Group.SETTINGS and group in selection.groups]
        found = [*unusable(error, app), *unexamined(rest, "not looked at: an app setting cannot be used")]
        return Report(found, 0.0)
    given = [name for name, value in environment.items() if value]
    return await Examination(made.surroundings(given, address), selection).report()


def _account(connection: str, endpoint: str) -> str:
    """Its name; empty where nobody knows."""
    from shared.storage.datastores import account_name

    return account_name(connection) if connection else endpoint.removeprefix("https://").partition(".")[0]
