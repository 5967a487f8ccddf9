"""The parts as processes: started together, watched, and stopped: all of ours, and only those."""

import contextlib
import os
import signal
import subprocess
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Sequence
from pathlib import Path
from types import FrameType, TracebackType
from typing import Self

from devhost.stack.config import ROOT, StackError, inherited_environment
from devhost.stack.parts import Part

_READY_SECONDS = 90.0
_STOP_SECONDS = 15.0  # the host gives HTTP calls five of them, then queue messages five
_POLL = 0.05
_TERMINAL = 2  # standard error: standard output has the stack's own few lines, for scripts to read


class Stopped(Exception):
    """A signal asked the stack to stop."""


class RunningStack:
    """A context: inside it, all parts run; outside, none does."""

    def __init__(self, parts: Sequence[Part], logs: Path, *, quiet: bool) -> None:
        self._parts = parts
        self._logs = logs
        self._quiet = quiet
        self._processes: dict[str, subprocess.Popen[bytes]] = {}
        self._shows: list[threading.Thread] = []
        self._all_ended = threading.Event()

    def __enter__(self) -> Self:
        self._logs.mkdir(parents=True, exist_ok=True)
        try:
            for part in self._parts:
                self._processes[part.name] = self._start(part)
            self._wait_until_ready()
        except BaseException:
            self.stop()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def _start(self, part: Part) -> subprocess.Popen[bytes]:
        """In a session of its own, so that a Ctrl-C reaches us alone, and we stop the parts in their order."""
        environment = inherited_environment() | part.environment
        with self._log(part).open("wb") as log:
            process = subprocess.Popen(
                part.command,
                cwd=ROOT,
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        if self._is_shown(part):
            show = threading.Thread(target=_show, args=(self._log(part), self._all_ended), daemon=True)
            show.start()
            self._shows.append(show)
        return process

    def _is_shown(self, part: Part) -> bool:
        return part.shows_output and not self._quiet

    def _log(self, part: Part) -> Path:
        return self._logs / f"{part.name}.log"

    def _wait_until_ready(self) -> None:
        until = time.monotonic() + _READY_SECONDS
        for part in self._parts:
            for address in part.answers_at:
                while not _answers(address):
                    self.check()
                    if time.monotonic() > until:
                        raise StackError(f"{part.name} does not answer after {_READY_SECONDS:.0f} s{self._tail(part)}")
                    time.sleep(_POLL)

    def check(self) -> None:
        """Raises StackError if a part has ended by itself."""
        for part in self._parts:
            code = self._processes[part.name].poll()
            if code is not None:
                raise StackError(f"{part.name} ended with code {code}{self._tail(part)}")

    def _tail(self, part: Part) -> str:
        if self._is_shown(part):
            return ""
        lines = self._log(part).read_text(encoding="utf-8", errors="replace").strip().splitlines()[-8:]
        return "".join(f"\n  {line}" for line in ["; its last words:", *lines]) if lines else ""

    def watch(self) -> None:
        """Until a part ends (StackError) or a signal comes (Stopped)."""
        while True:
            self.check()
            time.sleep(0.5)

    def stop(self) -> None:
        """The function app first, storage last, each when the one before has ended and needs it no more; what does
        not end in time is killed. No signal cuts it short."""
        _ignore_signals()
        until = time.monotonic() + _STOP_SECONDS
        for process in reversed(self._processes.values()):
            _signal(process, signal.SIGTERM)
            try:
                process.wait(max(0.1, until - time.monotonic()))
            except subprocess.TimeoutExpired:
                _signal(process, signal.SIGKILL)
                process.wait()
        self._all_ended.set()
        for show in self._shows:
            show.join(1)  # a terminal that takes nothing, as after Ctrl-S, keeps nobody


def _show(log: Path, ended: threading.Event) -> None:
    """Copy whole lines from `log` to the terminal as they come, the last ones too.

    Through the file rather than a pipe: the part never waits for the terminal, and the log has all even so."""
    with contextlib.suppress(OSError), log.open("rb") as source:  # the terminal may go
        rest = b""
        while True:
            is_over = ended.wait(_POLL)
            lines, newline, rest = (rest + source.read()).rpartition(b"\n")
            _write(lines + newline + (rest if is_over else b""))
            if is_over:
                return


def _write(content: bytes) -> None:
    """Past Python's buffer, whose lock a blocked write would keep from the rest of the stack."""
    while content:
        content = content[os.write(_TERMINAL, content) :]


def _signal(process: subprocess.Popen[bytes], number: signal.Signals) -> None:
    """To the part and what it started."""
    if process.poll() is None:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, number)


def _answers(address: str) -> bool:
    try:
        with urllib.request.urlopen(address, timeout=5) as response:  # noqa: S310  # our own loopback addresses
            return bool(response.status < 500)
    except urllib.error.HTTPError as error:
        return error.code < 500
    except OSError:
        return False


def be_stopped_by_signals() -> None:
    """SIGINT and SIGTERM raise Stopped; once it stops, another one changes nothing."""

    def stop(number: int, frame: FrameType | None) -> None:
        _ignore_signals()
        raise Stopped

    for each in (signal.SIGINT, signal.SIGTERM):
        signal.signal(each, stop)


def _ignore_signals() -> None:
    for each in (signal.SIGINT, signal.SIGTERM):
        signal.signal(each, signal.SIG_IGN)
