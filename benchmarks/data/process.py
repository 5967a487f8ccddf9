"""A variant in a process of its own, so that wall, CPU and memory are its alone: driven over a pipe."""

import asyncio
import multiprocessing
import re
import time
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

from benchmarks.measure import Sample

STOP_SECONDS = 5
type Opened = AbstractAsyncContextManager[Callable[[], Any]]


@dataclass(frozen=True)
class Result:
    """What a run took, and the most memory that its process has ever held, in MB."""

    sample: Sample
    peak_mb: float


class Worker:
    """Runs jobs of one kind, `variant`, one after the other."""

    def __init__(self, variant: str) -> None:
        context = multiprocessing.get_context("spawn")
        self._pipe, theirs = context.Pipe()
        self._process = context.Process(target=serve, args=(variant, theirs), daemon=True)
        self._process.start()
        theirs.close()

    def run(self, job: Any) -> Result:
        self.start(job)
        return self.result()

    def start(self, job: Any) -> None:
        self._pipe.send(job)

    def result(self) -> Result:
        """Raises RuntimeError with what failed in the process."""
        result = self._pipe.recv()
        if isinstance(result, Result):
            return result
        raise RuntimeError(result)

    def close(self) -> None:
        self._pipe.close()
        self._process.join(STOP_SECONDS)
        if self._process.is_alive():
            self._process.kill()
            self._process.join()
        self._process.close()


def serve(variant: str, pipe: Connection) -> None:
    """The child's loop: a job in, a result or the text of what failed out, until the pipe closes."""
    from benchmarks.data.variants import VARIANTS  # only here: the driver needs none of the clients

    while True:
        try:
            job = pipe.recv()
        except (EOFError, KeyboardInterrupt):
            return
        try:
            pipe.send(asyncio.run(timed(VARIANTS[variant](job))))
        except Exception as problem:  # noqa: BLE001 - the process' rim: the driver raises it
            pipe.send(f"{variant}: {type(problem).__name__}: {problem}")


async def timed(opened: Opened) -> Result:
    """The clocks run from a prepared client to the last row."""
    async with opened as work:
        wall, cpu = time.perf_counter(), time.process_time()
        rows = await work()
        return Result(Sample(time.perf_counter() - wall, time.process_time() - cpu, rows), peak_mb())


def peak_mb() -> float:
    """Linux only."""
    found = re.search(r"VmHWM:\s+(\d+) kB", Path("/proc/self/status").read_text())
    assert found
    return int(found[1]) / 1024
