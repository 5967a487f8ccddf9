"""Microsoft's storage emulator, as the process it is: empty, in memory, on free ports."""

import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.support.ports import free_ports

ROOT = Path(__file__).parents[2]
ACCOUNT = "devstoreaccount1"
KEY = "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw=="
_OPTIONS = ("--inMemoryPersistence", "--silent", "--skipApiVersionCheck", "--loose", "--disableTelemetry")


@pytest.fixture(scope="session")
def azurite() -> Iterator[str]:
    """The connection string of an Azurite that the session shares."""
    with running_azurite() as connection:
        yield connection


@contextmanager
def running_azurite() -> Iterator[str]:
    """Yields its connection string."""
    ports = dict(zip(("blob", "queue", "table"), free_ports(3), strict=True))
    options = [part for service, port in ports.items() for part in (f"--{service}Port", str(port))]
    process = subprocess.Popen(
        [ROOT / "node_modules" / ".bin" / "azurite", *_OPTIONS, *options],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        for port in ports.values():
            wait_for_port(port)
        yield connection_string(blob=ports["blob"], queue=ports["queue"], table=ports["table"])
    finally:
        process.terminate()
        process.wait(30)


def connection_string(*, blob: int = 1, queue: int = 1, table: int = 1, key: str = KEY) -> str:
    return (
        f"DefaultEndpointsProtocol=http;AccountName={ACCOUNT};AccountKey={key};"
        f"BlobEndpoint=http://127.0.0.1:{blob}/{ACCOUNT};QueueEndpoint=http://127.0.0.1:{queue}/{ACCOUNT};"
        f"TableEndpoint=http://127.0.0.1:{table}/{ACCOUNT};"
    )


def wait_for_port(port: int, patience: float = 60) -> None:
    end = time.monotonic() + patience
    while time.monotonic() < end:
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.05)
    raise AssertionError(f"nothing listens on port {port} after {patience} s")
