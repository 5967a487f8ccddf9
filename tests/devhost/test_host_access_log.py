"""`--access-log`: a line a request, and where the host's own two lines have gone."""

import json
from collections.abc import Iterator

import pytest

from tests.devhost.running import Host, eventually, hosting

APP = """
import azure.functions as func
app = func.FunctionApp(http_auth_level=func.AuthLevel.ANONYMOUS)

@app.route(route="items/{id}")
def item(req: func.HttpRequest) -> func.HttpResponse:
    return func.HttpResponse("ok")

@app.route(route="told/{id}")
def told(req: func.HttpRequest) -> func.HttpResponse:
    return func.HttpResponse("ok")

@app.route(route="fail")
def fail(req: func.HttpRequest) -> func.HttpResponse:
    raise ValueError("on purpose")
"""


@pytest.fixture(scope="module")
def host(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Host]:
    app = tmp_path_factory.mktemp("app")
    (app / "function_app.py").write_text(APP)
    (app / "host.json").write_text(
        json.dumps({"version": "2.0", "logging": {"logLevel": {"Function.told": "Debug"}}}),
    )
    with hosting(app, "--access-log") as host:
        yield host


@pytest.mark.parametrize(
    ("target", "line"),
    [
        ("/api/items/5?code=sentinel-key", "info Host.Http: GET /api/items/5 200 "),
        ("/api/items/6%3fcode%3Dsentinel-key", "info Host.Http: GET /api/items/6 200 "),
        ("/api/no%0Asuch", "info Host.Http: GET /api/no%0Asuch 404 "),
        ("/api/fail", "warn Host.Http: GET /api/fail 500 "),
    ],
)
def test_a_request_leaves_one_line_without_its_query(host: Host, target: str, line: str) -> None:
    host.get(target)

    assert eventually(lambda: len(host.lines(line)) == 1)
    assert not host.lines("Executing 'Functions.item'")
    assert not host.lines("Succeeded, ", "Functions.item")
    assert not host.lines("sentinel-key")


def test_a_function_that_raises_still_leaves_its_trace(host: Host) -> None:
    host.get("/api/fail")

    assert eventually(lambda: host.lines("fail Function.fail: Executed 'Functions.fail' (Failed"))
    assert host.lines("ValueError: on purpose")


def test_the_hosts_own_lines_are_debug_lines(host: Host) -> None:
    host.get("/api/told/5")

    assert eventually(lambda: host.lines("dbug Function.told: Executing 'Functions.told'"))
    assert eventually(lambda: host.lines("dbug Function.told: Executed 'Functions.told' (Succeeded"))
