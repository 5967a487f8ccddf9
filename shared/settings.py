"""Every app setting, typed and checked once. Nothing else reads the environment."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any, Literal, Self
from urllib.parse import urlsplit

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError, field_validator, model_validator

from shared.errors import ConfigurationError, ErrorDetail
from shared.skills.addresses import DEFAULT_SCORING_HOSTS, ScoringHosts, is_loopback_url

MIB = 1024 * 1024


@dataclass(frozen=True, slots=True)
class Cloud:
    """Where an Azure cloud keeps what we call. Source: Azure Machine Learning, sovereign cloud endpoints."""

    management: str
    """Azure Resource Manager; also the audience of its tokens."""
    machine_learning: str
    """The audience of scoring tokens."""
    inference_domain: str
    """Only hosts under it get a scoring token."""
    authority: str
    """Microsoft Entra's host."""
    token_exchange: str
    """The audience of a managed identity's token that an app registration is to trust."""


CLOUDS = {
    "AzureCloud": Cloud(
        "https://management.azure.com",
        "https://ml.azure.com",
        "inference.ml.azure.com",
        "login.microsoftonline.com",
        "api://AzureADTokenExchange",
    ),
    "AzureUSGovernment": Cloud(
        "https://management.usgovcloudapi.net",
        "https://ml.azure.us",
        "inference.ml.azure.us",
        "login.microsoftonline.us",
        "api://AzureADTokenExchangeUSGov",
    ),
    "AzureChinaCloud": Cloud(
        "https://management.chinacloudapi.cn",
        "https://ml.azure.cn",
        "inference.ml.azure.cn",
        "login.chinacloudapi.cn",
        "api://AzureADTokenExchangeChina",
    ),
}


def _listed(value: object) -> object:
    return tuple(part.strip() for part in value.split(",") if part.strip()) if isinstance(value, str) else value


def _lower(value: object) -> object:
    return value.lower() if isinstance(value, str) else value


_GUID = re.compile(r"[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")
_HOST = re.compile(r"\.?([A-Za-z0-9]([A-Za-z0-9-]*[A-Za-z0-9])?\.)+[A-Za-z]([A-Za-z0-9-]*[A-Za-z0-9])?\.?")
_APP_ID = re.compile(r"[A-Za-z0-9._/-]{1,100}")
_ADDRESSES = (
    "AZURE_RESOURCE_MANAGER",
    "PUBLIC_BASE_URL",
    "BRIDGE_STORAGE__tableServiceUri",
    "BRIDGE_STORAGE__blobServiceUri",
    "AzureWebJobsStorage__tableServiceUri",
    "AzureWebJobsStorage__blobServiceUri",
    "AzureWebJobsStorage__queueServiceUri",
)
"""Tokens or keys go there."""


def _is_https(address: str) -> bool:
    """With a host, and without what has no place in an address of a service: user name, query, fragment."""
    try:
        parts = urlsplit(address)
        return parts.scheme == "https" and bool(parts.hostname) and "@" not in parts.netloc and not parts.query
    except ValueError:
        return False


type Listed = Annotated[tuple[str, ...], BeforeValidator(_listed)]
type OnOff = Annotated[Literal["on", "off"], BeforeValidator(_lower)]
type Count = Annotated[int, Field(ge=1)]


class Settings(BaseModel):
    """The app settings, by their names. An empty value counts as absent."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    # Storage
    BRIDGE_STORAGE: str = ""
    """Connection string of the data account; AzureWebJobsStorage unless set."""
    BRIDGE_STORAGE__tableServiceUri: str = ""
    """Its table endpoint, where this app's identity is used instead of a connection string."""
    BRIDGE_STORAGE__accountName: str = ""
    """Its name, from which the endpoints follow, where this app's identity is used."""
    BRIDGE_STORAGE__blobServiceUri: str = ""
    AzureWebJobsStorage: str = ""
    AzureWebJobsStorage__tableServiceUri: str = ""
    AzureWebJobsStorage__blobServiceUri: str = ""
    AzureWebJobsStorage__queueServiceUri: str = ""
    AzureWebJobsStorage__accountName: str = ""
    STORAGE_SUFFIX: str = "core.windows.net"

    # Whose the data account is
    BRIDGE_APP_ID: str = ""
    """This app's name among those that might use the account; the site's and the slot's unless set."""
    BRIDGE_TAKE_OVER: bool = False
    """Take the account over from the app that owns it; counts once."""

    # Identity and clouds
    AZURE_CLIENT_ID: str = ""
    """Client id of a user-assigned identity."""
    AZURE_TENANT_ID: str = ""
    """This app's own tenant; learned from a token of its identity unless set."""
    CONNECTION_CLIENT_ID: str = ""
    """Client id of the app registration that opens workspaces of other tenants."""
    AZURE_CLOUD: Literal["AzureCloud", "AzureUSGovernment", "AzureChinaCloud"] = "AzureCloud"
    AZURE_AUTHORITY_HOST: str = ""
    """Address of Microsoft Entra, where the cloud's own is not meant; azure-identity reads it too."""
    AZURE_RESOURCE_MANAGER: str = ""
    """Address of Azure Resource Manager, where the cloud's own is not meant."""
    AML_API_VERSION: str = "2025-12-01"

    # Skills
    SCORING_HOSTS: Listed = DEFAULT_SCORING_HOSTS
    ALLOW_LITERAL_KEYS: bool = False
    ALLOW_LOOPBACK_SCORING: bool = False
    RESULT_CACHE: bool = True
    PUBLIC_BASE_URL: str = ""
    """Where callers reach this app, if not at WEBSITE_HOSTNAME."""

    # Readers of data
    BRIDGE_AUTH: OnOff = "on"
    """Whether the data plane asks for a key."""
    BRIDGE_KEY: str = Field("", repr=False)
    """On a laptop: a reader key beside the stored ones."""

    CSV_LINK_MINUTES: Annotated[int, Field(ge=1, le=720)] = 60
    """How long a link to a large CSV is valid."""

    # Workflows
    IMPORT_PARALLELISM: Count = 2
    """Parts of a run's output that a process imports at once."""
    SNAPSHOTS_KEPT: Count = 2
    """Published snapshots of an entity, the current one included."""
    SNAPSHOT_GRACE_HOURS: Count = 24
    """How long a reader may stay on a snapshot that was replaced."""
    RETENTION_DAYS: Count = 90
    """How long ended runs, their exports, slots and poison messages are kept."""

    # Notifications
    NOTIFY_HOSTS: Listed = ()
    """Hosts that runs may be told to; none unless set."""
    EXPORT_RETENTION_DAYS: Count = 90
    """How long a day's copy of the configuration is kept."""

    # Limits
    MAX_BODY_BYTES: Count = 32 * MIB
    MAX_RECORDS: Count = 1000
    MAX_DOCUMENTS: Count = 100
    MAX_SCORING_ANSWER_BYTES: Count = 16 * MIB

    # Telemetry; off unless one of the first two is set
    APPLICATIONINSIGHTS_CONNECTION_STRING: str = Field("", repr=False)
    OTEL_EXPORTER_OTLP_ENDPOINT: str = ""
    """Address of a collector that takes OTLP over HTTP."""
    OTEL_SERVICE_NAME: str = ""
    """What telemetry calls this app; WEBSITE_SITE_NAME unless set."""

    # Set by the platform
    WEBSITE_SITE_NAME: str = ""
    WEBSITE_SLOT_NAME: str = ""
    WEBSITE_HOSTNAME: str = ""
    WEBSITE_INSTANCE_ID: str = ""
    WEBSITE_AUTH_ENABLED: bool = False
    """Easy Auth checks every request, and its principal headers can be believed."""

    @classmethod
    def from_environment(cls, environment: Mapping[str, str]) -> Self:
        """Raises ConfigurationError: the setting, what is wrong with it, what it may hold."""
        known = {name: environment[name] for name in cls.model_fields if environment.get(name)}
        try:
            return cls.model_validate(known)
        except ValidationError as error:
            details = [
                ErrorDetail("InvalidSetting", _message(fault), _setting(fault))
                for fault in error.errors(include_input=False)
            ]
            faults = "; ".join(f"{detail.target or 'settings'}: {detail.message}" for detail in details)
            raise ConfigurationError(f"an app setting cannot be used: {faults}", details=details) from error

    @field_validator("SCORING_HOSTS", "NOTIFY_HOSTS")
    @classmethod
    def _hosts_alone(cls, hosts: tuple[str, ...]) -> tuple[str, ...]:
        for host in hosts:
            if not _HOST.fullmatch(host):
                raise ValueError(f"{host[:100]!r} is no host; list hosts such as inference.ml.azure.com, with commas")
        return hosts

    @field_validator("BRIDGE_APP_ID")
    @classmethod
    def _is_a_name(cls, value: str) -> str:
        if not _APP_ID.fullmatch(value):
            raise ValueError("is a name: letters, digits, . _ / and -, at most 100")
        return value

    @field_validator("AZURE_TENANT_ID", "CONNECTION_CLIENT_ID")
    @classmethod
    def _guids(cls, value: str) -> str:
        if not _GUID.fullmatch(value):
            raise ValueError("is an id, a GUID; not a name or a domain")
        return value

    @field_validator("AZURE_AUTHORITY_HOST")
    @classmethod
    def _authority_is_https(cls, value: str) -> str:
        """Also a host alone, as azure-identity takes it."""
        if not _is_https(value if "://" in value else f"https://{value}"):
            raise ValueError("must be an https address, or a host")
        return value

    @model_validator(mode="after")
    def _loopback_only_on_a_laptop(self) -> Self:
        if self.ALLOW_LOOPBACK_SCORING and self.WEBSITE_SITE_NAME:
            raise ValueError("ALLOW_LOOPBACK_SCORING is for a laptop and refused in Azure: remove it")
        return self

    @model_validator(mode="after")
    def _open_only_on_a_laptop(self) -> Self:
        if self.BRIDGE_AUTH == "off" and self.WEBSITE_SITE_NAME:
            raise ValueError("BRIDGE_AUTH=off is for a laptop and refused in Azure: remove it")
        return self

    @model_validator(mode="after")
    def _addresses_are_https(self) -> Self:
        for name in _ADDRESSES:
            address = getattr(self, name)
            if address and not _is_https(address) and not (self.ALLOW_LOOPBACK_SCORING and is_loopback_url(address)):
                raise ValueError(f"{name} must be an https address")
        return self

    @property
    def app_id(self) -> str:
        """The same for all processes of an app; a deployment slot is an app of its own. On a laptop all are one."""
        if self.BRIDGE_APP_ID:
            return self.BRIDGE_APP_ID.lower()
        slot = self.WEBSITE_SLOT_NAME.lower()
        site = self.WEBSITE_SITE_NAME.lower() or "local"
        return site if slot in ("", "production") else f"{site}/{slot}"

    @property
    def has_telemetry(self) -> bool:
        """Spans and metrics have somewhere to go."""
        return bool(self.APPLICATIONINSIGHTS_CONNECTION_STRING or self.OTEL_EXPORTER_OTLP_ENDPOINT)

    @property
    def own_reader_key(self) -> str:
        """BRIDGE_KEY, but in Azure, where keys have names and can be revoked."""
        return "" if self.WEBSITE_SITE_NAME else self.BRIDGE_KEY

    @property
    def cloud(self) -> Cloud:
        return CLOUDS[self.AZURE_CLOUD]

    @property
    def resource_manager(self) -> str:
        return (self.AZURE_RESOURCE_MANAGER or self.cloud.management).rstrip("/")

    @property
    def authority(self) -> str:
        """Of Microsoft Entra: a host, or an https address."""
        return self.AZURE_AUTHORITY_HOST or self.cloud.authority

    @property
    def scoring_hosts(self) -> ScoringHosts:
        return ScoringHosts(self.SCORING_HOSTS, loopback=self.ALLOW_LOOPBACK_SCORING)

    @property
    def notify_hosts(self) -> ScoringHosts:
        return ScoringHosts(
            self.NOTIFY_HOSTS,
            loopback=self.ALLOW_LOOPBACK_SCORING,
            setting="NOTIFY_HOSTS",
            form="the address of a receiver, such as https://hooks.contoso.com/bridge",
        )

    @property
    def has_data_account(self) -> bool:
        """The data account is not the host's."""
        return bool(
            self.BRIDGE_STORAGE
            or self.BRIDGE_STORAGE__accountName
            or self.BRIDGE_STORAGE__tableServiceUri
            or self.BRIDGE_STORAGE__blobServiceUri
        )

    @property
    def data_connection(self) -> str:
        """The connection string of the data account; empty where an identity is used."""
        return self.BRIDGE_STORAGE if self.has_data_account else self.AzureWebJobsStorage

    @property
    def table_endpoint(self) -> str:
        """The data account's table endpoint, for use with an identity; empty where none is configured."""
        if self.has_data_account:
            return self.BRIDGE_STORAGE__tableServiceUri or self._named(self.BRIDGE_STORAGE__accountName, "table")
        return self.AzureWebJobsStorage__tableServiceUri or self._named(self.AzureWebJobsStorage__accountName, "table")

    @property
    def blob_endpoint(self) -> str:
        """The data account's blob endpoint, for use with an identity; empty where none is configured."""
        if self.has_data_account:
            return self.BRIDGE_STORAGE__blobServiceUri or self._named(self.BRIDGE_STORAGE__accountName, "blob")
        return self.AzureWebJobsStorage__blobServiceUri or self._named(self.AzureWebJobsStorage__accountName, "blob")

    @property
    def host_blob_endpoint(self) -> str:
        """The host account's blob endpoint, for use with an identity: the host's own leases and keys lie there."""
        return self.AzureWebJobsStorage__blobServiceUri or self._named(self.AzureWebJobsStorage__accountName, "blob")

    @property
    def queue_endpoint(self) -> str:
        """The host account's queue endpoint, for use with an identity: the triggers' queues lie there."""
        return self.AzureWebJobsStorage__queueServiceUri or self._named(self.AzureWebJobsStorage__accountName, "queue")

    def _named(self, account: str, service: str) -> str:
        return f"https://{account}.{service}.{self.STORAGE_SUFFIX}" if account else ""


def secret_setting(environment: Mapping[str, str], name: str) -> str:
    """The secret that an app setting holds; empty where there is none.

    A Key Vault reference that Azure could not resolve reaches the app as it was written: known to many, and no secret.
    Source: App Service, Use Key Vault references.
    """
    value = environment.get(name, "")
    return "" if value.strip().lower().startswith("@microsoft.keyvault(") else value


def _setting(fault: Any) -> str | None:
    """Its name; of a fault of several together, the one that the message begins with."""
    name = ".".join(map(str, fault["loc"])) or re.split(r"\W", _message(fault), maxsplit=1)[0]
    return name if name in Settings.model_fields else None


def _message(fault: Any) -> str:
    return str(fault["msg"]).removeprefix("Value error, ")
