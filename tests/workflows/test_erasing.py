"""Erasing through the app's eyes: the tombstone first, everybody told, exports of ended runs gone, the rest named."""

from collections.abc import AsyncIterator
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from shared.entities.outputs import Listed
from shared.errors import BridgeError, StorageUnavailable, WorkspaceRefused
from shared.workflows.definition import WorkflowDefinition
from shared.workflows.erased_exports import RunExports
from shared.workflows.erasing import LOOKED_AFTER, Erasure, was_under_way
from shared.workflows.job_body import exports_folder
from shared.workflows.refreshing import RunFilter, RunPage
from shared.workflows.runs import Run, RunOutput, RunStatus, Trigger, TriggerKind, new_run
from tests.entities.kept import NOW, Kept
from tests.workflows.fakes import stored_workflow, workflow

HOUR = timedelta(hours=1)
THREE = "id,n\na,1\nb,2\nc,3\n"


def run(name: str, status: RunStatus, *, created: datetime = NOW - HOUR, **members: Any) -> Run:
    began = new_run(name, stored_workflow("churn"), Trigger(TriggerKind.HTTP), created)
    return replace(began, status=status, exported={"prior": "azureml://…"}, **members)


def folder(name: str) -> str:
    return exports_folder(workflow(), name)


@dataclass
class Files:
    """A datastore's."""

    paths: list[str]

    async def list(self, path: str) -> AsyncIterator[Listed]:
        for name in self.paths:
            if name.startswith(path):
                yield Listed(name, 1, "")

    async def drop(self, prefix: str) -> None:
        self.paths[:] = [name for name in self.paths if not name.startswith(prefix)]


@dataclass
class World:
    """An app with runs and their exports."""

    runs: list[Run] = field(default_factory=list)
    kept: Kept = field(default_factory=Kept)
    now: datetime = NOW
    slept: list[tuple[float, bool]] = field(default_factory=list)
    """Seconds, and whether the customer's rows were still there."""
    fault: BridgeError | None = None

    def __post_init__(self) -> None:
        self.files = Files([f"{folder(run.id)}prior/data.csv" for run in self.runs])
        self.erasure = self.process()

    def process(self) -> Erasure:
        exports = RunExports(self, self.output)
        return Erasure(
            self.kept.process(), self.kept.stores, exports, [self.kept.copies], now=lambda: self.now, sleep=self._sleep
        )

    async def list(self, chosen: RunFilter, *, size: int, token: str | None = None) -> RunPage:
        start = int(token or 0)
        return RunPage(self.runs[start : start + 2], str(start + 2) if start + 2 < len(self.runs) else None)

    async def output(self, definition: WorkflowDefinition, datastore: str) -> Files:
        assert datastore == "workspaceblobstore"
        if self.fault is not None:
            raise self.fault
        return self.files

    async def _sleep(self, seconds: float) -> None:
        assert self.kept.marks.marks
        self.slept.append((seconds, "a" in self.kept.stored()))
        self.kept.clock += seconds
        self.now += timedelta(seconds=seconds)


async def test_the_tombstone_comes_first_and_rows_go_when_every_process_knows() -> None:
    world = World()
    await world.kept.publish(THREE)

    report = await world.erasure.erase("a")

    assert world.slept == [(2.0, True)]
    assert world.kept.stored() == ["b", "c"]
    assert report.render()["erased"] == [{"entity": "Value", "snapshot": "T1", "rows": 1, "values": 0, "copies": 1}]
    assert report.render()["tombstoneSince"] == "2026-11-21T00:00:00.000Z"


async def test_a_repetition_waits_for_nobody_and_tells_what_it_finds() -> None:
    world = World()
    await world.kept.publish(THREE)
    await world.erasure.erase("a")
    world.now += HOUR

    report = await world.process().erase("a")

    assert (len(world.slept), report.rows) == (1, [])
    assert report.tombstone.at == NOW


async def test_exports_of_runs_whose_job_is_over_go_whole_and_those_of_active_runs_are_named() -> None:
    over = [run("done", RunStatus.SUCCEEDED), run("bad", RunStatus.FAILED), run("held", RunStatus.HELD)]
    world = World([*over, run("busy", RunStatus.RUNNING), run("later", RunStatus.SUCCEEDED, created=NOW + HOUR)])
    await world.kept.publish(THREE)

    told = (await world.erasure.erase("a")).render()

    place = "azureml://datastores/workspaceblobstore/paths"
    assert told["exports"] == [f"{place}/{folder(name)}" for name in ("done", "bad", "held")]
    assert world.files.paths == [f"{folder(name)}prior/data.csv" for name in ("busy", "later")]
    assert told["outsideOurReach"][0] == (
        f"{place}/{folder('busy')}: the run busy is active; erase again when it has ended"
    )
    world.runs[3] = run("busy", RunStatus.CANCELED)
    assert (await world.erasure.erase("a")).exports.gone == [f"{place}/{folder('busy')}"]


async def test_the_answer_names_what_pipelines_wrote_once_and_what_others_keep() -> None:
    outputs = [run(name, RunStatus.SUCCEEDED, output=RunOutput("lake", f"outputs/value/{name}")) for name in "xy"]
    world = World(outputs)
    await world.kept.publish(THREE)

    outside = (await world.erasure.erase("a")).render()["outsideOurReach"]

    assert outside[0] == "azureml://datastores/lake/paths/outputs/value/: what the pipeline of churn wrote"
    assert [any(word in text for text in outside) for word in ("jobs", "backups", "readers")] == [True] * 3
    assert len(outside) == 5


async def test_a_workspace_that_is_lost_is_named_and_one_that_is_away_is_asked_again() -> None:
    world = World([run("done", RunStatus.SUCCEEDED)])
    await world.kept.publish(THREE)
    world.fault = StorageUnavailable("blob storage did not answer")
    with pytest.raises(StorageUnavailable):
        await world.erasure.erase("a")
    assert world.kept.stored() == ["b", "c"]
    world.fault = WorkspaceRefused("the datastore is gone")

    told = (await world.erasure.erase("a")).render()

    assert told["exports"] == []
    assert told["outsideOurReach"][0].endswith(f"{folder('done')}: WorkspaceRefused: the datastore is gone")


async def test_the_sweep_erases_again_what_was_under_way() -> None:
    world = World([run("busy", RunStatus.RUNNING)])
    before = await world.kept.publish(THREE, "T1")
    await world.erasure.erase("a")
    world.runs[0] = run("busy", RunStatus.SUCCEEDED)
    coming = await world.kept.begin("id,n\na,1\nd,1\n", "T2")
    coming.erased_by_nobody()
    await coming.all()

    world.now += 2 * HOUR
    assert before.table == "T1"
    assert await world.erasure.again() == 2  # in the table and in Parquet

    assert (world.kept.stored("T2"), world.kept.in_parquet("T2")) == (["d"], ["d"])
    assert world.files.paths == []
    world.now += LOOKED_AFTER
    coming = await world.kept.begin("id,n\na,1\n", "T3")
    coming.erased_by_nobody()
    await coming.all()
    assert await world.erasure.again() == 0


async def test_a_lifted_tombstone_is_lifted_once() -> None:
    world = World()
    await world.kept.publish(THREE)
    await world.erasure.erase("a")

    assert [await world.erasure.lift("a"), await world.erasure.lift("a")] == [True, False]


@pytest.mark.parametrize(
    ("created", "published", "expected"),
    [
        (-1, None, True),
        (1, None, False),
        (-1, 1, True),
        (-60, -1, True),
        (-60, -49, False),
    ],
)
async def test_an_import_was_under_way(created: int, published: int | None, expected: bool) -> None:
    snapshot = await Kept().publish(THREE)
    at = datetime(2026, 11, 21, 12, tzinfo=UTC)
    published_at = None if published is None else at + published * HOUR

    assert was_under_way(replace(snapshot, created_at=at + created * HOUR, published_at=published_at), at) is expected
