"""Runs in Table storage: table `bridgeruns`, one partition, so that a run and the claim that names it are written together.

| row | holds |
|---|---|
| `run|{newest first}|{id}` | the run |
| `live|{id}` | nothing; that the run has not ended, or that its end is still to be told |
| `claim|{workflow}` | the workflow's active, pending and latest run |
| `op|{workflow}|{hash}` | the run that a request with an operation id began or joined |
"""

import hashlib
import re
from collections.abc import AsyncIterator, Sequence
from datetime import UTC, datetime
from functools import cache
from typing import TYPE_CHECKING, Any

from azure.data.tables.aio import TableServiceClient

from shared.storage.columns import read_document, write_document
from shared.storage.tables import Row, Table, Values, Write
from shared.workflows.refreshing import Claim, RunFilter, RunPage, StoredRun
from shared.workflows.runs import Run

if TYPE_CHECKING:
    from pydantic import TypeAdapter

_PARTITION = "run"
_ID = re.compile(r"[A-Za-z0-9_-]{1,255}")
_END_OF_TIME = 10**11
"""Seconds; a run's key counts down to it, so that the newest comes first."""
_AFTER = "}"
"""Follows `|`: where a prefix ends."""


class TableRuns:
    def __init__(self, service: TableServiceClient) -> None:
        self._table = Table(service, "bridgeruns")

    async def get(self, run: str) -> StoredRun | None:
        key = _run_key(run)
        row = await self._table.get(_PARTITION, key) if key else None
        return None if row is None else StoredRun(_read_run(row), row.etag)

    async def claim_of(self, workflow: str) -> Claim:
        row = await self._table.get(_PARTITION, _claim_key(workflow))
        return Claim(workflow) if row is None else _read_claim(row)

    async def claims(self) -> list[Claim]:
        return [_read_claim(row) async for row in self._table.query(_PARTITION, keys=("claim|", f"claim{_AFTER}"))]

    async def run_of(self, workflow: str, operation_id: str) -> str | None:
        row = await self._table.get(_PARTITION, _operation_key(workflow, operation_id))
        return None if row is None else str(row["Run"])

    async def begin(self, run: Run, claim: Claim) -> bool:
        writes = [
            Write(_run_key(run.id), _run_columns(run), is_new=True),
            Write(f"live|{run.id}", {}, is_new=True),
            _claim_write(claim),
        ]
        if run.trigger.operation_id is not None:
            writes.append(Write(_operation_key(run.workflow, run.trigger.operation_id), {"Run": run.id}, is_new=True))
        return await self._table.transact(_PARTITION, writes)

    async def note(self, run: Run, operation_id: str) -> None:
        await self._table.insert(_PARTITION, _operation_key(run.workflow, operation_id), {"Run": run.id})

    async def save(self, run: Run, version: str, claim: Claim | None = None, *, settles: bool = False) -> bool:
        writes = [Write(_run_key(run.id), _run_columns(run, version), etag=version)]
        if claim is not None:
            writes.append(_claim_write(claim))
        if settles:
            writes.append(Write(f"live|{run.id}", None))
        return await self._table.transact(_PARTITION, writes)

    async def live(self) -> AsyncIterator[str]:
        async for key in self._table.keys(_PARTITION, between=("live|", f"live{_AFTER}")):
            yield key.removeprefix("live|")

    async def active_over(self, connection: str) -> Sequence[str]:
        """The runs that move and began with this connection, named without regard to case."""
        found = [await self.get(run) async for run in self.live()]
        return [
            stored.run.id
            for stored in found
            if stored is not None
            and stored.run.status.is_active
            and str(stored.run.definition["connection"]).lower() == connection.lower()
        ]

    async def list(self, chosen: RunFilter, *, size: int, token: str | None = None) -> RunPage:
        low = token or "run|"
        high = f"run|{_countdown(chosen.since)}{_AFTER}" if chosen.since else f"run{_AFTER}"
        where = {}
        if chosen.workflow:
            where["Workflow"] = chosen.workflow.lower()
        if chosen.status:
            where["Status"] = chosen.status.value
        runs: list[Run] = []
        async for row in self._table.query(_PARTITION, keys=(low, high), where=where, page=min(size + 1, 1000)):
            if len(runs) == size:
                return RunPage(runs, row["RowKey"])
            run = _read_run(row)
            if chosen.since is None or run.created_at >= chosen.since:  # keys tell whole seconds
                runs.append(run)
        return RunPage(runs, None)

    async def delete(self, run: str) -> None:
        stored = await self.get(run)
        if stored is None:
            return
        of_workflow = f"op|{stored.run.workflow.lower()}"
        operations = self._table.query(
            _PARTITION, keys=(f"{of_workflow}|", f"{of_workflow}{_AFTER}"), where={"Run": run}
        )
        for key in [row["RowKey"] async for row in operations]:
            await self._table.delete(_PARTITION, key)
        await self._table.delete(_PARTITION, f"live|{run}")
        await self._table.delete(_PARTITION, _run_key(run))


def _run_key(run: str) -> str:
    """Of a run's id, which holds when it began; empty for what is no id of a run."""
    stamp = run.rpartition("-")[0].rpartition("-")[2] if _ID.fullmatch(run) else ""
    try:
        began = datetime.strptime(stamp, "%Y%m%dT%H%M%S").replace(tzinfo=UTC)
    except ValueError:
        return ""
    return f"run|{_countdown(began)}|{run}"


def _countdown(moment: datetime) -> str:
    """All of one length, for the order of text to be that of time; no run is older than 1970."""
    return f"{_END_OF_TIME - max(int(moment.timestamp()), 1):011d}"


def _claim_key(workflow: str) -> str:
    return f"claim|{workflow.lower()}"


def _operation_key(workflow: str, operation_id: str) -> str:
    return f"op|{workflow.lower()}|{hashlib.sha256(operation_id.encode()).hexdigest()[:32]}"


def _claim_write(claim: Claim) -> Write:
    columns: Values = {
        "Workflow": claim.workflow,
        "Active": claim.active or "",
        "Pending": claim.pending or "",
        "Latest": claim.latest or "",
    }
    key = _claim_key(claim.workflow)
    return Write(key, columns, etag=claim.version) if claim.version else Write(key, columns, is_new=True)


def _read_claim(row: Row) -> Claim:
    return Claim(row["Workflow"], row["Active"] or None, row["Pending"] or None, row["Latest"] or None, row.etag)


def _run_columns(run: Run, replaces: str | None = None) -> dict[str, str | datetime]:
    return {
        "Workflow": run.workflow.lower(),
        "Status": run.status.value,
        "UpdatedAt": run.updated_at,
        **write_document(_codec().dump_python(run, mode="json"), replaces),
    }


def _read_run(row: Row) -> Run:
    return _codec().validate_python(read_document(row))


@cache
def _codec() -> "TypeAdapter[Run]":
    """Members that it does not know are left out, and those that it misses have their defaults: rows of the release
    before are read."""
    from pydantic import TypeAdapter

    adapter: TypeAdapter[Any] = TypeAdapter(Run)
    return adapter
