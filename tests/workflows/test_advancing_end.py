"""How a run ends before its time: out of time, or canceled before, while and after its job is sent."""

import asyncio

from shared.errors import WorkspaceUnavailable
from shared.workflows.runs import RunStatus
from tests.support.virtual_time import in_virtual_time
from tests.workflows.fakes import WORKSPACE
from tests.workflows.run_world import World, churn


@in_virtual_time
async def test_a_run_out_of_time_cancels_its_job_and_tells_waiting_from_running() -> None:
    world = World(churn(timeout="PT1H"))
    world.jobs.way = ("Queued",)
    run = await world.begin()
    await world.settle(most=1200)
    world.jobs.jobs[run] = ["Running"]

    await world.settle()

    assert (world.run(run).status, world.jobs.canceled) == (RunStatus.FAILED, [run])
    assert "20 min waiting in Azure Machine Learning's queue, 40 min running" in world.run(run).error.message  # type: ignore[union-attr]


@in_virtual_time
async def test_a_run_canceled_before_its_job_is_sent_ends_at_once() -> None:
    world = World()
    run = await world.begin()

    assert (await world.control.cancel(run)).status is RunStatus.CANCELED

    await world.settle()
    assert (world.jobs.jobs, world.runs.claimed["churn"].active) == ({}, None)


@in_virtual_time
async def test_a_run_canceled_while_its_job_is_sent_cancels_the_job() -> None:
    world = World()
    world.jobs.slowness = 5
    run = await world.begin()
    sending = asyncio.create_task(world.settle())
    await asyncio.sleep(2)
    assert world.run(run).submitting

    canceled = await world.control.cancel(run)
    await sending

    assert canceled.status is RunStatus.QUEUED
    assert (world.run(run).status, set(world.jobs.canceled)) == (RunStatus.CANCELED, {run})


@in_virtual_time
async def test_a_run_whose_job_nobody_knows_ends_when_canceled_two_minutes_after_it_may_have_been_sent() -> None:
    world = World()
    world.jobs.errors = [WorkspaceUnavailable("lost", retry_after=30)]
    run = await world.begin()
    await world.settle(most=1)
    assert world.run(run).submitting
    assert (await world.control.cancel(run)).status is RunStatus.QUEUED
    await world.settle(most=60)
    assert world.run(run).status is RunStatus.QUEUED

    await world.settle(most=120)

    assert (world.run(run).status, world.jobs.jobs) == (RunStatus.CANCELED, {})


@in_virtual_time
async def test_a_running_run_canceled_ends_when_azure_says_so() -> None:
    world = World()
    world.jobs.way = ("Running",)
    run = await world.begin()
    await world.settle(most=60)
    await world.control.cancel(run)
    await world.settle(most=0)
    assert (world.run(run).status, world.jobs.canceled) == (RunStatus.RUNNING, [run])

    await world.settle()

    assert (world.run(run).status, world.jobs.canceled) == (RunStatus.CANCELED, [run])


@in_virtual_time
async def test_a_cancellation_that_azure_does_not_take_ends_after_five_minutes() -> None:
    world = World()
    world.jobs.way = ("Running",)
    run = await world.begin()
    await world.settle(most=60)
    await world.control.cancel(run)
    asked = world.now()
    world.jobs.errors = [WorkspaceUnavailable("busy")] * 100

    await world.settle()

    assert world.run(run).status is RunStatus.CANCELED
    assert "did not confirm the cancellation" in str(world.run(run).timeline[-1].note)
    assert 300 <= (world.now() - asked).total_seconds() <= 480


@in_virtual_time
async def test_a_job_that_completes_although_it_was_to_be_canceled_leaves_an_output_to_import() -> None:
    world = World()
    world.jobs.way = ("Running", "Running", "Completed")
    run = await world.begin()
    await world.settle(most=0)
    await world.jobs.find(WORKSPACE, run)
    await world.control.cancel(run)
    await world.settle()
    assert (world.run(run).status, world.jobs.canceled) == (RunStatus.CANCELED, [])

    again = await world.control.import_again(run, world.now())
    await world.settle()

    assert world.run(again.run.id).status is RunStatus.SUCCEEDED
