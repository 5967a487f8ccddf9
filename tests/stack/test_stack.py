"""The local stack as a newcomer meets it: `make start` and `make demo`, with real parts."""

import csv
import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import pytest
from azure.storage.queue import QueueClient

from devhost.stack.config import StackConfig, StackError
from devhost.stack.parts import parts
from tests.support.ports import free_ports

ROOT = Path(__file__).resolve().parents[2]
pytestmark = pytest.mark.timeout(180)


def environment(data: Path, **more: str) -> dict[str, str]:
    bridge, simulator, scoring, azurite, *_ = free_ports(6)
    return {
        **{name: value for name, value in os.environ.items() if not name.startswith(("BRIDGE_", "AZURITE_"))},
        "BRIDGE_PORT": str(bridge),
        "AZURITE_PORT": str(azurite),
        "SIMULATOR_PORT": str(simulator),
        "SCORING_PORT": str(scoring),
        "BRIDGE_DATA": str(data),
        **more,
    }


@contextmanager
def started(
    env: dict[str, str], terminal: int | IO[bytes] = subprocess.DEVNULL
) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """The stack and the address that its ready line names; its errors, and the app's output, go to `terminal`."""
    command = [sys.executable, "-m", "devhost.stack", "start"]
    with subprocess.Popen(command, cwd=ROOT, env=env, stdout=subprocess.PIPE, stderr=terminal, text=True) as stack:
        try:
            yield stack, read_ready_line(stack)
        finally:
            stack.send_signal(signal.SIGTERM)
            stack.wait(60)


def read_ready_line(stack: subprocess.Popen[str]) -> str:
    assert stack.stdout is not None
    for line in stack.stdout:
        if match := re.fullmatch(r"ready (http://127\.0\.0\.1:\d+)\n", line):
            return match[1]
    raise AssertionError("the stack ended without a ready line")


def call(method: str, url: str, body: object = None, key: str = "") -> tuple[int, Any]:
    content = None if body is None else json.dumps(body).encode()
    headers = {"Content-Type": "application/json", **({"x-functions-key": key} if key else {})}
    request = urllib.request.Request(url, content, headers, method=method)
    try:
        with urllib.request.urlopen(request, timeout=60) as response:
            return response.status, json.loads(response.read())
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.read()


def is_open(port: str) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", int(port))) == 0


SPANISH = {
    "values": [{"recordId": "1", "data": {"text": "Todos los seres humanos nacen libres e iguales en dignidad."}}]
}


@dataclass(frozen=True)
class Stack:
    env: Mapping[str, str]
    address: str


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """One for all that leave it running; in the end SIGTERM stops it well."""
    env = environment(tmp_path_factory.mktemp("stack"))
    with started(env) as (process, address):
        yield Stack(env, address)
        process.send_signal(signal.SIGTERM)
        assert process.wait(60) == 0


def test_start_serves_the_sample_skill(stack: Stack) -> None:
    status, answer = call("POST", f"{stack.address}/api/skills/language", SPANISH)

    assert status == 200
    assert answer["values"][0]["data"] == {"detected_language_code": "es"}


def test_the_first_refresh_message_finds_its_queue(stack: Stack) -> None:
    storage = StackConfig.from_environment(stack.env).storage

    with QueueClient.from_connection_string(storage, "workflow-refresh") as queue:
        queue.send_message("nothing-of-that-name")

    assert call("GET", f"{stack.address}/api/poison")[0] == 200


def test_the_terminal_and_the_log_have_a_line_a_request_and_a_signal_ends_every_part_in_silence(tmp_path: Path) -> None:
    terminal, env = tmp_path / "terminal", environment(tmp_path)

    with terminal.open("wb") as errors, started(env, errors) as (stack, address):
        definition = call("GET", f"{address}/api/skills/language")[1]
        assert call("PUT", f"{address}/api/skills/mine", definition)[0] == 201
        assert call("POST", f"{address}/api/skills/mine", SPANISH)[0] == 200
        stack.send_signal(signal.SIGINT)
        code = stack.wait(60)

    shown = terminal.read_text()
    assert code == 0
    names = ("BRIDGE_PORT", "AZURITE_PORT", "SIMULATOR_PORT", "SCORING_PORT")
    assert [name for name in names if is_open(env[name])] == []
    assert [word for word in ("Traceback", "Exception ignored", "Unclosed", "Logging error") if word in shown] == []
    assert shown == (tmp_path / "logs" / "bridge.log").read_text()
    assert shown.splitlines()[-1].endswith("Host.Startup: Stopping")
    assert len(re.findall(r"POST /api/skills/mine 200 \d+ ms\n", shown)) == 1
    assert re.findall(r"Executed 'Functions\.(?:put_skill|call_skill)'", shown) == []


@pytest.mark.slow
def test_two_stacks_run_side_by_side_and_a_restart_keeps_what_was_stored(stack: Stack, tmp_path: Path) -> None:
    first, other = environment(tmp_path), stack.address

    with started(first) as (_, one):
        definition = call("GET", f"{one}/api/skills/language")[1]
        assert call("PUT", f"{one}/api/skills/mine", definition)[0] == 201
        assert call("GET", f"{other}/api/skills/mine")[0] == 404

    with started(first) as (_, one):
        assert call("GET", f"{one}/api/skills/mine")[0] == 200


@pytest.mark.slow
def test_with_auth_on_a_call_needs_the_key_and_health_does_not(tmp_path: Path) -> None:
    env = environment(tmp_path, BRIDGE_AUTH="on", BRIDGE_KEY="a-key-of-this-test")

    with started(env) as (_, address):
        without = call("POST", f"{address}/api/skills/language", SPANISH)
        with_key = call("POST", f"{address}/api/skills/language", SPANISH, "a-key-of-this-test")
        health = call("GET", f"{address}/api/health")

    assert without == (401, b"")
    assert with_key[0] == 200
    assert health[0] == 200


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> str:
    """What `make demo` prints."""
    command = [sys.executable, "-m", "devhost.stack", "demo"]
    env = environment(tmp_path_factory.mktemp("demo"))
    run = subprocess.run(command, cwd=ROOT, env=env, capture_output=True, text=True, timeout=150, check=False)
    assert run.returncode == 0, run.stderr
    return run.stdout


def test_the_demo_names_languages_its_accuracy_and_what_is_wrong_with_the_broken_record(demo: str) -> None:
    right, all_of_them = map(int, re.search(r"(\d+) of (\d+) languages found", demo).groups())  # type: ignore[union-attr]
    assert all_of_them >= 60
    assert right / all_of_them > 0.95
    assert "text is empty" in demo


def test_the_demo_shows_the_consent_and_a_run_from_queued_to_succeeded(demo: str) -> None:
    told = re.findall(r"^ *([\d.]+) s  (\w+)", demo, re.MULTILINE)

    assert "The demo agrees to the consent" in demo
    assert [status for _, status in told] == ["queued", "running", "importing", "publishing", "succeeded"]
    assert [float(at) for at, _ in told] == sorted(float(at) for at, _ in told)
    assert re.search(r"^ *[\d.]+ s    job      Completed$", demo, re.MULTILINE)
    assert re.search(r"^ *[\d.]+ s    import   1 of 1 parts, 23,570 rows$", demo, re.MULTILINE)
    assert "23,570 rows in " in demo


def test_the_customer_s_row_of_the_demo_is_the_one_that_the_pipeline_wrote(demo: str, tmp_path: Path) -> None:
    customer = re.search(r"CustomerValue%3Ffilter%3DCustomerId%20eq%20'(\d{5})'", demo)
    shown = dict(re.findall(r"^  (\w+) +([\d.]+)$", demo, re.MULTILINE))

    assert customer is not None
    row = {name: float(value) for name, value in scores(tmp_path)[customer[1]].items()}
    assert (shown["CustomerId"], shown["customer_id"]) == (customer[1], customer[1])
    # The fit's last digits depend on how many threads the linear algebra has.
    assert {name: float(shown[name]) for name in row} == pytest.approx(row, rel=1e-5)
    assert (row["frequency"], row["average_order"]) == (145, 95.828288)


def scores(folder: Path) -> dict[str, dict[str, str]]:
    """Of each customer, by the pipeline's steps run by hand."""
    sample = ROOT / "samples" / "customer_value"
    purchases, summary, target = folder / "cdnow.csv", folder / "summary.csv", folder / "scores.csv"
    for command in (
        ["transactions.py", purchases],
        ["steps/summarize.py", "--transactions", purchases, "--summary", summary],
        ["steps/score.py", "--summary", summary, "--scores", target],
    ):
        script, *arguments = map(str, command)
        subprocess.run(
            [ROOT / ".venv-pipeline" / "bin" / "python", sample / script, *arguments], check=True, capture_output=True
        )
    with target.open(encoding="utf-8", newline="") as file:
        return {row.pop("customer_id"): row for row in csv.DictReader(file)}


def test_a_port_that_is_taken_is_named_with_the_variable_that_moves_it(tmp_path: Path) -> None:
    env = environment(tmp_path)
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", int(env["SCORING_PORT"])))
        taken.listen()
        command = [sys.executable, "-m", "devhost.stack", "start"]
        run = subprocess.run(command, cwd=ROOT, env=env, capture_output=True, text=True, timeout=60, check=False)

    assert run.returncode == 1
    assert (
        run.stderr
        == f"stack: port {env['SCORING_PORT']} is in use; stop what holds it, or set SCORING_PORT to another port\n"
    )


@pytest.mark.parametrize(
    ("variables", "message"),
    [
        ({"BRIDGE_PORT": "seven"}, "BRIDGE_PORT is 'seven'; a port is a number from 1 to 65533"),
        ({"AZURITE_PORT": "65534"}, "AZURITE_PORT is '65534'; a port is a number from 1 to 65533"),
        ({"BRIDGE_AUTH": "yes"}, "BRIDGE_AUTH is 'yes'; it is on or off"),
    ],
)
def test_a_variable_that_cannot_be_used_is_refused(variables: dict[str, str], message: str) -> None:
    with pytest.raises(StackError, match=re.escape(message)):
        StackConfig.from_environment(variables)


def test_core_tools_are_asked_for_only_where_they_are(tmp_path: Path) -> None:
    config = StackConfig.from_environment({"BRIDGE_DATA": str(tmp_path)})

    with pytest.raises(StackError, match="HOST=func needs Azure Functions Core Tools on the PATH"):
        parts(config, "func", which={"node": "/usr/bin/node"}.get)


def test_with_core_tools_on_the_path_they_run_the_app(tmp_path: Path) -> None:
    config = StackConfig.from_environment({"BRIDGE_DATA": str(tmp_path), "BRIDGE_PORT": "7999"})

    bridge = parts(config, "func", which={"node": "/usr/bin/node", "func": "/opt/func"}.get)[-1]

    assert bridge.command == ["/opt/func", "start", "--port", "7999"]
    assert bridge.environment["FUNCTIONS_WORKER_RUNTIME"] == "python"


@pytest.mark.parametrize("host", ["devhost", "func"])
@pytest.mark.parametrize(
    ("variables", "told"),
    [({}, ("off", None)), ({"BRIDGE_AUTH": "on", "BRIDGE_KEY": "a-key"}, ("on", "a-key"))],
    ids=["off", "on"],
)
def test_the_app_is_told_whether_keys_are_asked_for_and_which(
    tmp_path: Path, host: str, variables: dict[str, str], told: tuple[str, str | None]
) -> None:
    config = StackConfig.from_environment({"BRIDGE_DATA": str(tmp_path), **variables})

    environment = parts(config, host, which={"node": "/usr/bin/node", "func": "/opt/func"}.get)[-1].environment

    assert (environment["BRIDGE_AUTH"], environment.get("BRIDGE_KEY")) == told


README_COMMAND = re.compile(r"^curl .*?(?=^curl |^```)", re.MULTILINE | re.DOTALL)


def test_the_commands_of_the_readme_work_by_the_letter(stack: Stack) -> None:
    commands = README_COMMAND.findall((ROOT / "README.md").read_text(encoding="utf-8"))

    answers = [typed(command, stack.address) for command in commands]

    assert [answer.stderr + answer.stdout for answer in answers if answer.returncode] == []
    assert len(answers) == 7
    assert json.loads(answers[0].stdout)["values"][0]["data"] == {"detected_language_code": "es"}
    assert json.loads(answers[2].stdout)["documents"][0]["document"]["language"] == "de"
    row = json.loads(answers[6].stdout)["value"][0]
    assert (row["CustomerId"], row["frequency"]) == ("00001", 0)


def typed(command: str, address: str) -> "subprocess.CompletedProcess[str]":
    """The command as a reader would type it, who then waits for the run that it began."""
    line = command.replace("http://127.0.0.1:7071", address).replace("curl ", "curl -sS --fail-with-body ", 1)
    answer = subprocess.run(["bash", "-c", line], capture_output=True, text=True, timeout=60, check=False)
    if "run=true" in command and answer.returncode == 0:
        wait_for_run(f"{address}/api/runs/{json.loads(answer.stdout)['lastRun']['id']}")
    return answer


def wait_for_run(run: str) -> None:
    for _ in range(200):
        status = call("GET", run)[1]["status"]
        if status not in ("queued", "running", "importing", "publishing"):
            assert status == "succeeded"
            return
        time.sleep(0.5)
    raise AssertionError("the run does not end")
