"""The mock Table service as a process of its own."""

import http.client
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import orjson

from benchmarks.host import ACCOUNT, ACCOUNT_KEY

ROOT = Path(__file__).parents[2]
STOP_SECONDS = 5


@dataclass(frozen=True)
class TableService:
    """A running service."""

    port: int
    pid: int

    @property
    def connection(self) -> str:
        return (
            f"DefaultEndpointsProtocol=http;AccountName={ACCOUNT};AccountKey={ACCOUNT_KEY};"
            f"TableEndpoint=http://127.0.0.1:{self.port}/{ACCOUNT};"
        )

    def reset(self, *, limited: bool = False, keep: bool = False) -> None:
        """Empty it; `limited` as an account is, `keep` rows for reading."""
        modes = [name for name, wanted in (("limited", limited), ("keep", keep)) if wanted]
        self._exchange("POST", f"/_reset?{'&'.join(f'{mode}=1' for mode in modes)}")

    def requests(self) -> dict[str, int]:
        """Seen since the reset, by kind; what was refused also by its error code."""
        return dict(self._stats()["requests"])

    def refused(self) -> dict[str, int]:
        """How often each limit was met."""
        return dict(self._stats()["refused"])

    def rows(self, table: str) -> dict[str, int]:
        """Written, by partition."""
        return dict(self._stats()["tables"].get(table, {}))

    def _stats(self) -> dict[str, Any]:
        found: dict[str, Any] = orjson.loads(self._exchange("GET", "/_stats"))
        return found

    def _exchange(self, method: str, path: str) -> bytes:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)
        try:
            connection.request(method, path)
            return connection.getresponse().read()
        finally:
            connection.close()


@contextmanager
def started_table_service() -> Iterator[TableService]:
    """On a free port; stopped in the end."""
    command = [sys.executable, "-m", "benchmarks.data.table_service"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=ROOT, env={**os.environ})
    try:
        line = process.stdout.readline() if process.stdout else ""
        if not line.startswith("listening "):
            raise RuntimeError("the Table service did not start")
        yield TableService(int(line.split()[1]), process.pid)
    finally:
        process.terminate()
        try:
            process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        if process.stdout:
            process.stdout.close()
