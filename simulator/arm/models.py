"""What do the simulated subscriptions hold? One workspace to work with, two that refuse to, and one of another tenant.

Names compare without regard to case, so every collection is keyed by the lower-case name.
"""

import secrets
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

AuthMode = Literal["Key", "AMLToken", "AADToken"]
DatastoreType = Literal["AzureBlob", "AzureDataLakeGen2", "AzureFile"]

SUBSCRIPTION = "00000000-0000-0000-0000-000000000001"
RESOURCE_GROUP = "local"
WORKSPACE = "bridge"
TENANT = "00000000-0000-0000-0000-0000000000aa"
SUBSCRIPTION_ABROAD = "00000000-0000-0000-0000-00000000000b"
TENANT_ABROAD = "00000000-0000-0000-0000-0000000000bb"
LOCATION = "westeurope"


def make_key() -> str:
    return secrets.token_urlsafe(24)


@dataclass
class Deployment:
    """`instances` is ARM's sku.capacity."""

    name: str
    instances: int = 1
    max_concurrent_requests: int = 10
    request_timeout: int = 30

    @property
    def capacity(self) -> int:
        """Calls in flight beyond which a managed endpoint answers 429."""
        return 2 * self.max_concurrent_requests * self.instances


@dataclass
class OnlineEndpoint:
    name: str
    auth_mode: AuthMode
    deployments: dict[str, Deployment]
    traffic: dict[str, int]
    primary_key: str = field(default_factory=make_key)
    secondary_key: str = field(default_factory=make_key)

    @property
    def audience(self) -> str:
        """Whom a token from `POST {endpoint}/token` is for."""
        return f"onlineEndpoints/{self.name}"

    def renew_keys(self) -> None:
        self.primary_key, self.secondary_key = make_key(), make_key()


@dataclass
class ComponentVersion:
    """`spec` as in the file: it names other components `name:version`, and its code by a folder beside `home`."""

    name: str
    version: str
    spec: dict[str, Any]
    home: Path
    is_archived: bool = False


@dataclass
class Component:
    """A component's container: its versions, the oldest first."""

    name: str
    versions: dict[str, ComponentVersion] = field(default_factory=dict)
    is_archived: bool = False

    @property
    def latest(self) -> ComponentVersion:
        return list(self.versions.values())[-1]


@dataclass(frozen=True)
class Datastore:
    """`container` is a blob container, a file system or a share."""

    name: str
    type: DatastoreType
    container: str
    is_default: bool = False


@dataclass(frozen=True)
class BatchDeployment:
    """`component` is `name:version`; without it, a model's deployment."""

    name: str
    component: str | None


@dataclass
class BatchEndpoint:
    name: str
    deployments: dict[str, BatchDeployment]
    default: str


@dataclass(frozen=True)
class Permission:
    actions: Sequence[str]
    not_actions: Sequence[str] = ()


@dataclass
class Workspace:
    subscription: str = SUBSCRIPTION
    resource_group: str = RESOURCE_GROUP
    name: str = WORKSPACE
    tenant: str = TENANT
    location: str = LOCATION
    is_v1_legacy: bool = False
    is_private: bool = False
    """No public network access; here it is reached all the same."""
    hidden_datastores: frozenset[str] = frozenset()
    """In lower case: deleted, until the control brings them back."""
    permissions: Sequence[Permission] = ()
    online_endpoints: dict[str, OnlineEndpoint] = field(default_factory=dict)
    components: dict[str, Component] = field(default_factory=dict)
    datastores: dict[str, Datastore] = field(default_factory=dict)
    batch_endpoints: dict[str, BatchEndpoint] = field(default_factory=dict)

    @property
    def id(self) -> str:
        group = f"/subscriptions/{self.subscription}/resourceGroups/{self.resource_group}"
        return f"{group}/providers/Microsoft.MachineLearningServices/workspaces/{self.name}"


# Azure's built-in roles, as far as they matter to a workspace.
# Source: https://learn.microsoft.com/azure/role-based-access-control/built-in-roles
READER = Permission(("*/read",))
DATA_SCIENTIST = Permission(
    tuple(f"Microsoft.MachineLearningServices/workspaces/*/{verb}" for verb in ("read", "action", "delete", "write")),
    tuple(
        f"Microsoft.MachineLearningServices/workspaces/{action}"
        for action in (
            *("delete", "write", "computes/*/write", "computes/*/delete", "computes/listKeys/action"),
            *("listKeys/action", "hubs/write", "hubs/delete", "featurestores/write", "featurestores/delete"),
        )
    ),
)


def local_workspace() -> Workspace:
    """The workspace out of the box, but for its components, which come from files (arm/registry.py)."""
    modes: list[tuple[str, AuthMode]] = [
        ("language-key", "Key"),
        ("language-aml-token", "AMLToken"),
        ("language-aad-token", "AADToken"),
    ]
    return Workspace(
        permissions=(READER, DATA_SCIENTIST),
        online_endpoints={name: with_one_deployment(name, mode) for name, mode in modes},
        datastores=local_datastores(),
        batch_endpoints={"customer-value": pipeline_endpoint(), "language-batch": model_endpoint()},
    )


def refusing_workspaces() -> list[Workspace]:
    """One that the v2 interface does not work with, one where only reading is allowed."""
    return [
        Workspace(name="legacy", is_v1_legacy=True, permissions=(READER, DATA_SCIENTIST)),
        Workspace(name="forbidden", permissions=(READER,), datastores=local_datastores()),
    ]


def workspace_abroad() -> Workspace:
    """In another tenant, whose administrator let an app registration in."""
    return Workspace(
        name="abroad",
        subscription=SUBSCRIPTION_ABROAD,
        tenant=TENANT_ABROAD,
        permissions=(READER, DATA_SCIENTIST),
        datastores=local_datastores(),
    )


def local_datastores() -> dict[str, Datastore]:
    stores = [
        Datastore("workspaceblobstore", "AzureBlob", "azureml-blobstore", is_default=True),
        Datastore("lake", "AzureDataLakeGen2", "lake"),
        Datastore("workspacefilestore", "AzureFile", "azureml-filestore"),
    ]
    return {store.name: store for store in stores}


def pipeline_endpoint() -> BatchEndpoint:
    """Two versions of the sample's pipeline behind one address."""
    deployments = [BatchDeployment("v1", "customer_value:1"), BatchDeployment("v2", "customer_value:2")]
    return BatchEndpoint("customer-value", {each.name: each for each in deployments}, default="v2")


def model_endpoint() -> BatchEndpoint:
    return BatchEndpoint("language-batch", {"blue": BatchDeployment("blue", None)}, default="blue")


def with_one_deployment(name: str, auth_mode: AuthMode) -> OnlineEndpoint:
    return OnlineEndpoint(name, auth_mode, {"blue": Deployment("blue")}, {"blue": 100})
