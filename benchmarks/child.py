"""A peer in a process of its own, so that wall and CPU are its alone: started once, driven over a pipe."""

import multiprocessing
import zlib
from collections.abc import Sequence
from multiprocessing.connection import Connection
from typing import Any

from benchmarks.measure import Job, Sample, measured

STOP_SECONDS = 5


class PeerProcess:
    """Runs jobs on one peer of `peers.PEERS` in a fresh, long-lived process."""

    def __init__(self, name: str) -> None:
        context = multiprocessing.get_context("spawn")
        self._pipe, theirs = context.Pipe()
        self._process = context.Process(target=serve, args=(name, theirs), daemon=True)
        self._process.start()
        theirs.close()

    def run(self, job: Job) -> Sample:
        """Score the job's records; the clocks run from the first call to the last parsed answer."""
        self._pipe.send(job)
        result = self._pipe.recv()
        if isinstance(result, Sample):
            return result
        raise RuntimeError(result)

    def close(self) -> None:
        self._pipe.close()
        self._process.join(STOP_SECONDS)
        if self._process.is_alive():
            self._process.kill()
            self._process.join()
        self._process.close()


def serve(name: str, pipe: Connection) -> None:
    """The child's loop: a job in, a sample or the text of what failed out, until the pipe closes."""
    from benchmarks.peers import PEERS  # only here: the driver needs none of the clients

    while True:
        try:
            job: Job = pipe.recv()
        except (EOFError, KeyboardInterrupt):
            return
        try:
            pipe.send(scored(PEERS[name], job))
        except Exception as problem:  # noqa: BLE001 - the process' rim: the driver raises it
            pipe.send(f"{name}: {type(problem).__name__}: {problem}")


def scored(peer: Any, job: Job) -> Sample:
    """One timed run; its answers are checked after the clocks have stopped."""
    answers: list[Any] = []
    wall, cpu = measured(lambda: answers.extend(peer(job.records, job.url, job.parallelism)))
    check_order([answer["digest"] for answer in answers], job.records)
    return Sample(wall, cpu, len(job.records))


def check_order(digests: Sequence[str], records: Sequence[bytes]) -> None:
    """Raise unless every record has its own answer at its own place."""
    expected = [f"{zlib.crc32(record):08x}" for record in records]
    if list(digests) != expected:
        wrong = sum(mine != theirs for mine, theirs in zip(digests, expected, strict=False))
        raise ValueError(f"{len(digests)} answers for {len(records)} records, {wrong} of them another record's")
