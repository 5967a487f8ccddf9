"""Settings: each that cannot be used, and those that do not go together."""

import pytest

from shared.errors import ConfigurationError
from shared.operations.doctor.commands import FunctionApp
from shared.operations.doctor.configuration import examine_settings, unusable
from shared.operations.doctor.findings import Check, Finding, Status
from shared.settings import Settings

APP = FunctionApp("bridge")
PLACE = '-n bridge -g "$(az functionapp list --query "[?name==\'bridge\'].resourceGroup" -o tsv)"'
STORAGE = {"AzureWebJobsStorage": "UseDevelopmentStorage=true"}
IN_AZURE = {"WEBSITE_SITE_NAME": "bridge", "AzureWebJobsStorage__accountName": "hosts"}


def examined(**environment: str) -> list[Finding]:
    return examine_settings(Settings.from_environment(environment), list(environment), APP)


@pytest.mark.parametrize(
    ("environment", "subject", "status", "says"),
    [
        ({**IN_AZURE, "ALLOW_LITERAL_KEYS": "true"}, "ALLOW_LITERAL_KEYS", Status.FAILED, "the app runs in Azure"),
        ({**IN_AZURE, "BRIDGE_KEY": "sentinel"}, "BRIDGE_KEY", Status.WARNING, "counts on a laptop alone"),
        (
            {**IN_AZURE, "AZURE_RESOURCE_MANAGER": "https://arm.example"},
            "AZURE_RESOURCE_MANAGER",
            Status.WARNING,
            "management tokens go to https://arm.example",
        ),
        (
            {**IN_AZURE, "CONNECTION_CLIENT_ID": "00000000-0000-0000-0000-0000000000c2"},
            "CONNECTION_CLIENT_ID",
            Status.FAILED,
            "needs a user-assigned identity",
        ),
        (
            {**STORAGE, "AzureWebJobsStorage__accountName": "hosts"},
            "AzureWebJobsStorage",
            Status.FAILED,
            "both a connection string and AzureWebJobsStorage__accountName are set",
        ),
        (
            {**STORAGE, "BRIDGE_STORAGE": "sentinel", "BRIDGE_STORAGE__blobServiceUri": "https://a.example"},
            "BRIDGE_STORAGE",
            Status.FAILED,
            "the connection string is used",
        ),
        (
            {**STORAGE, "BRIDGE_STORAGE__tableServiceUri": "https://data.table.core.windows.net"},
            "BRIDGE_STORAGE",
            Status.FAILED,
            "the data account's blob endpoint is not configured",
        ),
        (
            {"BRIDGE_STORAGE__accountName": "data"},
            "AzureWebJobsStorage",
            Status.FAILED,
            "the queues' account is not configured",
        ),
        (
            {**STORAGE, "AZURE_CLOUD": "AzureChinaCloud"},
            "STORAGE_SUFFIX",
            Status.WARNING,
            "lie under core.chinacloudapi.cn, and it says core.windows.net",
        ),
        (
            {**STORAGE, "SCORING_HOSTS": "inference.ml.azure.us"},
            "SCORING_HOSTS",
            Status.WARNING,
            "another cloud and not inference.ml.azure.com",
        ),
        ({**STORAGE, "SCORING_HOSTS": ","}, "SCORING_HOSTS", Status.FAILED, "no host may get a call"),
    ],
)
def test_settings_that_do_not_go_together(environment: dict[str, str], subject: str, status: Status, says: str) -> None:
    read, conflict = examined(**environment)

    assert read.status is Status.OK
    assert (conflict.check, conflict.subject, conflict.status) == (Check.SETTING_CONFLICT, subject, status)
    assert says in conflict.message
    assert conflict.command is not None
    assert conflict.command.startswith("az functionapp config appsettings ")
    assert PLACE in conflict.command
    assert "sentinel" not in str(conflict)


@pytest.mark.parametrize(
    "environment",
    [
        STORAGE,
        IN_AZURE,
        {**STORAGE, "ALLOW_LITERAL_KEYS": "true", "ALLOW_LOOPBACK_SCORING": "true", "BRIDGE_KEY": "k"},
        {**IN_AZURE, "BRIDGE_STORAGE__accountName": "data", "AZURE_CLIENT_ID": "c", "SCORING_HOSTS": "own.example"},
        {**STORAGE, "AZURE_CLOUD": "AzureUSGovernment", "STORAGE_SUFFIX": "core.usgovcloudapi.net"},
    ],
)
def test_settings_that_go_together(environment: dict[str, str]) -> None:
    assert [finding.status for finding in examined(**environment)] == [Status.OK, Status.OK]


@pytest.mark.parametrize(
    ("environment", "named"),
    [
        ({"MAX_RECORDS": "sentinel", "AZURE_CLOUD": "sentinel"}, {"MAX_RECORDS", "AZURE_CLOUD"}),
        ({"ALLOW_LOOPBACK_SCORING": "1", "WEBSITE_SITE_NAME": "bridge"}, {"ALLOW_LOOPBACK_SCORING"}),
        ({"BRIDGE_AUTH": "off", "WEBSITE_SITE_NAME": "bridge"}, {"BRIDGE_AUTH"}),
        ({"PUBLIC_BASE_URL": "http://sentinel"}, {"PUBLIC_BASE_URL"}),
    ],
)
def test_each_setting_that_cannot_be_used_is_a_failure_of_its_own(environment: dict[str, str], named: set[str]) -> None:
    with pytest.raises(ConfigurationError) as raised:
        Settings.from_environment(environment)

    found = unusable(raised.value, APP)

    assert {finding.subject for finding in found} == named
    for finding in found:
        assert finding.status is Status.FAILED
        assert finding.subject in finding.message
        assert finding.command == f"az functionapp config appsettings delete {PLACE} --setting-names {finding.subject}"
        assert "sentinel" not in str(finding)
