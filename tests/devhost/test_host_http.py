"""The host at its door: what a caller over HTTP sees, with keys off as `func start` has it."""

import json
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tests.devhost.running import SAMPLE, Host, eventually, hosting

LIMIT = 50_000


@pytest.fixture(scope="module")
def host(storage: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Host]:
    with hosting(
        SAMPLE,
        AzureWebJobsStorage=storage,
        BRIDGE_DATA=str(tmp_path_factory.mktemp("data")),
        TICK="0 0 4 * * *",
        OUT_QUEUE="http-out",
        FUNCTIONS_REQUEST_BODY_SIZE_LIMIT=str(LIMIT),
        AzureWebJobs_DOT_disabled_DOT_Disabled="true",
        AzureFunctionsWebHost__hostid="http-tests",
    ) as host:
        yield host


def test_request_reaches_the_function_as_the_real_host_would_hand_it_in(host: Host) -> None:
    target = "/API/Echo/a%2Fb/%C3%A9%3F%41?x=1&y=&X=2&z=a%20b+c&q"

    echo = host.call("POST", target, b"hello", {"X-Name": "A", "Cookie": "c=1"}).json

    assert echo["method"] == "POST"
    assert echo["url"] == f"http://127.0.0.1:{host.port}/API/Echo/a%2Fb/%C3%A9%3FA?x=1&y=&X=2&z=a%20b+c&q"
    assert echo["route"] == {"rest": "a%2Fb/é?A"}
    assert echo["query"] == {"x": "1,2", "z": "a b c"}  # repeated ones joined, empty ones dropped
    assert echo["headers"]["x-name"] == "A"
    assert echo["headers"]["cookie"] == "c=1"
    assert echo["body"] == "hello"


def test_repeated_headers_are_joined_with_a_comma(host: Host) -> None:
    reply = host.raw(b"GET /api/echo/x HTTP/1.1\r\nHost: h\r\nA: 1\r\na: 2\r\nEmpty:\r\nConnection: close\r\n\r\n")

    echo = json.loads(reply.rpartition(b"\r\n\r\n")[2])
    assert echo["headers"]["a"] == "1,2"
    assert echo["headers"]["empty"] == ""


def test_a_chunked_body_reaches_the_function_empty_and_the_log_warns(host: Host) -> None:
    echo = host.call("POST", "/api/echo/chunked", iter([b"hello"])).json

    assert echo["body"] == ""
    assert eventually(lambda: host.lines("chunked body", "echo"))


@pytest.mark.parametrize(
    ("method", "target", "status"),
    [
        ("GET", "/api/items/5", 200),
        ("GET", "/api/items", 200),
        ("GET", "/api/items/", 200),
        ("GET", "/api/items/x", 404),
        ("PUT", "/api/items/5", 404),  # a wrong method is not a 405
        ("HEAD", "/api/items/5", 404),
        ("HEAD", "/api/echo/x", 200),
        ("GET", "/items/5", 404),
        ("GET", "/api/nowhere", 404),
        ("GET", "/api/disabled", 404),
        ("GET", "/api/keyed", 200),
        ("GET", "/api/master", 200),
        ("GET", "/api/fail", 500),
        ("GET", "/api/nothing", 500),
        ("GET", "/api/exit", 500),
        ("GET", "/api/exitasync", 500),
        ("GET", "/api/cancelled", 500),
        ("GET", "/api/badheader", 500),
        ("GET", "/api/nocontent", 204),
        ("GET", "/api/echo/" + "x" * 8200, 414),
    ],
)
def test_status_and_an_empty_body_where_the_host_itself_answers(
    host: Host, method: str, target: str, status: int
) -> None:
    reply = host.call(method, target)

    assert reply.status == status
    assert status == 200 or reply.body == b""


def test_route_values_that_are_absent_are_left_out(host: Host) -> None:
    assert host.get("/api/items").json == {}
    assert host.get("/api/items/7").json == {"id": "7"}


def test_one_path_leads_to_the_function_of_its_method(host: Host) -> None:
    reply = host.call("POST", "/api/items/5", b'{"a": 1}')

    assert (reply.status, reply.json) == (201, {"made": {"a": 1}})


@pytest.mark.parametrize(("size", "status"), [(LIMIT, 200), (LIMIT + 1, 413)])
def test_body_over_the_limit_is_413(host: Host, size: int, status: int) -> None:
    reply = host.call("POST", "/api/echo/x", b"x" * size)

    assert reply.status == status
    assert status == 200 or reply.body == b""


def test_cookies_are_headers_of_their_own_and_other_repeated_headers_collapse(host: Host) -> None:
    reply = host.get("/api/cookies")

    assert reply.headers.get_all("set-cookie") == [
        "a=1; max-age=60; path=/; secure; samesite=strict; httponly",
        "b=two%20words; expires=Wed, 01 Jan 2031 10:00:00 GMT; domain=example.org",
    ]
    assert reply.headers.get_all("x-twice") == ["1"]
    assert reply.headers["content-type"] == "text/plain; charset=utf-8"
    assert reply.body == b"ok"


def test_bytes_come_back_as_they_are(host: Host) -> None:
    reply = host.get("/api/bytes")

    assert (reply.status, reply.body) == (206, bytes(range(256)))
    assert reply.headers["content-type"] == "application/octet-stream"


@pytest.mark.parametrize(
    ("returned", "status", "body"),
    [
        (b"hello", 200, b"hello"),
        (b'{"body": "x", "status": 418}', 418, b"x"),
        (b'{"a": 1}', 200, b'{\n  "a": 1\n}'),
        (b'"quoted"', 200, b"quoted"),
    ],
)
def test_a_returned_str_is_read_as_json_where_it_is_some(host: Host, returned: bytes, status: int, body: bytes) -> None:
    reply = host.call("POST", "/api/text", returned)

    assert (reply.status, reply.body) == (status, body)


def test_the_callers_trace_goes_on_and_without_one_a_new_one_begins(host: Host) -> None:
    parent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"

    assert host.get("/api/echo/x", traceparent=parent).json["trace"] == parent
    assert host.get("/api/echo/x", traceparent="nonsense").json["trace"].startswith("00-")


def test_each_call_has_an_id_and_its_two_log_lines(host: Host) -> None:
    invocation: str = host.get("/api/echo/x").json["invocation"]

    lines = eventually(lambda: found if len(found := host.lines(invocation)) == 2 else [])
    assert "Executing 'Functions.echo' (Reason='This function was programmatically called" in lines[0]
    assert f"Executed 'Functions.echo' (Succeeded, Id={invocation}, Duration=" in lines[1]


def test_the_apps_own_log_lines_bear_the_function_and_the_librarys_are_left_out(host: Host) -> None:
    host.get("/api/log")

    assert eventually(lambda: host.lines("Function.log.User", "a line of the app"))
    assert not host.lines("Function Type")


def test_function_that_runs_too_long_is_500_and_the_log_says_what_azure_would_do(host: Host) -> None:
    started = time.monotonic()

    reply = host.get("/api/sleep?for=30")

    assert (reply.status, reply.body) == (500, b"")
    assert 1.5 < time.monotonic() - started < 6
    assert eventually(lambda: host.lines("restarts the whole worker process"))


def test_a_background_task_that_exits_does_not_end_the_host(host: Host) -> None:
    assert host.get("/api/exitlater").status == 200

    assert eventually(lambda: host.lines("background task of the app called exit"))
    assert host.get("/api/echo/x").status == 200


def test_an_async_function_that_blocks_does_not_freeze_the_host(host: Host) -> None:
    with ThreadPoolExecutor(1) as pool:
        blocking = pool.submit(host.get, "/api/block?for=1")
        time.sleep(0.2)
        started = time.monotonic()
        ping = host.get("/admin/host/ping")
        took = time.monotonic() - started

        assert (ping.status, ping.body) == (200, b"")
        assert took < 0.7
        assert blocking.result().status == 200


def test_sync_functions_run_side_by_side(host: Host) -> None:
    started = time.monotonic()

    with ThreadPoolExecutor(4) as pool:
        replies = list(pool.map(host.get, ["/api/blocksync?for=0.5"] * 4))

    assert [reply.status for reply in replies] == [200] * 4
    assert time.monotonic() - started < 1.7


def test_calls_over_the_outstanding_limit_are_429(host: Host) -> None:
    with ThreadPoolExecutor(30) as pool:
        replies = list(pool.map(host.get, ["/api/sleep?for=0.7"] * 30))

    statuses = sorted(reply.status for reply in replies)
    assert statuses == [200] * 20 + [429] * 10  # host.json: maxOutstandingRequests
    assert all(reply.body == b"" for reply in replies if reply.status == 429)


def test_a_caller_who_goes_away_is_harmless(host: Host) -> None:
    host.hang_up(b"GET /api/sleep?for=0.3 HTTP/1.1\r\nHost: h\r\n\r\n")
    host.hang_up(b"POST /api/echo/x HTTP/1.1\r\nHost: h\r\nContent-Length: 100\r\n\r\nhalf")
    threading.Event().wait(0.6)

    assert host.get("/api/echo/x").status == 200
    assert not host.lines("devhost failed")


def test_root_is_the_hosts_page(host: Host) -> None:
    page = host.get("/")

    assert page.status == 200
    assert b"up and running" in page.body


def test_admin_tells_status_and_functions(host: Host) -> None:
    status, functions = host.get("/admin/host/status"), host.get("/admin/functions")

    assert status.json["state"] == "Running"
    assert status.json["id"] == "http-tests"
    listed = {function["name"]: function for function in functions.json}
    assert listed["item"]["invoke_url_template"].endswith("/api/items/{id:int?}")
    assert listed["disabled"]["isDisabled"] is True
    assert listed["tick"]["config"]["bindings"][0]["type"] == "timerTrigger"


@pytest.mark.parametrize(
    ("method", "target", "body", "status"),
    [
        ("POST", "/admin/functions/nightly", b'{"input": ""}', 202),
        ("POST", "/admin/functions/NIGHTLY", b"{}", 202),
        ("POST", "/admin/functions/nightly", b"no json", 400),
        ("POST", "/admin/functions/nobody", b"{}", 404),
        ("POST", "/admin/functions/nightly", b" " * 2_000_000, 413),
        ("POST", "/admin/functions/echo", b"{}", 400),
        ("GET", "/admin/functions/nobody", None, 404),
        ("GET", "/admin/what", None, 404),
    ],
)
def test_admin_runs_a_function_by_hand(host: Host, method: str, target: str, body: bytes | None, status: int) -> None:
    reply = host.call(method, target, body)

    assert (reply.status, reply.body) == (status, b"")


def test_a_timer_run_by_hand_is_not_past_due(host: Host) -> None:
    before = len(host.seen("nightly"))

    host.call("POST", "/admin/functions/nightly", b'{"input": ""}')

    calls = eventually(lambda: host.seen("nightly")[before:])
    assert calls[0]["pastDue"] is False
    assert calls[0]["status"]["Next"].endswith("T03:00:00+00:00")


def test_the_ready_line_and_the_functions_are_printed(host: Host) -> None:
    assert f"devhost ready http://127.0.0.1:{host.port}" in host.out
    assert f"        item: [GET] http://127.0.0.1:{host.port}/api/items/{{id:int?}}" in host.out
    assert "        forward: queueTrigger in-q" in host.out
    assert [line for line in host.out if line.endswith("/api/disabled (disabled)")]


def test_no_homepage_where_it_is_disabled_and_quiet_is_quiet(storage: str, tmp_path: Path) -> None:
    with hosting(
        SAMPLE,
        "--quiet",
        AzureWebJobsStorage=storage,
        BRIDGE_DATA=str(tmp_path),
        TICK="0 0 4 * * *",
        OUT_QUEUE="http-out",
        AzureWebJobsDisableHomepage="true",
    ) as quiet:
        reply = quiet.get("/")

    assert (reply.status, reply.body) == (204, b"")
    assert quiet.out == [f"devhost ready http://127.0.0.1:{quiet.port}"]
    assert quiet.log == []


ASGI_APP = """
import azure.functions as func
from starlette.applications import Starlette
from starlette.responses import PlainTextResponse
from starlette.routing import Route

async def hello(request):
    return PlainTextResponse(f"hello {request.path_params['name']}")

app = func.AsgiFunctionApp(Starlette(routes=[Route("/hello/{name}", hello)]), http_auth_level="ANONYMOUS")
"""


def test_an_asgi_app_is_served_at_the_root(tmp_path: Path) -> None:
    (tmp_path / "host.json").write_text('{"version": "2.0", "extensions": {"http": {"routePrefix": ""}}}')
    (tmp_path / "function_app.py").write_text(ASGI_APP)

    with hosting(tmp_path) as asgi:
        assert asgi.get("/hello/you").body == b"hello you"
        assert asgi.get("/nowhere").status == 404
        assert asgi.get("/").body == b"Not Found"  # a function has taken the host's page
