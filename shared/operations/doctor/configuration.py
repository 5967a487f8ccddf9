"""Can every app setting be used, and do they go together?"""

from collections.abc import Collection, Iterator

from shared.errors import ConfigurationError
from shared.operations.doctor.commands import FunctionApp
from shared.operations.doctor.findings import Check, Finding, failed, ok, warning
from shared.settings import CLOUDS, Settings

_PAGE = "docs/settings.md says what each may hold"
_SUFFIXES = {
    "AzureCloud": "core.windows.net",
    "AzureUSGovernment": "core.usgovcloudapi.net",
    "AzureChinaCloud": "core.chinacloudapi.cn",
}
"""Domains of storage accounts. Source: Azure, endpoints of the national clouds."""


def unusable(error: ConfigurationError, app: FunctionApp) -> list[Finding]:
    """One for each setting that cannot be used. Without it the default holds, so the command removes it."""
    faults = [(detail.target or "", detail.message) for detail in error.details] or [("", error.message)]
    return [
        failed(
            Check.SETTING_VALUE,
            name or "settings",
            f"{name}: {message}" if name and name not in message else message,
            f"give it a value it may hold, or remove it; {_PAGE}",
            app.delete_settings(name or "<name>"),
        )
        for name, message in faults
    ]


def examine_settings(settings: Settings, given: Collection[str], app: FunctionApp) -> list[Finding]:
    """Of settings that can be used. `given`: the names of those that are not empty."""
    own = sorted(name for name in given if name in Settings.model_fields)
    read = ok(Check.SETTING_VALUE, "settings", f"each can be used; set are {', '.join(own) or 'none'}")
    conflicts = list(_conflicts(settings, frozenset(given), app))
    return [read, *(conflicts or [ok(Check.SETTING_CONFLICT, "settings", "none contradicts another")])]


def _conflicts(settings: Settings, given: frozenset[str], app: FunctionApp) -> Iterator[Finding]:
    yield from _of_storage(settings, given, app)
    yield from _of_identity(settings, app)
    if settings.WEBSITE_SITE_NAME:
        yield from _in_azure(settings, app)
    if not settings.SCORING_HOSTS:
        yield _conflict(
            "SCORING_HOSTS", "no host may get a call, so no skill can be scored", app.delete_settings("SCORING_HOSTS")
        )


def _in_azure(settings: Settings, app: FunctionApp) -> Iterator[Finding]:
    """What is for a laptop. ALLOW_LOOPBACK_SCORING and BRIDGE_AUTH=off are refused there before."""
    if settings.ALLOW_LITERAL_KEYS:
        yield _conflict(
            "ALLOW_LITERAL_KEYS",
            "the app runs in Azure, and takes keys that stand in a skill's definition and keeps them in a table",
            app.delete_settings("ALLOW_LITERAL_KEYS"),
            cure="remove it, and give keys as @appsetting('SKILL_KEY_<NAME>')",
        )
    if settings.BRIDGE_KEY:
        yield _doubtful("BRIDGE_KEY", "it counts on a laptop alone, and is left alone in Azure", app)
    if settings.AZURE_RESOURCE_MANAGER:
        yield _doubtful(
            "AZURE_RESOURCE_MANAGER",
            f"this app's management tokens go to {settings.resource_manager} instead of {settings.cloud.management}",
            app,
        )


def _of_storage(settings: Settings, given: frozenset[str], app: FunctionApp) -> Iterator[Finding]:
    for account in ("BRIDGE_STORAGE", "AzureWebJobsStorage"):
        by_identity = sorted(name for name in given if name.startswith(f"{account}__"))
        if account in given and by_identity:
            yield _conflict(
                account,
                f"both a connection string and {', '.join(by_identity)} are set; the connection string is used",
                app.delete_settings(account),
                cure="remove the connection string to use this app's identity, or the others",
            )
    if not settings.data_connection:
        yield from _without_connection_string(settings, app)
    if not settings.AzureWebJobsStorage and not settings.queue_endpoint:
        yield _missing("AzureWebJobsStorage", "the queues' account", "AzureWebJobsStorage__accountName", app)
    expected = _SUFFIXES[settings.AZURE_CLOUD]
    if settings.STORAGE_SUFFIX.lower() != expected:
        yield warning(
            Check.SETTING_CONFLICT,
            "STORAGE_SUFFIX",
            f"storage accounts of {settings.AZURE_CLOUD} lie under {expected}, and it says {settings.STORAGE_SUFFIX}",
            "set it to the cloud's own, unless the accounts really lie elsewhere",
            app.set_settings({"STORAGE_SUFFIX": expected}),
        )


def _without_connection_string(settings: Settings, app: FunctionApp) -> Iterator[Finding]:
    """The data account is opened by identity, and needs both endpoints."""
    name = "BRIDGE_STORAGE" if settings.has_data_account else "AzureWebJobsStorage"
    lacking = [
        what
        for what, endpoint in (("table", settings.table_endpoint), ("blob", settings.blob_endpoint))
        if not endpoint
    ]
    if lacking:
        yield _missing(name, f"the data account's {' and '.join(lacking)} endpoint", f"{name}__accountName", app)


def _of_identity(settings: Settings, app: FunctionApp) -> Iterator[Finding]:
    if settings.CONNECTION_CLIENT_ID and not settings.AZURE_CLIENT_ID and settings.WEBSITE_SITE_NAME:
        yield _conflict(
            "CONNECTION_CLIENT_ID",
            "it needs a user-assigned identity, which the app registration trusts, and AZURE_CLIENT_ID names none",
            app.set_settings(
                {"AZURE_CLIENT_ID": "$(az identity show -n <identity> -g <resource group> --query clientId -o tsv)"}
            ),
            cure="set AZURE_CLIENT_ID to the client id of the user-assigned identity",
        )
    domain = settings.cloud.inference_domain
    others = {cloud.inference_domain for cloud in CLOUDS.values()} - {domain}
    if domain not in settings.SCORING_HOSTS and others & set(settings.SCORING_HOSTS):
        yield warning(
            Check.SETTING_CONFLICT,
            "SCORING_HOSTS",
            f"it lists endpoints of another cloud and not {domain}, where those of {settings.AZURE_CLOUD} lie",
            f"add {domain}, or set AZURE_CLOUD",
            app.set_settings({"SCORING_HOSTS": ",".join([*settings.SCORING_HOSTS, domain])}),
        )


def _conflict(name: str, message: str, command: str, *, cure: str = "remove it") -> Finding:
    return failed(Check.SETTING_CONFLICT, name, message, cure, command)


def _doubtful(name: str, message: str, app: FunctionApp) -> Finding:
    return warning(Check.SETTING_CONFLICT, name, message, "remove it", app.delete_settings(name))


def _missing(name: str, what: str, by_name: str, app: FunctionApp) -> Finding:
    return failed(
        Check.SETTING_CONFLICT,
        name,
        f"{what} is not configured",
        f"set {by_name} to the account's name, for use with this app's identity, or {name} to its connection string",
        app.set_settings({by_name: "<account>"}),
    )
