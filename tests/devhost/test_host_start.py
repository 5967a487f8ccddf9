"""What stops the host at start, in one line; and how it ends."""

import json
import signal
import socket
import time
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tests.devhost.running import eventually, hosting, run_host, starting

pytestmark = pytest.mark.slow  # processes that start and end many times over

HEAD = "import azure.functions as func\napp = func.FunctionApp()\n"
PING = (
    HEAD
    + """
@app.route(route="ping", auth_level="ANONYMOUS")
def ping(req: func.HttpRequest) -> func.HttpResponse:
    return func.HttpResponse("pong")
"""
)
SLOW = (
    PING
    + """
import asyncio
@app.route(route="slow", auth_level="ANONYMOUS")
async def slow(req: func.HttpRequest) -> func.HttpResponse:
    await asyncio.sleep(1)
    return func.HttpResponse("done")
"""
)
SESSION = (
    PING
    + """
import aiohttp
open_sessions = []
@app.route(route="session", auth_level="ANONYMOUS")
async def session(req: func.HttpRequest) -> func.HttpResponse:
    open_sessions.append(aiohttp.ClientSession())
    async with open_sessions[-1].get(req.params["url"]) as response:
        return func.HttpResponse(await response.read())
"""
)
STUCK = (
    PING
    + """
import time
@app.route(route="stuck", auth_level="ANONYMOUS")
def stuck(req: func.HttpRequest) -> func.HttpResponse:
    time.sleep(60)
"""
)


COMPLAINTS = ("Traceback", "Exception ignored", "Unclosed", "Logging error")


def write_app(folder: Path, code: str | None, host: Mapping[str, object] | None = None) -> Path:
    (folder / "host.json").write_text(json.dumps({"version": "2.0", **(host or {})}))
    if code is not None:
        (folder / "function_app.py").write_text(code)
    return folder


def queue_app(**binding: str) -> str:
    arguments = ", ".join(f"{name}={value!r}" for name, value in binding.items())
    return HEAD + f"@app.queue_trigger(arg_name='m', {arguments})\ndef q(m: func.QueueMessage) -> None: ...\n"


BROKEN: dict[str, tuple[str | None, str]] = {
    "no file": (None, "no function_app.py"),
    "no functions": (HEAD, "has no functions"),
    "no app": ("x = 1\n", "Could not find top level function app"),
    "two apps": (HEAD + "other = func.FunctionApp()\n", "More than one"),
    "missing module": ("import nothing_like_it\n" + HEAD, "No module named 'nothing_like_it'"),
    "error at import": (HEAD + "\n1 / 0\n", "division by zero (function_app.py:4)"),
    "exit at import": (HEAD + "\nraise SystemExit(5)\n", "called exit(5)"),
    "name mismatch": (PING.replace("ping(req", "ping(request"), "cannot load the ping function"),
    "same name": (PING + PING.removeprefix(HEAD), "ping"),
    "unknown trigger": (
        HEAD
        + "@app.blob_trigger(arg_name='b', path='x/y', connection='C')\ndef blob(b: func.InputStream) -> None: ...\n",
        "'blob': devhost does not do 'blobTrigger' bindings",
    ),
    "unknown output": (
        PING.replace(
            "def ping(req", "@app.blob_output(arg_name='o', path='x/y', connection='C')\ndef ping(o: func.Out[str], req"
        ),
        "does not do 'blob' bindings",
    ),
    "schedule": (
        HEAD
        + "@app.timer_trigger(arg_name='t', schedule='* * * * * 7')\ndef late(t: func.TimerRequest) -> None: ...\n",
        "'late': schedule: day of week '7'",
    ),
    "schedule setting": (
        HEAD + "@app.timer_trigger(arg_name='t', schedule='%WHEN%')\ndef late(t: func.TimerRequest) -> None: ...\n",
        "'%WHEN%' does not resolve",
    ),
    "no connection": (queue_app(queue_name="in", connection="Data"), "connection 'Data' has no value"),
    "queue name": (queue_app(queue_name="No_Queue", connection="C"), "cannot name a queue"),
    "constraint": (PING.replace('"ping"', '"ping/{x:what}"'), "the constraint 'what' is not known"),
    "built-in route": (PING.replace('"ping"', '"admin/ping"'), "conflicts with a built-in route"),
}


@pytest.fixture(scope="module")
def endings(tmp_path_factory: pytest.TempPathFactory) -> dict[str, tuple[int, str, str]]:
    """Two at a time: each is a process of its own."""

    def run(name: str) -> tuple[int, str, str]:
        folder = tmp_path_factory.mktemp("app")
        return run_host(write_app(folder, BROKEN[name][0]), C="UseDevelopmentStorage=true")

    with ThreadPoolExecutor(2) as pool:
        return dict(zip(BROKEN, pool.map(run, BROKEN), strict=True))


@pytest.mark.parametrize("name", BROKEN)
def test_an_app_that_cannot_run_ends_the_host_with_one_line_that_says_why(
    endings: dict[str, tuple[int, str, str]], name: str
) -> None:
    code, out, log = endings[name]

    assert code == 1
    assert out == ""
    assert BROKEN[name][1] in log.splitlines()[-1]  # what comes before are warnings of the library
    assert log.count("devhost: ") == 1
    assert "Traceback" not in log


def test_a_port_that_is_taken_ends_the_host(tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()

        code, _, log = run_host(write_app(tmp_path, PING), "--port", str(taken.getsockname()[1]))

    assert code == 1
    assert "cannot be had" in log


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_the_host_with_0_after_the_calls_in_flight(tmp_path: Path, how: signal.Signals) -> None:
    with hosting(write_app(tmp_path, SLOW, {"extensions": {"http": {"routePrefix": ""}}})) as host:
        with ThreadPoolExecutor(1) as pool:
            call = pool.submit(host.get, "/slow")
            eventually(lambda: host.lines("Executing 'Functions.slow'"))
            code = host.stop(how)

        assert code == 0
        assert call.result().body == b"done"
        assert not host.lines("Traceback")


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGTERM])
def test_sessions_that_the_app_has_open_end_with_the_host_and_without_a_word(
    tmp_path: Path, how: signal.Signals
) -> None:
    with hosting(write_app(tmp_path, SESSION)) as host:
        assert host.get(f"/api/session?url=http://127.0.0.1:{host.port}/api/ping").body == b"pong"

        code = host.stop(how)

    assert code == 0
    assert [line for line in host.log if any(complaint in line for complaint in COMPLAINTS)] == []


def test_a_call_that_outlasts_the_patience_is_503_and_leaves_no_trace(tmp_path: Path) -> None:
    app = write_app(tmp_path, SLOW.replace("sleep(1)", "sleep(60)"))
    with hosting(app) as host, ThreadPoolExecutor(1) as pool:
        call = pool.submit(host.get, "/api/slow")
        eventually(lambda: host.lines("Executing 'Functions.slow'"))

        code = host.stop(signal.SIGINT)

        assert call.result().status == 503
    assert code == 0
    assert [line for line in host.log if any(complaint in line for complaint in COMPLAINTS)] == []


def test_a_signal_while_the_app_loads_ends_the_host_with_0(tmp_path: Path) -> None:
    loading = tmp_path / "loading"
    app = write_app(tmp_path, f"import pathlib, time\npathlib.Path({str(loading)!r}).touch()\ntime.sleep(1)\n" + PING)
    with starting(app) as process:
        eventually(loading.exists)
        process.send_signal(signal.SIGINT)
        _, log = process.communicate(timeout=20)

    assert process.returncode == 0
    assert "Traceback" not in log


def test_a_sync_function_that_hangs_does_not_keep_the_host_from_ending(tmp_path: Path) -> None:
    with hosting(write_app(tmp_path, STUCK)) as host:
        host.hang_up(b"GET /api/stuck HTTP/1.1\r\nHost: h\r\n\r\n")
        eventually(lambda: host.lines("Executing 'Functions.stuck'"))
        started = time.monotonic()

        code = host.stop()

        assert code == 0
        assert time.monotonic() - started < 12


def test_the_app_runs_in_its_own_folder_with_its_local_settings(tmp_path: Path) -> None:
    code = PING.replace('"pong"', "os.environ['WORD'] + pathlib.Path('word.txt').read_text()")
    app = write_app(tmp_path, "import os, pathlib\n" + code)
    (app / "local.settings.json").write_text(json.dumps({"IsEncrypted": False, "Values": {"WORD": "from settings, "}}))
    (app / "word.txt").write_text("from its folder")

    with hosting(app) as host:
        assert host.get("/api/ping").body == b"from settings, from its folder"
