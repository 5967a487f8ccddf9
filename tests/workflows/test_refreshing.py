"""How a run begins: alone, beside others, asked for twice, by many at once."""

import asyncio
import random
from collections.abc import Sequence

import pytest

from shared.errors import Conflict
from shared.workflows.messages import WhenActive
from shared.workflows.refreshing import Begun, Claim, released
from shared.workflows.runs import Run, RunStatus, Trigger, TriggerKind
from tests.support.virtual_time import in_virtual_time, run_virtual
from tests.workflows.fakes import stored_workflow
from tests.workflows.run_fakes import Killed, MemoryRuns
from tests.workflows.run_world import World, churn

RETURN, QUEUE, FAIL = WhenActive.RETURN, WhenActive.QUEUE, WhenActive.FAIL


async def ask(world: World, when: WhenActive = RETURN, operation: str | None = None) -> Begun:
    return await world.refreshes.begin(churn(), Trigger(TriggerKind.HTTP, operation_id=operation), when)


@pytest.mark.parametrize("when", WhenActive)
def test_the_first_run_begins_whatever_a_second_would_do(when: WhenActive) -> None:
    @in_virtual_time
    async def begin() -> None:
        world = World()

        begun = await ask(world, when)

        assert (begun.is_new, begun.run.status) == (True, RunStatus.QUEUED)
        claim = await world.runs.claim_of("churn")
        assert (claim.active, claim.pending, claim.latest) == (begun.run.id, None, begun.run.id)
        assert world.queues.sent == [("run-advance", f'{{"v":1,"run":"{begun.run.id}"}}', 0)]

    begin()


@in_virtual_time
async def test_a_request_returns_the_active_run() -> None:
    world = World()
    first, second = await ask(world), await ask(world)

    assert (second.run, second.is_new) == (first.run, False)
    assert (len(world.runs.runs), len(world.queues.sent)) == (1, 1)


@in_virtual_time
async def test_one_run_waits_behind_the_active_one_and_later_requests_join_it() -> None:
    world = World()
    active, pending, third = await ask(world), await ask(world, QUEUE), await ask(world, QUEUE)

    assert (pending.is_new, third.is_new, third.run) == (True, False, pending.run)
    claim = await world.runs.claim_of("churn")
    assert (claim.active, claim.pending, claim.latest) == (active.run.id, pending.run.id, pending.run.id)
    assert (await ask(world)).run == active.run


@in_virtual_time
async def test_a_request_that_wants_no_other_is_told_which_run_is_active() -> None:
    world = World()
    active = await ask(world)

    with pytest.raises(Conflict, match=f"the run {active.run.id} of churn is active; wait for its end"):
        await ask(world, FAIL)

    assert len(world.runs.runs) == 1


@in_virtual_time
async def test_a_draft_does_not_run() -> None:
    world = World()

    with pytest.raises(Conflict, match="is a draft and cannot run: give requiredData for a, b"):
        await world.refreshes.begin(stored_workflow("churn", missing=["a", "b"]), Trigger(TriggerKind.QUEUE), RETURN)

    assert (world.runs.runs, world.queues.sent) == ({}, [])


@in_virtual_time
async def test_workflows_do_not_wait_for_each_other() -> None:
    world = World()
    await ask(world)

    other = await world.refreshes.begin(stored_workflow("value"), Trigger(TriggerKind.HTTP), FAIL)

    assert other.is_new


# Asked for twice


@pytest.mark.parametrize("when", WhenActive)
@pytest.mark.parametrize("ends_between", [False, True])
def test_an_operation_id_repeated_gives_the_run_that_it_began(when: WhenActive, ends_between: bool) -> None:
    @in_virtual_time
    async def repeat() -> None:
        world = World()
        first = await ask(world, when, "op")
        if ends_between:
            await world.settle()

        again = await ask(world, when, "op")

        assert (again.run.id, again.is_new, len(world.runs.runs)) == (first.run.id, False, 1)

    repeat()


@pytest.mark.parametrize("when", [RETURN, QUEUE])
def test_an_operation_id_repeated_gives_the_run_that_it_joined_though_that_has_ended(when: WhenActive) -> None:
    @in_virtual_time
    async def repeat() -> None:
        world = World()
        await ask(world)
        await ask(world, QUEUE)
        joined = await ask(world, when, "op")
        await world.settle()

        again = await ask(world, when, "op")

        assert (again.run.id, again.run.status, again.is_new) == (joined.run.id, RunStatus.SUCCEEDED, False)
        assert len(world.runs.runs) == 2

    repeat()


class Overtaken(MemoryRuns):
    """The same request, sent twice, began a run while this one joined another."""

    began = ""

    async def note(self, run: Run, operation_id: str) -> None:
        self.operations[(run.workflow, operation_id)] = self.began
        await super().note(run, operation_id)


@in_virtual_time
async def test_of_two_requests_with_one_operation_id_that_found_different_runs_one_counts() -> None:
    runs = Overtaken()
    world = World(runs=runs)
    joined = await ask(world)
    runs.began = (await ask(world, QUEUE)).run.id

    begun = await ask(world, operation="op")

    assert (begun.run.id, begun.is_new, joined.run.id == begun.run.id) == (runs.began, False, False)


@in_virtual_time
async def test_another_workflows_operation_id_is_another() -> None:
    world = World()
    await ask(world, operation="op")

    assert (await world.refreshes.begin(stored_workflow("value"), Trigger(TriggerKind.HTTP, operation_id="op"))).is_new


@in_virtual_time
async def test_a_run_is_stored_before_its_message_is_sent_and_found_by_who_repeats_the_request() -> None:
    world = World()
    world.life.dies_at = 1
    with pytest.raises(Killed, match=r"before MemoryQueues\.send"):
        await ask(world, operation="op")
    assert (len(world.runs.runs), world.queues.sent) == (1, [])
    world.restart()

    again = await ask(world, operation="op")
    await world.settle()

    assert world.run(again.run.id).status is RunStatus.SUCCEEDED


# Many at once


async def raced(seed: int, whens: Sequence[WhenActive], operation: str | None = None) -> tuple[World, list[Begun]]:
    world, chance = World(), random.Random(seed)
    world.runs.latency = lambda: chance.choice([0, 0.01, 0.1])
    asked = await asyncio.gather(*(ask(world, when, operation) for when in whens), return_exceptions=True)
    assert all(isinstance(one, Begun | Conflict) for one in asked)
    return world, [one for one in asked if isinstance(one, Begun)]


@pytest.mark.parametrize("seed", range(10))
def test_of_many_who_ask_together_one_run_is_active_and_one_at_most_waits(seed: int) -> None:
    whens = [RETURN, QUEUE, FAIL, QUEUE] * 8

    world, begun = run_virtual(raced(seed, whens))

    claim = world.runs.claimed["churn"]
    assert claim.active
    assert claim.pending
    assert set(world.runs.runs) == {claim.active, claim.pending} == {one.run.id for one in begun}
    assert sum(one.is_new for one in begun) == len(world.queues.sent) == 2


@pytest.mark.parametrize("seed", range(10))
@pytest.mark.parametrize("when", WhenActive)
def test_of_many_with_one_operation_id_all_get_one_run(seed: int, when: WhenActive) -> None:
    world, begun = run_virtual(raced(seed, [when] * 10, "op"))

    assert (len({one.run.id for one in begun}), len(begun), len(world.runs.runs)) == (1, 10, 1)


RELEASED = [
    (Claim("w", "a", "p", "p"), "a", Claim("w", "p", None, "p")),
    (Claim("w", "a", None, "a"), "a", Claim("w", None, None, "a")),
    (Claim("w", "a", "p", "p"), "p", Claim("w", "a", None, "p")),
    (Claim("w", "a", "p", "p"), "x", Claim("w", "a", "p", "p")),
    (Claim("w"), "x", Claim("w")),
]


@pytest.mark.parametrize(("claim", "run", "left"), RELEASED)
def test_what_remains_of_a_claim(claim: Claim, run: str, left: Claim) -> None:
    assert released(claim, run) == left
