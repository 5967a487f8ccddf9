"""Where runs and parts lie, in memory, with the conditional writes of the real stores; and a process that dies."""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import Any, cast

from shared.errors import StorageUnavailable
from shared.workflows.catalog import StoredWorkflow
from shared.workflows.part_ledger import PartEntry
from shared.workflows.refreshing import Claim, RunFilter, RunPage, StoredRun
from shared.workflows.runs import Run


class Killed(BaseException):
    """The process is no more: no `except Exception` sees it."""


@dataclass
class Life:
    """Counts what a process does to the world, and ends it before or after the nth time."""

    dies_at: int | None = None
    is_done: bool = False
    """It dies when the effect has happened; else just before."""
    effects: list[str] = field(default_factory=list)

    @contextmanager
    def effect(self, name: str) -> Iterator[None]:
        is_last = len(self.effects) == self.dies_at
        self.effects.append(name)
        if is_last and not self.is_done:
            raise Killed(f"before {name}")
        yield
        if is_last:
            raise Killed(f"after {name}")


class _Mortal:
    def __init__(self, inner: Any, life: Life, writes: Sequence[str]) -> None:
        self._inner = inner
        self._life = life
        self._writes = writes

    def __getattr__(self, name: str) -> Any:
        inner = getattr(self._inner, name)
        if name not in self._writes:
            return inner

        async def write(*args: Any, **named: Any) -> Any:
            with self._life.effect(f"{type(self._inner).__name__}.{name}"):
                return await inner(*args, **named)

        return write


def mortal[T](inner: T, life: Life, *writes: str) -> T:
    """`inner`, but each of these methods may be the last that the process does."""
    return cast(T, _Mortal(inner, life, writes))


@dataclass
class MemoryRuns:
    """Runs, claims and operation ids; all of a write or nothing of it."""

    runs: dict[str, tuple[Run, str]] = field(default_factory=dict)
    claimed: dict[str, Claim] = field(default_factory=dict)
    operations: dict[tuple[str, str], str] = field(default_factory=dict)
    alive: set[str] = field(default_factory=set)
    writes: int = 0
    latency: Callable[[], float] = lambda: 0
    """Of an answer, in seconds: who asked may be told what is no more so."""
    is_away: bool = False

    async def get(self, run: str) -> StoredRun | None:
        found = StoredRun(*self.runs[run]) if run in self.runs else None
        await self._travel()
        return found

    async def claim_of(self, workflow: str) -> Claim:
        found = self.claimed.get(workflow.lower(), Claim(workflow))
        await self._travel()
        return found

    async def claims(self) -> Sequence[Claim]:
        return [claim for _, claim in sorted(self.claimed.items())]

    async def run_of(self, workflow: str, operation_id: str) -> str | None:
        found = self.operations.get((workflow.lower(), operation_id))
        await self._travel()
        return found

    async def begin(self, run: Run, claim: Claim) -> bool:
        await self._travel()
        operation = (run.workflow.lower(), run.trigger.operation_id or "")
        if run.id in self.runs or not self._is_current(claim) or operation in self.operations:
            return False
        self._write(run, claim)
        self.alive.add(run.id)
        if run.trigger.operation_id is not None:
            self.operations[operation] = run.id
        return True

    async def note(self, run: Run, operation_id: str) -> None:
        await self._travel()
        self.operations.setdefault((run.workflow.lower(), operation_id), run.id)

    async def save(self, run: Run, version: str, claim: Claim | None = None, *, settles: bool = False) -> bool:
        await self._travel()
        if self.runs.get(run.id, (None, None))[1] != version or not self._is_current(claim):
            return False
        if settles and run.id not in self.alive:
            return False
        self._write(run, claim)
        if settles:
            self.alive.remove(run.id)
        return True

    async def live(self) -> AsyncIterator[str]:
        for run in sorted(self.alive):
            yield run

    async def list(self, chosen: RunFilter, *, size: int, token: str | None = None) -> RunPage:
        found = sorted((run for run, _ in self.runs.values()), key=lambda run: run.id)
        found = [run for run in sorted(found, key=_second, reverse=True) if _is_chosen(run, chosen)]
        start = next((index for index, run in enumerate(found) if run.id == token), 0)
        rest = found[start + size :]
        return RunPage(found[start : start + size], rest[0].id if rest else None)

    async def delete(self, run: str) -> None:
        self.runs.pop(run, None)
        self.alive.discard(run)
        self.operations = {operation: known for operation, known in self.operations.items() if known != run}

    async def _travel(self) -> None:
        await asyncio.sleep(self.latency())
        if self.is_away:
            raise StorageUnavailable("table storage did not answer")

    def _is_current(self, claim: Claim | None) -> bool:
        if claim is None:
            return True
        known = self.claimed.get(claim.workflow.lower())
        return claim.version == (known.version if known else "")

    def _write(self, run: Run, claim: Claim | None) -> None:
        self.writes += 1
        self.runs[run.id] = (run, str(self.writes))
        if claim is not None:
            self.claimed[claim.workflow.lower()] = replace(claim, version=str(self.writes))


def _second(run: Run) -> int:
    return int(run.created_at.timestamp())


def _is_chosen(run: Run, chosen: RunFilter) -> bool:
    is_workflow = chosen.workflow is None or run.workflow.lower() == chosen.workflow.lower()
    is_status = chosen.status is None or run.status is chosen.status
    return is_workflow and is_status and (chosen.since is None or _second(run) >= int(chosen.since.timestamp()))


@dataclass
class MemoryParts:
    """The ledger of parts."""

    entries: dict[tuple[str, int], PartEntry] = field(default_factory=dict)
    writes: int = 0
    is_away: bool = False

    async def get(self, run: str, number: int) -> PartEntry | None:
        return self.entries.get((run, number))

    async def list(self, run: str) -> Sequence[PartEntry]:
        return [entry for (of, _), entry in sorted(self.entries.items()) if of == run]

    async def save(self, run: str, entry: PartEntry) -> PartEntry | None:
        if self.is_away:
            raise StorageUnavailable("table storage did not answer")
        known = self.entries.get((run, entry.number))
        if entry.version != (known.version if known else ""):
            return None
        self.writes += 1
        self.entries[(run, entry.number)] = saved = replace(entry, version=str(self.writes))
        return saved

    async def drop(self, run: str) -> None:
        self.entries = {place: entry for place, entry in self.entries.items() if place[0] != run}


@dataclass
class MemoryWorkflows:
    """Workflows by name, without regard to case."""

    workflows: dict[str, StoredWorkflow] = field(default_factory=dict)

    async def get(self, name: str) -> StoredWorkflow | None:
        return self.workflows.get(name.lower())

    async def list(self) -> Sequence[StoredWorkflow]:
        return [workflow for _, workflow in sorted(self.workflows.items())]

    async def save(self, workflow: StoredWorkflow, *, replaces: StoredWorkflow | None) -> bool:
        self.workflows[workflow.name.lower()] = workflow
        return True

    async def delete(self, workflow: StoredWorkflow) -> bool:
        return self.workflows.pop(workflow.name.lower(), None) is not None
