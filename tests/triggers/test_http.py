"""The address that the app tells others to call it at."""

import azure.functions as func
import pytest

from shared.app import Services
from shared.triggers.http import base_url

CALLED_AT = "http://evil.example:7071/api/skills/a/web-api-skill?code=sentinel"


@pytest.mark.parametrize(
    ("environment", "told"),
    [
        ({"WEBSITE_HOSTNAME": "bridge.azurewebsites.net"}, "https://bridge.azurewebsites.net"),
        (
            {"WEBSITE_HOSTNAME": "bridge.azurewebsites.net", "PUBLIC_BASE_URL": "https://api.contoso.example/bridge/"},
            "https://api.contoso.example/bridge",
        ),
        ({"PUBLIC_BASE_URL": "https://api.contoso.example"}, "https://api.contoso.example"),
        # A laptop: with Core Tools, which names itself, and without.
        ({"WEBSITE_HOSTNAME": "localhost:7071"}, "http://evil.example:7071"),
        ({}, "http://evil.example:7071"),
    ],
)
def test_base_url(environment: dict[str, str], told: str) -> None:
    request = func.HttpRequest("GET", CALLED_AT, body=b"")

    assert base_url(request, Services(environment)) == told
