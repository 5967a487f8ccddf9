"""Parts of an import that fail: tried again, for the last time, for good, or given up by the queue."""

import asyncio
from datetime import timedelta

import pytest

from shared.errors import StorageUnavailable, UnusableOutput
from shared.workflows.part_ledger import PartState
from shared.workflows.runs import RunError, RunStatus
from tests.support.virtual_time import in_virtual_time
from tests.workflows.part_fakes import another, at_parts, states


@in_virtual_time
async def test_what_may_pass_is_tried_again_later_each_time() -> None:
    world, output, run = await at_parts()
    output.errors = [StorageUnavailable("busy") for _ in range(3)]
    begun = world.now()

    await world.settle()

    assert states(world) == [(0, PartState.DONE, "p1", 4)]
    assert world.run(run).status is RunStatus.SUCCEEDED
    assert timedelta(seconds=35) <= world.now() - begun < timedelta(seconds=75)
    assert world.parts.entries[(run, 0)].error is None


@in_virtual_time
async def test_a_part_that_waits_to_be_tried_again_is_left_alone() -> None:
    world, output, _ = await at_parts()
    output.errors = [StorageUnavailable("busy") for _ in range(9)]
    await world.settle(until=lambda: output.reads == 4)

    await world.settle(most=30)

    assert output.reads == 4
    assert world.waiting("import-part")[0].due - world.now() > timedelta(seconds=5)


@in_virtual_time
async def test_after_the_last_attempt_the_run_fails_with_the_cause() -> None:
    world, output, run = await at_parts()
    output.errors = [StorageUnavailable("the datastore does not answer") for _ in range(20)]

    await world.settle()

    assert output.reads == 8
    assert world.run(run).error == RunError("StorageUnavailable", "the datastore does not answer")
    assert [entry.status.value for entry in world.run(run).timeline][-2:] == ["importing", "failed"]


@in_virtual_time
async def test_what_will_not_pass_fails_the_run_at_once_with_file_and_line() -> None:
    world, output, run = await at_parts(2)
    output.errors = [UnusableOutput("scores.csv, line 7: a quote never closes")]

    await world.settle()

    assert world.run(run).status is RunStatus.FAILED
    assert world.run(run).error == RunError("UnusableOutput", "scores.csv, line 7: a quote never closes")


@in_virtual_time
async def test_a_fault_of_ours_is_the_hosts_to_try_again_and_frees_the_part() -> None:
    world, output, run = await at_parts()
    output.errors = [KeyError("sentinel")]

    with pytest.raises(KeyError):
        await world.work.do(run, 0)
    await another(world).do(run, 0)

    assert states(world) == [(0, PartState.DONE, "p2", 2)]


@in_virtual_time
async def test_a_turn_is_free_again_whatever_became_of_a_part() -> None:
    world, output, run = await at_parts()
    for _ in range(5):
        output.errors = [KeyError("sentinel")]
        with pytest.raises(KeyError):
            await world.work.do(run, 0)

    await world.work.do(run, 0)

    assert [state for _, state, _, _ in states(world)] == [PartState.DONE]


@pytest.mark.parametrize("is_begun", [False, True])
def test_a_part_whose_message_was_given_up_fails_its_run(is_begun: bool) -> None:
    @in_virtual_time
    async def give_up() -> None:
        world, output, run = await at_parts()
        if is_begun:
            output.errors = [KeyError("sentinel")]
            with pytest.raises(KeyError):
                await world.work.do(run, 0)

        await world.work.fail(run, 0, RunError("PartGivenUp", "part 0 of the import: its process may have died"))
        await world.settle()

        assert world.run(run).status is RunStatus.FAILED
        assert "its process may have died" in world.run(run).error.message  # type: ignore[union-attr]

    give_up()


@in_virtual_time
async def test_a_plan_that_was_dropped_fails_the_run() -> None:
    world, _, run = await at_parts()
    world.large.values.clear()

    await world.settle()

    error = world.run(run).error
    assert error is not None
    assert (error.code, "has been dropped; refresh the workflow" in error.message) == ("Gone", True)


@in_virtual_time
async def test_a_lease_that_could_not_be_renewed_ends_the_work_and_the_part_is_done_later() -> None:
    world, output, run = await at_parts()
    output.slowness = 30
    working = asyncio.create_task(world.work.do(run, 0))
    await asyncio.sleep(10)
    world.parts.is_away = True
    with pytest.raises(StorageUnavailable):
        await working
    world.parts.is_away = False
    assert output.at_once == 0

    await world.settle()

    assert states(world) == [(0, PartState.DONE, "p1", 2)]
    assert world.run(run).status is RunStatus.SUCCEEDED
