"""The commands of the Azure CLI that mend what a check finds, with the names filled in.

Source: Azure CLI reference: role assignment, storage queue, functionapp config appsettings, ml.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from shlex import quote

from shared.workflows.workspaces import WorkspaceId

DATA_SCIENTIST = "AzureML Data Scientist"
TABLE_ROLE = "Storage Table Data Contributor"
BLOB_ROLE = "Storage Blob Data Contributor"
QUEUE_ROLE = "Storage Queue Data Contributor"
VAULT_ROLE = "where it is a Key Vault reference, this app's identity needs the role Key Vault Secrets User on the vault"
"""Without it, Azure gives the app the reference itself."""
EMULATOR = "devstoreaccount1"


@dataclass(frozen=True, slots=True)
class FunctionApp:
    """The app in Azure, by WEBSITE_SITE_NAME; on a laptop a place to fill in."""

    name: str = ""
    address: str = "http://127.0.0.1:7071"
    """Where callers reach it."""

    @property
    def _place(self) -> str:
        if not self.name:
            return "-n <app> -g <resource group>"
        group = f"az functionapp list --query \"[?name=='{self.name}'].resourceGroup\" -o tsv"
        return f'-n {quote(self.name)} -g "$({group})"'

    def set_settings(self, settings: Mapping[str, str]) -> str:
        """Values are taken as they are: the caller quotes what a shell must not touch."""
        pairs = " ".join(f'"{name}={value}"' for name, value in settings.items())
        return f"az functionapp config appsettings set {self._place} --settings {pairs}"

    def delete_settings(self, *names: str) -> str:
        return f"az functionapp config appsettings delete {self._place} --setting-names {' '.join(names)}"

    def assign_identity(self, client_id: str) -> str:
        """The system-assigned one, or the user-assigned one that AZURE_CLIENT_ID names."""
        if not client_id:
            return f"az functionapp identity assign {self._place}"
        found = f"az identity list --query \"[?clientId=='{client_id}'].id\" -o tsv"
        return f'az functionapp identity assign {self._place} --identities "$({found})"'

    def call(self, method: str, path: str, body: str = "") -> str:
        """One of this app's own routes; `path` is below `api/`."""
        content = f" Content-Type=application/json --body {quote(body)}" if body else ""
        url = quote(f"{self.address}/api/{path}")
        key = '--headers "x-functions-key=$BRIDGE_KEY"'
        return f"az rest --method {method} --url {url} --skip-authorization-header {key}{content}"

    def restart(self) -> str:
        return f"az functionapp restart {self._place}"

    def integrate_network(self) -> str:
        return f"az functionapp vnet-integration add {self._place} --vnet <virtual network> --subnet <subnet>"


def assign_role(principal: str, role: str, scope: str) -> str:
    """`scope` is an ARM id, or `account_scope`."""
    place = scope if scope.startswith('"') else quote(scope)
    return f"az role assignment create --assignee {principal} --role {quote(role)} --scope {place}"


def account_scope(account: str) -> str:
    """The ARM id of a storage account of which only the name is known."""
    return f'"$(az storage account show -n {quote(account)} --query id -o tsv)"'


def connection_string(account: str) -> str:
    return f"$(az storage account show-connection-string -n {quote(account)} --query connectionString -o tsv)"


def create_queue(queue: str, account: str, *, by_identity: bool) -> str:
    if account in ("", EMULATOR):
        return f'az storage queue create -n {queue} --connection-string "$AzureWebJobsStorage"'
    login = " --auth-mode login" if by_identity else ""
    return f"az storage queue create -n {queue} --account-name {account}{login}"


def create_container(container: str, account: str) -> str:
    if account in ("", EMULATOR):
        return f'az storage container create -n {quote(container)} --connection-string "$AzureWebJobsStorage"'
    return f"az storage container create -n {quote(container)} --account-name {quote(account)} --auth-mode login"


def list_blobs(container: str, account: str, prefix: str) -> str:
    place = f"-c {quote(container)} --account-name {quote(account)} --auth-mode login"
    return f'az storage blob list {place} --prefix {quote(prefix)} --query "[].name" -o tsv'


def show_network(account: str) -> str:
    """What may reach a storage account."""
    query = "{publicNetworkAccess:publicNetworkAccess,rules:networkRuleSet}"
    return f"az storage account show -n {quote(account or '<account>')} --query {quote(query)}"


def in_workspace(workspace: WorkspaceId) -> str:
    """The place of an `az ml` command."""
    return f"-w {quote(workspace.name)} -g {quote(workspace.resource_group)} --subscription {quote(workspace.subscription)}"


def list_workspaces(workspace: WorkspaceId) -> str:
    return f'az ml workspace list --subscription {quote(workspace.subscription)} --query "[].id" -o tsv'


def leave_v1(workspace: WorkspaceId) -> str:
    return (
        f"az ml workspace update -n {quote(workspace.name)} -g {quote(workspace.resource_group)} "
        f"--subscription {quote(workspace.subscription)} --set v1_legacy_mode=false"
    )
