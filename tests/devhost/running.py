"""Runs the real host, and Azurite, as the processes that they are."""

import http.client
import json
import os
import queue
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any

from devhost.connections import AZURITE_KEY
from tests.support.ports import free_ports

ROOT = Path(__file__).parents[2]
SAMPLE = Path(__file__).parent / "apps" / "sample"
READY = "devhost ready "
_PATIENCE = 60.0
"""Seconds for what takes one on a quiet machine: a loaded one is no failure of what is tested."""


@dataclass(frozen=True)
class Reply:
    status: int
    headers: http.client.HTTPMessage
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)


@dataclass
class Host:
    process: subprocess.Popen[str]
    port: int = 0
    out: list[str] = field(default_factory=list)
    log: list[str] = field(default_factory=list)

    def call(
        self,
        method: str,
        target: str,
        body: bytes | Iterator[bytes] | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> Reply:
        """The target goes out as it stands; an iterator as body goes out in chunks."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=_PATIENCE)
        try:
            connection.request(
                method, target, body, dict(headers or {}), encode_chunked=not isinstance(body, bytes | None)
            )
            response = connection.getresponse()
            return Reply(response.status, response.headers, response.read())
        finally:
            connection.close()

    def get(self, target: str, **headers: str) -> Reply:
        return self.call("GET", target, headers={name.replace("_", "-"): value for name, value in headers.items()})

    def raw(self, request: bytes) -> bytes:
        """Bytes as they stand, for what no client library would send; the request must close."""
        with socket.create_connection(("127.0.0.1", self.port), timeout=_PATIENCE) as connection:
            connection.sendall(request)
            return b"".join(iter(lambda: connection.recv(65536), b""))

    def hang_up(self, request: bytes) -> None:
        with socket.create_connection(("127.0.0.1", self.port)) as connection:
            connection.sendall(request)
            time.sleep(0.1)

    def lines(self, *parts: str) -> list[str]:
        """Those of the log that have all of `parts`."""
        return [line for line in self.log if all(part in line for part in parts)]

    def seen(self, name: str) -> list[Any]:
        found: list[Any] = self.get(f"/api/seen/{name}").json
        return found

    def stop(self, how: signal.Signals = signal.SIGTERM) -> int:
        self.process.send_signal(how)
        return self.process.wait(_PATIENCE)


def run_host(app: Path, *options: str, **env: str) -> tuple[int, str, str]:
    """Until it ends by itself: its exit code and what it printed."""
    done = subprocess.run(
        [sys.executable, "-m", "devhost", "--app", str(app), "--port", "0", *options],
        cwd=ROOT,
        env=clean_env(env),
        capture_output=True,
        text=True,
        timeout=_PATIENCE,
        check=False,
    )
    return done.returncode, done.stdout, done.stderr


def starting(app: Path, *options: str, **env: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "devhost", "--app", str(app), "--port", "0", *options],
        cwd=ROOT,
        env=clean_env(env),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


@contextmanager
def hosting(app: Path, *options: str, **env: str) -> Iterator[Host]:
    process = starting(app, *options, **env)
    host = Host(process)
    ready: queue.Queue[str] = queue.Queue()
    readers = [
        threading.Thread(target=read_lines, args=(process.stdout, host.out, ready)),
        threading.Thread(target=read_lines, args=(process.stderr, host.log, None)),
    ]
    try:
        for reader in readers:
            reader.start()
        line = ready.get(timeout=_PATIENCE)
        if not line:
            readers[1].join()
            raise AssertionError("the host ended before it was ready: " + "\n".join(host.log))
        host.port = int(line.rpartition(":")[2])
        yield host
    finally:
        if process.poll() is None:
            process.terminate()
        end(process, patience=_PATIENCE)
        for reader in readers:
            reader.join()


def end(process: "subprocess.Popen[Any]", patience: float) -> None:
    """Leaves no process behind, also where the host under test does not end by itself."""
    try:
        process.wait(patience)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
        raise


def read_lines(stream: IO[str] | None, lines: list[str], ready: "queue.Queue[str] | None") -> None:
    if stream is None:
        return
    with stream:
        for line in stream:
            lines.append(line.rstrip())
            if ready and line.startswith(READY):
                ready.put(line.strip())
    if ready:
        ready.put("")  # the end of the output


def clean_env(env: Mapping[str, str]) -> dict[str, str]:
    """Nothing of the machine's own settings, so that a test says all there is."""
    inherited = {name: value for name, value in os.environ.items() if not name.startswith(("BRIDGE_", "Azure"))}
    given = {name.replace("_DOT_", "."): value for name, value in env.items()}
    return {**inherited, **given}


def eventually[T](ask: Callable[[], T], patience: float = _PATIENCE) -> T:
    """The first answer that is true in Python's sense."""
    end = time.monotonic() + patience
    while not (found := ask()):
        if time.monotonic() > end:
            raise AssertionError(f"not in {patience} s: last answer {found!r}")
        time.sleep(0.05)
    return found


@contextmanager
def azurite() -> Iterator[str]:
    """An empty one, in memory; yields its connection string."""
    blob, queues, tables = free_ports(3)
    process = subprocess.Popen(
        [
            *(ROOT / "node_modules" / ".bin" / "azurite", "--silent", "--loose", "--skipApiVersionCheck"),
            *("--inMemoryPersistence", "--disableTelemetry", "--blobPort", str(blob), "--queuePort", str(queues)),
            *("--tablePort", str(tables)),
        ],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        eventually(lambda: listens(blob) and listens(queues))
        yield (
            f"DefaultEndpointsProtocol=http;AccountName=devstoreaccount1;AccountKey={AZURITE_KEY};"
            f"BlobEndpoint=http://127.0.0.1:{blob}/devstoreaccount1;"
            f"QueueEndpoint=http://127.0.0.1:{queues}/devstoreaccount1;"
        )
    finally:
        process.terminate()
        end(process, patience=_PATIENCE)


def listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0
