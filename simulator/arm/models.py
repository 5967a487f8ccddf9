"""What does the simulated subscription hold? One workspace, an online endpoint a kind of authentication.

Names compare without regard to case, so every collection is keyed by the lower-case name.
"""

import secrets
from dataclasses import dataclass, field
from typing import Literal

AuthMode = Literal["Key", "AMLToken", "AADToken"]

SUBSCRIPTION = "00000000-0000-0000-0000-000000000001"
RESOURCE_GROUP = "local"
WORKSPACE = "bridge"
TENANT = "00000000-0000-0000-0000-0000000000aa"
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
class Workspace:
    subscription: str = SUBSCRIPTION
    resource_group: str = RESOURCE_GROUP
    name: str = WORKSPACE
    tenant: str = TENANT
    location: str = LOCATION
    online_endpoints: dict[str, OnlineEndpoint] = field(default_factory=dict)

    @property
    def id(self) -> str:
        group = f"/subscriptions/{self.subscription}/resourceGroups/{self.resource_group}"
        return f"{group}/providers/Microsoft.MachineLearningServices/workspaces/{self.name}"


def local_workspace() -> Workspace:
    """The workspace out of the box."""
    modes: list[tuple[str, AuthMode]] = [
        ("language-key", "Key"),
        ("language-aml-token", "AMLToken"),
        ("language-aad-token", "AADToken"),
    ]
    return Workspace(online_endpoints={name: with_one_deployment(name, mode) for name, mode in modes})


def with_one_deployment(name: str, auth_mode: AuthMode) -> OnlineEndpoint:
    return OnlineEndpoint(name, auth_mode, {"blue": Deployment("blue")}, {"blue": 100})
