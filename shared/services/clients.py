"""The clients of everything outside, each made once a process, at first use."""

from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from functools import cached_property
from typing import TYPE_CHECKING
from uuid import uuid4

from shared.settings import Settings
from shared.skills.catalog import SkillStore
from shared.workflows.poison import Poisoned, PoisonStore

if TYPE_CHECKING:
    import httpx

    from shared.aml.auth import Credential, Tokens
    from shared.aml.capacity import Processes
    from shared.aml.tenants import Tenants
    from shared.operations.ownership import OwnershipStore
    from shared.storage.blobs import BlobOutput, BlobServiceClient
    from shared.storage.datastores import DatastoreFiles
    from shared.storage.plane import RowPlane
    from shared.storage.queues import Queues, QueueServiceClient
    from shared.storage.tables import TableServiceClient
    from shared.workflows.workspaces import Datastore


class Clients:
    """Settings, clock and clients. Tests hand in their own store, transport and credentials."""

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
        ownership: "OwnershipStore | None" = None,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self.settings = Settings.from_environment(environment)
        self.now = now
        self.process_id = uuid4().hex[:12]
        self._environment = environment
        self._skill_store = skill_store
        self._poison_store = poison_store
        self._given_poisoned = poisoned
        self._given_ownership = ownership
        self._transport = transport
        self._credential = credential
        self._given_registration = registration
        self._given_processes = processes
        self._files_abroad: dict[str, DatastoreFiles] = {}

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

    @cached_property
    def _row_plane(self) -> "RowPlane":
        from shared.aml.auth import azure_credential
        from shared.storage.plane import connect

        settings = self.settings
        return connect(
            settings.data_connection, settings.table_endpoint, lambda: azure_credential(settings.AZURE_CLIENT_ID)
        )

    @cached_property
    def queues(self) -> "Queues":
        from shared.storage.queues import Queues

        return Queues(self._queue_service)

    @cached_property
    def _queue_service(self) -> "QueueServiceClient":
        from shared.aml.auth import azure_credential
        from shared.storage.queues import connect

        settings = self.settings
        return connect(
            settings.AzureWebJobsStorage,
            settings.queue_endpoint,
            lambda: azure_credential(settings.AZURE_CLIENT_ID),
        )

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
