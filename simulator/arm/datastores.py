"""Datastores in ARM: get, list, listSecrets."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from simulator.arm.errors import not_found
from simulator.arm.front import ArmFront
from simulator.arm.models import Datastore, Workspace
from simulator.arm.paging import Pages
from simulator.arm.resources import WORKSPACE_PATH, WORKSPACE_TYPE, resource
from simulator.arm.workspaces import Workspaces

DATASTORES_PATH = f"{WORKSPACE_PATH}/datastores"
DATASTORE_TYPE = f"{WORKSPACE_TYPE}/datastores"
CONTAINER_MEMBERS = {"AzureBlob": "containerName", "AzureDataLakeGen2": "filesystem", "AzureFile": "fileShareName"}


@dataclass(frozen=True)
class Account:
    """The storage account behind all datastores; `{protocol}://{name}.blob.{endpoint}` is its address."""

    name: str = "devstoreaccount1"
    key: str = ""
    protocol: str = "http"
    endpoint: str = "localhost:10000"

    @classmethod
    def of(cls, connection: str) -> "Account":
        """Of a connection string. Azurite answers at `<account>.blob.localhost` beside `127.0.0.1/<account>`."""
        parts = dict(part.split("=", 1) for part in connection.split(";") if "=" in part)
        name, key = parts.get("AccountName", ""), parts.get("AccountKey", "")
        if "BlobEndpoint" not in parts:
            protocol = parts.get("DefaultEndpointsProtocol", "https")
            return cls(name, key, protocol, parts.get("EndpointSuffix", "core.windows.net"))
        protocol, _, rest = parts["BlobEndpoint"].partition("://")
        host = rest.partition("/")[0]
        own = host.removeprefix(f"{name}.blob.")
        return cls(name, key, protocol, own.replace("127.0.0.1", "localhost"))


@dataclass
class Datastores:
    workspaces: Workspaces
    front: ArmFront
    pages: Pages
    account: Account

    def routes(self) -> list[Route]:
        one = f"{DATASTORES_PATH}/{{datastore}}"
        return [
            self.front.route("GET", DATASTORES_PATH, self.list_datastores),
            self.front.route("GET", one, self.get_datastore),
            self.front.route("POST", f"{one}/listSecrets", self.list_secrets),
        ]

    async def list_datastores(self, request: Request) -> Response:
        workspace = self.workspaces.permitted(request, "datastores/read")
        held = [each for each in present(workspace).values() if is_wanted(each, request.query_params)]
        return self.pages.answer(request, [datastore_json(workspace, each, self.account) for each in held])

    async def get_datastore(self, request: Request) -> Response:
        workspace = self.workspaces.permitted(request, "datastores/read")
        return JSONResponse(datastore_json(workspace, find(workspace, request), self.account))

    async def list_secrets(self, request: Request) -> Response:
        workspace = self.workspaces.permitted(request, "datastores/listSecrets/action")
        find(workspace, request)
        return JSONResponse({"secretsType": "AccountKey", "key": self.account.key})


def present(workspace: Workspace) -> dict[str, Datastore]:
    return {name: each for name, each in workspace.datastores.items() if name not in workspace.hidden_datastores}


def find(workspace: Workspace, request: Request) -> Datastore:
    name = request.path_params["datastore"]
    datastore = present(workspace).get(name.lower())
    if datastore is None:
        raise not_found(DATASTORE_TYPE, f"{workspace.name}/{name}", workspace.resource_group)
    return datastore


def is_wanted(datastore: Datastore, query: Mapping[str, str]) -> bool:
    names = query.get("names", "").lower().split(",")
    default = query.get("isDefault", "").lower()
    text = query.get("searchText", "").lower()
    return (
        (names == [""] or datastore.name.lower() in names)
        and (default not in ("true", "false") or datastore.is_default == (default == "true"))
        and text in datastore.name.lower()
    )


def datastore_json(workspace: Workspace, datastore: Datastore, account: Account) -> dict[str, Any]:
    properties = {
        "datastoreType": datastore.type,
        "description": None,
        "tags": {},
        "properties": None,
        "isDefault": datastore.is_default,
        "credentials": {"credentialsType": "AccountKey", "secrets": {"secretsType": "AccountKey", "key": None}},
        "subscriptionId": workspace.subscription,
        "resourceGroup": workspace.resource_group,
        "accountName": account.name,
        CONTAINER_MEMBERS[datastore.type]: datastore.container,
        "endpoint": account.endpoint,
        "protocol": account.protocol,
        "serviceDataAccessAuthIdentity": "None",
    }
    return resource(f"{workspace.id}/datastores/{datastore.name}", DATASTORE_TYPE, properties)
