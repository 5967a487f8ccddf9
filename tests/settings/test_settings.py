"""App settings: what they may hold, what they mean together, and that their page tells the truth."""

import re
from pathlib import Path

import pytest

from shared.errors import ConfigurationError
from shared.settings import CLOUDS, Settings, secret_setting

PAGE = Path(__file__).parents[2] / "docs" / "settings.md"
ROW = re.compile(r"^\| `(?P<name>\w+)` \| (?:`(?P<default>[^`]*)`)? ?\| (?P<what>.+) \|$", re.MULTILINE)


def read(**environment: str) -> Settings:
    return Settings.from_environment(environment)


@pytest.mark.parametrize(
    ("named", "environment"),
    [
        ("MAX_RECORDS", {"MAX_RECORDS": "many"}),
        ("MAX_RECORDS", {"MAX_RECORDS": "0"}),
        ("MAX_RECORDS", {"MAX_RECORDS": "-1"}),
        ("MAX_BODY_BYTES", {"MAX_BODY_BYTES": "32 MiB"}),
        ("MAX_DOCUMENTS", {"MAX_DOCUMENTS": "1.5"}),
        ("MAX_SCORING_ANSWER_BYTES", {"MAX_SCORING_ANSWER_BYTES": "0"}),
        ("ALLOW_LITERAL_KEYS", {"ALLOW_LITERAL_KEYS": "perhaps"}),
        ("ALLOW_LOOPBACK_SCORING", {"ALLOW_LOOPBACK_SCORING": "2"}),
        ("ALLOW_LOOPBACK_SCORING", {"ALLOW_LOOPBACK_SCORING": "true", "WEBSITE_SITE_NAME": "app"}),
        ("RESULT_CACHE", {"RESULT_CACHE": "64 MB"}),
        ("BRIDGE_AUTH", {"BRIDGE_AUTH": "perhaps"}),
        ("BRIDGE_AUTH", {"BRIDGE_AUTH": "off", "WEBSITE_SITE_NAME": "app"}),
        ("AZURE_CLOUD", {"AZURE_CLOUD": "azurecloud"}),
        ("SCORING_HOSTS", {"SCORING_HOSTS": "https://a.example"}),
        ("SCORING_HOSTS", {"SCORING_HOSTS": "a.example/score"}),
        ("SCORING_HOSTS", {"SCORING_HOSTS": "*.example.com"}),
        ("SCORING_HOSTS", {"SCORING_HOSTS": "com"}),
        ("SCORING_HOSTS", {"SCORING_HOSTS": "10.0.0.4"}),
        ("AZURE_RESOURCE_MANAGER", {"AZURE_RESOURCE_MANAGER": "http://management.azure.com"}),
        ("AZURE_RESOURCE_MANAGER", {"AZURE_RESOURCE_MANAGER": "management.azure.com"}),
        ("AZURE_RESOURCE_MANAGER", {"AZURE_RESOURCE_MANAGER": "https://"}),
        ("AZURE_RESOURCE_MANAGER", {"AZURE_RESOURCE_MANAGER": "https://user@management.azure.com"}),
        ("AZURE_RESOURCE_MANAGER", {"AZURE_RESOURCE_MANAGER": "https://[bad"}),
        ("AZURE_RESOURCE_MANAGER", {"AZURE_RESOURCE_MANAGER": "http://127.0.0.1:7072"}),
        (
            "AZURE_RESOURCE_MANAGER",
            {"AZURE_RESOURCE_MANAGER": "http://127.0.0.1.evil.example", "ALLOW_LOOPBACK_SCORING": "1"},
        ),
        ("AZURE_AUTHORITY_HOST", {"AZURE_AUTHORITY_HOST": "http://login.example"}),
        ("AZURE_AUTHORITY_HOST", {"AZURE_AUTHORITY_HOST": "http://127.0.0.1:1", "ALLOW_LOOPBACK_SCORING": "1"}),
        ("AZURE_AUTHORITY_HOST", {"AZURE_AUTHORITY_HOST": "user@login.example"}),
        ("AZURE_TENANT_ID", {"AZURE_TENANT_ID": "contoso.onmicrosoft.com"}),
        ("CONNECTION_CLIENT_ID", {"CONNECTION_CLIENT_ID": "bridge"}),
        ("CONNECTION_CLIENT_ID", {"CONNECTION_CLIENT_ID": "00000000-0000-0000-0000-0000000000c2 --debug"}),
        ("PUBLIC_BASE_URL", {"PUBLIC_BASE_URL": "http://bridge.example"}),
        ("PUBLIC_BASE_URL", {"PUBLIC_BASE_URL": "https://bridge.example/?code=x"}),
        ("BRIDGE_STORAGE__tableServiceUri", {"BRIDGE_STORAGE__tableServiceUri": "http://a.table.core.windows.net"}),
        ("AzureWebJobsStorage__tableServiceUri", {"AzureWebJobsStorage__tableServiceUri": "a.table.core.windows.net"}),
    ],
)
def test_a_value_that_cannot_be_used_names_its_setting(named: str, environment: dict[str, str]) -> None:
    with pytest.raises(ConfigurationError) as raised:
        read(**environment)

    assert named in raised.value.message
    assert raised.value.status == 500


def test_several_faults_are_told_at_once() -> None:
    with pytest.raises(ConfigurationError) as raised:
        read(MAX_RECORDS="many", AZURE_CLOUD="none")

    assert "MAX_RECORDS" in raised.value.message
    assert "AZURE_CLOUD" in raised.value.message


def test_a_message_repeats_no_value() -> None:
    with pytest.raises(ConfigurationError) as raised:
        read(MAX_RECORDS="sentinel", ALLOW_LITERAL_KEYS="sentinel", PUBLIC_BASE_URL="http://sentinel")

    assert "sentinel" not in raised.value.message


def test_an_empty_value_counts_as_absent() -> None:
    assert read(**dict.fromkeys(Settings.model_fields, "")) == Settings()


def test_settings_of_others_are_left_alone() -> None:
    assert read(PATH="/bin", FUNCTIONS_WORKER_RUNTIME="python") == Settings()


def test_hosts_are_a_list() -> None:
    assert read(SCORING_HOSTS=" a.example, .b.example ,,").SCORING_HOSTS == ("a.example", ".b.example")


@pytest.mark.parametrize(
    ("environment", "asks", "own_key"),
    [
        ({}, "on", ""),
        ({"BRIDGE_KEY": "k"}, "on", "k"),
        ({"BRIDGE_AUTH": "ON", "BRIDGE_KEY": "k"}, "on", "k"),
        ({"BRIDGE_AUTH": "Off"}, "off", ""),
        ({"WEBSITE_SITE_NAME": "app", "BRIDGE_KEY": "k"}, "on", ""),
        ({"WEBSITE_SITE_NAME": "app", "BRIDGE_KEY": "k", "BRIDGE_AUTH": "on"}, "on", ""),
    ],
)
def test_data_is_open_only_where_that_is_asked_for_and_never_in_azure(
    environment: dict[str, str], asks: str, own_key: str
) -> None:
    settings = read(**environment)

    assert (settings.BRIDGE_AUTH, settings.own_reader_key) == (asks, own_key)


def test_a_key_is_not_shown_with_the_settings() -> None:
    assert "sentinel" not in repr(read(BRIDGE_KEY="sentinel"))


@pytest.mark.parametrize("cloud", CLOUDS)
def test_clouds(cloud: str) -> None:
    settings = read(AZURE_CLOUD=cloud)

    assert settings.resource_manager == CLOUDS[cloud].management
    assert settings.cloud.inference_domain in settings.SCORING_HOSTS
    addresses = (settings.cloud.management, settings.cloud.machine_learning)
    assert all(address.startswith("https://") and not address.endswith("/") for address in addresses)


@pytest.mark.parametrize(
    ("environment", "authority", "exchange"),
    [
        ({}, "login.microsoftonline.com", "api://AzureADTokenExchange"),
        ({"AZURE_CLOUD": "AzureUSGovernment"}, "login.microsoftonline.us", "api://AzureADTokenExchangeUSGov"),
        ({"AZURE_CLOUD": "AzureChinaCloud"}, "login.chinacloudapi.cn", "api://AzureADTokenExchangeChina"),
        ({"AZURE_AUTHORITY_HOST": "login.example"}, "login.example", "api://AzureADTokenExchange"),
        ({"AZURE_AUTHORITY_HOST": "https://127.0.0.1:1"}, "https://127.0.0.1:1", "api://AzureADTokenExchange"),
    ],
)
def test_where_a_managed_identitys_token_is_exchanged(
    environment: dict[str, str], authority: str, exchange: str
) -> None:
    settings = read(**environment)

    assert settings.authority == authority
    assert settings.cloud.token_exchange == exchange


def test_resource_manager_on_a_laptop() -> None:
    settings = read(AZURE_RESOURCE_MANAGER="http://127.0.0.1:7072/", ALLOW_LOOPBACK_SCORING="true")

    assert settings.resource_manager == "http://127.0.0.1:7072"


@pytest.mark.parametrize(
    ("environment", "connection", "endpoint"),
    [
        ({}, "", ""),
        ({"AzureWebJobsStorage": "host"}, "host", ""),
        ({"AzureWebJobsStorage": "host", "BRIDGE_STORAGE": "data"}, "data", ""),
        ({"AzureWebJobsStorage__accountName": "host"}, "", "https://host.table.core.windows.net"),
        (
            {
                "AzureWebJobsStorage__tableServiceUri": "https://host",
                "AzureWebJobsStorage__blobServiceUri": "https://host",
            },
            "",
            "https://host",
        ),
        (
            {"AzureWebJobsStorage": "host", "BRIDGE_STORAGE__accountName": "data"},
            "",
            "https://data.table.core.windows.net",
        ),
        (
            {
                "AzureWebJobsStorage": "host",
                "BRIDGE_STORAGE__tableServiceUri": "https://data",
                "BRIDGE_STORAGE__blobServiceUri": "https://data",
            },
            "",
            "https://data",
        ),
        (
            {"AzureWebJobsStorage__tableServiceUri": "https://host", "BRIDGE_STORAGE__accountName": "data"},
            "",
            "https://data.table.core.windows.net",
        ),
        (
            {"BRIDGE_STORAGE__accountName": "data", "STORAGE_SUFFIX": "core.chinacloudapi.cn"},
            "",
            "https://data.table.core.chinacloudapi.cn",
        ),
    ],
)
def test_the_data_account(environment: dict[str, str], connection: str, endpoint: str) -> None:
    settings = read(**environment)

    assert settings.data_connection == connection
    assert connection or settings.table_endpoint == endpoint
    assert connection or settings.blob_endpoint == endpoint.replace(".table.", ".blob.")


@pytest.mark.parametrize(
    ("held", "secret"),
    [
        ("s3cret", "s3cret"),
        ("", ""),
        ("@Microsoft.KeyVault(SecretUri=https://v.vault.azure.net/secrets/s)", ""),
        (" @microsoft.keyvault(VaultName=v;SecretName=s)", ""),
        ("@Microsoft", "@Microsoft"),
    ],
)
def test_a_reference_that_azure_did_not_resolve_is_no_secret(held: str, secret: str) -> None:
    assert secret_setting({"NOTIFY_A": held}, "NOTIFY_A") == secret
    assert secret_setting({}, "NOTIFY_A") == ""


# The page


def shown(value: object) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    return ",".join(value) if isinstance(value, tuple) else str(value)


def test_the_page_has_every_setting_with_its_default() -> None:
    told = {row["name"]: row["default"] or "" for row in ROW.finditer(PAGE.read_text())}

    assert told == {name: shown(field.default) for name, field in Settings.model_fields.items()}
