"""The host of ours, `python -m devhost` in a process of its own (its CPU counts), and its storage."""

import contextlib
import functools
import os
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from benchmarks.gateway import Gateway

ROOT = Path(__file__).parents[1]
START_SECONDS = 60
STOP_SECONDS = 10
READY = "devhost ready "
ACCOUNT = "devstoreaccount1"
ACCOUNT_KEY = "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw=="
"""Azurite's own, the same everywhere and documented."""
AZURITE_OPTIONS = ("--inMemoryPersistence", "--silent", "--skipApiVersionCheck", "--disableTelemetry")
SETTINGS = {"ALLOW_LOOPBACK_SCORING": "true"}


@contextlib.contextmanager
def started_gateway() -> Iterator[Gateway]:
    """Azurite and the local host on free ports, stopped in the end."""
    with contextlib.ExitStack() as stack:
        scratch = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        storage = stack.enter_context(started_azurite(scratch))
        port = free_port()
        settings = {"BRIDGE_STORAGE": storage, "AzureWebJobsStorage": storage} | SETTINGS
        command = [sys.executable, "-m", "devhost", "--port", str(port)]
        host = stack.enter_context(started(command, scratch / "host.log", settings))
        wait_for(lambda: READY in (scratch / "host.log").read_text(), host, scratch / "host.log")
        yield Gateway(f"http://127.0.0.1:{port}", host.pid)


@contextlib.contextmanager
def started_azurite(scratch: Path) -> Iterator[str]:
    """A storage emulator in memory; gives its connection string."""
    ports = {service: free_port() for service in ("blob", "queue", "table")}
    command = [str(ROOT / "node_modules/.bin/azurite"), *AZURITE_OPTIONS]
    for service, port in ports.items():
        command += [f"--{service}Host", "127.0.0.1", f"--{service}Port", str(port)]
    with started(command, scratch / "azurite.log") as process:
        for port in ports.values():
            wait_for(functools.partial(is_open, port), process, scratch / "azurite.log")
        addresses = (f"{kind.title()}Endpoint=http://127.0.0.1:{port}/{ACCOUNT}" for kind, port in ports.items())
        account = ("DefaultEndpointsProtocol=http", f"AccountName={ACCOUNT}", f"AccountKey={ACCOUNT_KEY}")
        yield ";".join((*account, *addresses)) + ";"


@contextlib.contextmanager
def started(command: list[str], log: Path, settings: dict[str, str] | None = None) -> Iterator[subprocess.Popen[bytes]]:
    """A process with its output in a file (a pipe that nobody reads would block it); ended on leaving."""
    with log.open("wb") as output:
        environment = {**os.environ, **(settings or {})}
        process = subprocess.Popen(command, stdout=output, stderr=subprocess.STDOUT, cwd=ROOT, env=environment)
    try:
        yield process
    finally:
        process.terminate()
        try:
            process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def wait_for(ready: Callable[[], bool], process: subprocess.Popen[bytes], log: Path) -> None:
    """Wait until `ready()`; raises with the log's end if the process ends or takes too long."""
    until = time.monotonic() + START_SECONDS
    while not ready():
        if process.poll() is not None or time.monotonic() > until:
            raise RuntimeError(f"{process.args!r} did not get ready:\n{log.read_text(errors='replace')[-2000:]}")
        time.sleep(0.05)


def is_open(port: int) -> bool:
    """Whether something on 127.0.0.1 accepts connections there."""
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def free_port() -> int:
    """A port of 127.0.0.1 that was free a moment ago."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
