"""A scoring endpoint on loopback that is never the bottleneck: in C where a compiler is, else on uvloop.

Both serve the same: `POST /d/<ms>` (a fixed delay), `POST /tail` (10 ms, every 20th request 200 ms),
`POST /reset` (the count of `/tail` starts anew). Every answer carries the CRC-32 of its record as "digest",
so that order can be checked.
"""

import hashlib
import http.client
import os
import shutil
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Self

HERE = Path(__file__).parent
BUILD = HERE.parent / ".build"
STOP_SECONDS = 5


@dataclass(frozen=True)
class Endpoint:
    """A running endpoint; leaving its `with` stops it."""

    kind: str  # "C" or "uvloop"
    port: int
    process: subprocess.Popen[str]

    def url(self, path: str) -> str:
        """The address of `path`, which starts with a slash."""
        return f"http://127.0.0.1:{self.port}{path}"

    def reset(self) -> None:
        """Let `/tail` start its sequence anew, so that every variant meets the same tail."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=10)
        try:
            connection.request("POST", "/reset", b"{}")
            if connection.getresponse().status != 200:
                raise RuntimeError("the endpoint did not reset")
        finally:
            connection.close()

    def stop(self) -> None:
        """End the process, by force if it does not go."""
        self.process.terminate()
        try:
            self.process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        if self.process.stdout:
            self.process.stdout.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()


def start_endpoint(kind: str | None = None, port: int = 0) -> Endpoint:
    """Start the endpoint ("C", "uvloop", or what this machine can do) on 127.0.0.1; port 0: any free one."""
    binary = None if kind == "uvloop" else compiled()
    if binary is None and kind == "C":
        raise RuntimeError("no C compiler that can build the endpoint")
    command = [str(binary)] if binary else [sys.executable, "-m", f"{__name__}.fallback"]
    process = subprocess.Popen([*command, str(port)], stdout=subprocess.PIPE, text=True, cwd=HERE.parents[1])
    endpoint = Endpoint("C" if binary else "uvloop", 0, process)
    line = process.stdout.readline() if process.stdout else ""
    if not line.startswith("listening "):
        endpoint.stop()
        raise RuntimeError(f"the {endpoint.kind} endpoint did not start on port {port}")
    return Endpoint(endpoint.kind, int(line.split()[1]), process)


def compiled() -> Path | None:
    """The C endpoint, built if its source changed; None where it cannot be built."""
    source = HERE / "endpoint.c"
    compiler = shutil.which(os.environ.get("CC", "cc")) or shutil.which("gcc")
    binary = BUILD / f"endpoint-{hashlib.sha256(source.read_bytes()).hexdigest()[:12]}"
    if binary.exists() or compiler is None:
        return binary if binary.exists() else None
    BUILD.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory(dir=BUILD) as scratch:
        made = Path(scratch) / "endpoint"
        done = subprocess.run([compiler, "-O2", "-o", made, source], capture_output=True, text=True, check=False)
        if done.returncode:
            print(f"the C endpoint does not build here:\n{done.stderr[:500]}", file=sys.stderr)
            return None
        made.replace(binary)  # whole or not at all: another run may build it too
    return binary
