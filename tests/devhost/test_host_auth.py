"""Keys, as the real host asks for them: with BRIDGE_AUTH=on."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.devhost.running import SAMPLE, Host, hosting

HOST, MASTER = "the-host-key", "the-master-key"
FUNCTION_KEYS = {"keyed": {"default": "keyed-key", "caller": "second-key"}, "echo": {"default": "echo-key"}}


@pytest.fixture(scope="module")
def host(storage: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Host]:
    with hosting(
        SAMPLE,
        AzureWebJobsStorage=storage,
        BRIDGE_DATA=str(tmp_path_factory.mktemp("data")),
        BRIDGE_AUTH="on",
        BRIDGE_KEY=HOST,
        BRIDGE_MASTER_KEY=MASTER,
        BRIDGE_FUNCTION_KEYS=json.dumps(FUNCTION_KEYS),
        TICK="0 0 4 * * *",
        OUT_QUEUE="auth-out",
        AzureWebJobs_DOT_disabled_DOT_Disabled="1",
        AzureFunctionsWebHost__hostid="auth-tests",
    ) as host:
        yield host


@pytest.mark.parametrize(
    ("target", "key", "status"),
    [
        ("/api/echo/x", None, 200),
        ("/api/echo/x", "wrong", 200),
        ("/api/keyed", None, 401),
        ("/api/keyed", "wrong", 401),
        ("/api/keyed", "echo-key", 401),  # another function's
        ("/api/keyed", "keyed-key", 200),
        ("/api/keyed", "second-key", 200),
        ("/api/keyed", HOST, 200),
        ("/api/keyed", MASTER, 200),
        ("/api/master", HOST, 401),
        ("/api/master", MASTER, 200),
        ("/api/disabled", None, 404),
        ("/api/disabled", HOST, 404),
        ("/api/disabled", MASTER, 200),
        ("/api/nowhere", None, 404),
        ("/admin/host/ping", None, 200),
        ("/admin/host/status", HOST, 401),
        ("/admin/host/status", MASTER, 200),
        ("/admin/functions", None, 401),
    ],
)
def test_a_key_opens_what_its_level_allows(host: Host, target: str, key: str | None, status: int) -> None:
    by_header = host.call("GET", target, headers={"x-functions-key": key} if key else {})
    by_query = host.get(f"{target}?code={key or ''}")

    assert (by_header.status, by_query.status) == (status, status)
    assert status == 200 or by_header.body == by_query.body == b""


def test_the_header_wins_over_the_query(host: Host) -> None:
    assert host.call("GET", f"/api/keyed?code={HOST}", headers={"x-functions-key": "wrong"}).status == 401


OWN_KEY_APP = """
import os
import azure.functions as func
app = func.FunctionApp()

@app.route(route="keyed")
def keyed(req: func.HttpRequest) -> func.HttpResponse:
    return func.HttpResponse(os.environ["BRIDGE_KEY"])

@app.route(route="master", auth_level="ADMIN")
def master(req: func.HttpRequest) -> func.HttpResponse:
    return func.HttpResponse("in")
"""


def test_keys_that_are_not_set_are_made_and_told_once_to_the_app_too(tmp_path: Path) -> None:
    (tmp_path / "host.json").write_text('{"version": "2.0"}')
    (tmp_path / "function_app.py").write_text(OWN_KEY_APP)
    with hosting(tmp_path, BRIDGE_AUTH="on") as host:
        told = dict(line.removeprefix("devhost ").split("=", 1) for line in host.out if "KEY=" in line)

        assert sorted(told) == ["BRIDGE_KEY", "BRIDGE_MASTER_KEY"]
        assert len(told["BRIDGE_KEY"]) > 30
        assert host.get(f"/api/keyed?code={told['BRIDGE_KEY']}").body.decode() == told["BRIDGE_KEY"]
        assert host.get(f"/api/master?code={told['BRIDGE_MASTER_KEY']}").status == 200
