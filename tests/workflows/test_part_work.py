"""Parts of an import: leased, renewed, taken over, given back, stopped."""

import asyncio
from dataclasses import replace
from datetime import timedelta

import pytest

from shared.workflows.messages import part_message
from shared.workflows.part_ledger import LEASE, PartState
from shared.workflows.runs import RunError, RunStatus
from tests.support.virtual_time import in_virtual_time
from tests.workflows.part_fakes import another, at_parts, states


@in_virtual_time
async def test_a_part_that_takes_long_keeps_its_lease_and_is_done_by_one() -> None:
    world, output, run = await at_parts()
    output.slowness = 200
    working = asyncio.create_task(world.work.do(run, 0))
    for _ in range(6):
        await asyncio.sleep(31)
        await another(world).do(run, 0)
    await working

    assert (output.reads, states(world)) == (1, [(0, PartState.DONE, "p1", 1)])


@in_virtual_time
async def test_a_dead_workers_part_is_taken_over_when_its_lease_has_run_out() -> None:
    world, output, run = await at_parts()
    output.slowness = 200
    dying = asyncio.create_task(world.work.do(run, 0))
    await asyncio.sleep(5)
    dying.cancel()
    await asyncio.wait({dying})
    output.slowness = 0

    await asyncio.sleep(54)
    await another(world).do(run, 0)
    assert states(world) == [(0, PartState.WORKING, "p1", 1)]
    await asyncio.sleep(1)
    await world.work.do(run, 0)

    assert states(world) == [(0, PartState.DONE, "p2", 2)]


@in_virtual_time
async def test_a_dead_workers_part_is_sent_again_once_and_the_run_ends() -> None:
    world, output, run = await at_parts(2)
    output.slowness = 1000
    dying = asyncio.create_task(world.work.do(run, 0))
    await asyncio.sleep(5)
    dying.cancel()
    await asyncio.wait({dying})
    output.slowness = 0
    world.queues.waiting = world.waiting("run-advance")
    before = len(world.queues.sent)
    world.start_process(name="p2")

    await world.settle()

    parts = [body for queue, body, _ in world.queues.sent[before:] if queue == "import-part"]
    assert sorted(parts) == [part_message(run, 0), part_message(run, 1)]
    assert world.run(run).status is RunStatus.SUCCEEDED


@in_virtual_time
async def test_a_part_sent_again_is_not_sent_at_every_look_until_somebody_comes() -> None:
    world, output, run = await at_parts()
    output.slowness = 1000
    dying = asyncio.create_task(world.work.do(run, 0))
    await asyncio.sleep(5)
    dying.cancel()
    await asyncio.wait({dying})
    before = len(world.queues.sent)
    for _ in range(110):
        await asyncio.sleep(1)
        await world.runner.advance(run)

    again = [body for queue, body, _ in world.queues.sent[before:] if queue == "import-part"]
    assert again == [part_message(run, 0)]


@in_virtual_time
async def test_a_lost_lease_stops_the_work() -> None:
    world, output, run = await at_parts()
    output.slowness = 200
    working = asyncio.create_task(world.work.do(run, 0))
    await asyncio.sleep(30)
    entry = world.parts.entries[(run, 0)]
    taken = await world.parts.save(run, replace(entry, by="p2", leased_until=world.now() + LEASE))
    await working

    assert world.parts.entries[(run, 0)] == taken
    assert (output.at_once, world.now() - world.run(run).timeline[-1].at < timedelta(seconds=60)) == (0, True)


@in_virtual_time
async def test_who_lost_the_lease_at_the_very_end_does_not_say_that_it_is_done() -> None:
    world, output, run = await at_parts()
    output.slowness = 15
    working = asyncio.create_task(world.work.do(run, 0))
    await asyncio.sleep(5)
    taken = await world.parts.save(run, replace(world.parts.entries[(run, 0)], by="p2"))
    await working

    assert world.parts.entries[(run, 0)] == taken


@in_virtual_time
async def test_what_is_done_stays_done() -> None:
    world, output, run = await at_parts(2)
    await world.work.do(run, 0)
    reads, entry = output.reads, world.parts.entries[(run, 0)]

    await world.work.do(run, 0)
    await world.work.fail(run, 0, RunError("PartGivenUp", "late"))

    assert (output.reads, world.parts.entries[(run, 0)]) == (reads, entry)


@in_virtual_time
async def test_a_run_canceled_meanwhile_stops_its_parts() -> None:
    world, output, run = await at_parts()
    output.slowness = 1000
    working = asyncio.create_task(world.work.do(run, 0))
    await asyncio.sleep(5)
    begun = world.now()
    await world.control.cancel(run)
    await working

    assert world.now() - begun <= timedelta(seconds=20)
    assert (output.at_once, states(world)) == (0, [(0, PartState.WORKING, "p1", 1)])


@pytest.mark.parametrize("number", [-1, 1, 99])
def test_a_part_that_is_not_planned_is_no_work(number: int) -> None:
    @in_virtual_time
    async def do() -> None:
        world, output, run = await at_parts()
        await world.work.do(run, number)
        assert (output.reads, world.parts.entries) == (0, {})

    do()


@in_virtual_time
async def test_a_part_of_a_run_that_is_not_importing_is_no_work() -> None:
    world, output, run = await at_parts()
    await world.control.cancel(run)

    await world.work.do(run, 0)
    await world.work.do("brg-gone-20261121T120000-abcdef", 0)

    assert (output.reads, world.parts.entries) == (0, {})


# At once


@in_virtual_time
async def test_so_many_parts_at_once_and_a_waiting_one_is_given_back_after_its_patience() -> None:
    world, output, run = await at_parts(5)
    output.slowness = 100
    world.queues.waiting.clear()
    begun = world.now()

    working = [asyncio.create_task(world.work.do(run, number)) for number in range(5)]
    await asyncio.sleep(6.5)
    given_back = sorted(message.body for message in world.waiting("import-part"))
    assert given_back == [part_message(run, number) for number in (2, 3, 4)]
    assert [delay for queue, _, delay in world.queues.sent[-3:]] == [1, 1, 1]
    assert [task.done() for task in working] == [False, False, True, True, True]
    await asyncio.gather(*working)

    assert output.most_at_once == 2
    assert timedelta(seconds=100) <= world.now() - begun < timedelta(seconds=102)


@in_virtual_time
async def test_a_part_whose_turn_comes_while_it_waits_is_done() -> None:
    world, output, run = await at_parts(3)
    output.slowness = 1

    await asyncio.gather(*(world.work.do(run, number) for number in range(3)))

    assert [state for _, state, _, _ in states(world)] == [PartState.DONE] * 3
