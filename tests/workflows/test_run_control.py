"""What people may do with runs, and what they are told where they may not."""

from collections.abc import Awaitable, Callable

import pytest

from shared.errors import Conflict, NotFound
from shared.workflows.messages import WhenActive
from shared.workflows.refreshing import Claim, RunFilter
from shared.workflows.run_control import RunControl
from shared.workflows.runs import Run, RunStatus
from tests.support.virtual_time import in_virtual_time
from tests.workflows.run_fakes import MemoryRuns
from tests.workflows.run_world import NOON, World, churn

type Ask = Callable[[RunControl, str], Awaitable[object]]
NOBODY = "brg-churn-20261121T120000-abcdef"
ASKED: dict[str, Ask] = {
    "get": lambda control, run: control.get(run),
    "cancel": lambda control, run: control.cancel(run),
    "publish": lambda control, run: control.publish(run),
    "discard": lambda control, run: control.discard(run),
    "import": lambda control, run: control.import_again(run, NOON),
}


class AwayOncePublishing(MemoryRuns):
    """Nothing is told or taken from then on."""

    async def save(self, run: Run, version: str, claim: Claim | None = None, *, settles: bool = False) -> bool:
        is_saved = await super().save(run, version, claim, settles=settles)
        self.is_away = run.status is RunStatus.PUBLISHING
        return is_saved


async def ended(**quality: object) -> tuple[World, str]:
    world = World(churn(quality=quality))
    run = await world.begin()
    await world.settle()
    return world, run


async def at(status: RunStatus) -> tuple[World, str]:
    """A run at that status."""
    world = World(runs=AwayOncePublishing() if status is RunStatus.PUBLISHING else MemoryRuns())
    if status in (RunStatus.HELD, RunStatus.FAILED):
        world.workflows.workflows["churn"] = churn(quality={"minRows": 5})
        world.jobs.way = ("Running", "Failed") if status is RunStatus.FAILED else ("Running", "Completed")
    run = await world.begin()
    if status is RunStatus.CANCELED:
        await world.control.cancel(run)
    await world.settle(until=lambda: world.run(run).status is status)
    assert world.run(run).status is status
    return world, run


@pytest.mark.parametrize("asked", ASKED)
def test_a_run_that_is_not_there_is_not_found(asked: str) -> None:
    @in_virtual_time
    async def ask() -> None:
        with pytest.raises(NotFound, match=f"no run is called '{NOBODY}'; GET /api/runs lists those that are kept"):
            await ASKED[asked](World().control, NOBODY)

    ask()


@pytest.mark.parametrize("status", RunStatus)
@pytest.mark.parametrize(("asked", "done"), [("publish", "published"), ("discard", "discarded")])
def test_only_a_held_run_is_published_or_discarded(asked: str, done: str, status: RunStatus) -> None:
    @in_virtual_time
    async def ask() -> None:
        world, run = await at(status)
        world.runs.is_away = False
        if status is RunStatus.HELD:
            await ASKED[asked](world.control, run)
            return
        with pytest.raises(Conflict, match=f"the run {run} is {status}, and only a held run can be {done}"):
            await ASKED[asked](world.control, run)
        assert world.run(run).status is status

    ask()


@pytest.mark.parametrize("status", RunStatus)
def test_a_run_may_be_canceled_at_any_time_and_again(status: RunStatus) -> None:
    @in_virtual_time
    async def cancel() -> None:
        world, run = await at(status)
        world.runs.is_away = False
        before = world.run(run)

        first, second = await world.control.cancel(run), await world.control.cancel(run)

        assert first == second
        if status.is_terminal or status is RunStatus.PUBLISHING:
            assert first == before
        await world.settle()
        stays = status.is_terminal or status is RunStatus.PUBLISHING
        assert world.run(run).status.is_terminal
        assert stays or world.run(run).status is RunStatus.CANCELED

    cancel()


@in_virtual_time
async def test_a_cancellation_is_acted_on_at_once() -> None:
    world, run = await at(RunStatus.RUNNING)
    world.queues.waiting.clear()

    await world.control.cancel(run)
    await world.settle(most=0)

    assert world.jobs.canceled == [run]


@pytest.mark.parametrize("status", [RunStatus.QUEUED, RunStatus.RUNNING, RunStatus.FAILED, RunStatus.CANCELED])
def test_without_a_finished_job_there_is_nothing_to_import_again(status: RunStatus) -> None:
    @in_virtual_time
    async def ask() -> None:
        world, run = await at(status)
        with pytest.raises(Conflict, match=f"the run {run} has no finished job whose output could be imported"):
            await world.control.import_again(run, world.now())

    ask()


@in_virtual_time
async def test_a_run_that_failed_at_its_import_is_imported_again() -> None:
    world = World()
    world.jobs.csv = b"id\n1\n"
    run = await world.begin()
    await world.settle()
    assert world.run(run).status is RunStatus.FAILED
    world.output.files[f"outputs/value/{run}/scores.csv"] = b"customer_id\n1\n"

    again = await world.control.import_again(run, world.now())
    await world.settle()

    assert (again.is_new, world.run(again.run.id).status, again.run.source) == (True, RunStatus.SUCCEEDED, run)


@in_virtual_time
async def test_an_import_again_of_a_workflow_that_is_gone_is_not_found() -> None:
    world, run = await ended()
    world.workflows.workflows.clear()

    with pytest.raises(NotFound, match="no workflow is called 'churn'"):
        await world.control.import_again(run, world.now())


@in_virtual_time
async def test_a_deleted_workflows_runs_are_canceled_and_the_one_that_waits_never_begins() -> None:
    world = World()
    active = await world.begin()
    await world.settle(most=2)
    pending = await world.begin(when_active=WhenActive.QUEUE)

    canceled = await world.control.cancel_all("CHURN")
    await world.settle()

    assert [run.id for run in canceled] == [pending, active]
    assert {world.run(run).status for run in (active, pending)} == {RunStatus.CANCELED}
    assert (world.run(pending).began_at, list(world.jobs.bodies)) == (None, [active])
    assert await world.control.cancel_all("nobody") == []


@in_virtual_time
async def test_runs_are_listed_as_they_are_kept() -> None:
    world, run = await ended()

    page = await world.control.list(RunFilter(status=RunStatus.SUCCEEDED), size=5)

    assert (page.runs, page.token) == ([world.run(run)], None)
    assert await world.control.get(run) == world.run(run)
