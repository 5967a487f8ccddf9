"""A process may die between any two lines: whatever it had done, the next one ends the run, and does nothing twice."""

import json
from collections.abc import Awaitable, Callable

import pytest

from shared.workflows.messages import WhenActive
from shared.workflows.notifications import event_id
from shared.workflows.runs import RunStatus
from tests.support.virtual_time import run_virtual
from tests.workflows.run_fakes import Killed
from tests.workflows.run_world import World, churn, successor

TWO_CUSTOMERS_OF_THREE = b"customer_id,score\n00002,9\n00004,1\n,7\n"
HEADER = b"CustomerId,customer_id,score"


NOTIFY = {"url": "https://hooks.contoso.com/bridge", "secret": "@appsetting('NOTIFY_CHURN')"}


async def again[T](ask: Callable[[], Awaitable[T]], world: World) -> T:
    """A caller whose request fails repeats it."""
    try:
        return await ask()
    except Killed:
        world.restart()
        return await ask()


def rows(world: World, entity: str = "customervalue") -> list[str]:
    current = world.entities.entities[entity].current
    assert current is not None
    found = world.rows.contents(current.place).values()
    assert len(found) == current.rows
    return sorted(str(row.values["customer_id"]) for row in found)


async def plain(world: World) -> None:
    """From the request to the published rows, two files, with a key that occurs twice and a row without one."""
    world.workflows.workflows["churn"] = churn(quality={"maxRejectedRatio": 0.5})
    run = await again(lambda: world.begin(operation="op"), world)
    world.output.files[f"outputs/value/{run}/b.csv"] = TWO_CUSTOMERS_OF_THREE
    await world.settle()

    assert world.run(run).status is RunStatus.SUCCEEDED
    assert list(world.jobs.bodies) == [run]
    assert rows(world) == ["00001", "00002", "00003", "00004"]
    imported = world.run(run).imported
    assert imported is not None
    assert (imported.parts_done, imported.rows, imported.rejected) == (2, 4, 2)
    assert len(world.entities.entities["customervalue"].published) == 1


async def followed(world: World) -> None:
    """A pending run begins, whoever ends the active one."""
    first = await again(lambda: world.begin(operation="1"), world)
    second = await again(lambda: world.begin(when_active=WhenActive.QUEUE, operation="2"), world)
    await world.settle()

    assert [world.run(run).status for run in (first, second)] == [RunStatus.SUCCEEDED] * 2
    assert sorted(world.jobs.bodies) == sorted([first, second])
    entity = world.entities.entities["customervalue"]
    assert (len(entity.published), entity.current and entity.current.run) == (2, second)


async def exported(world: World) -> None:
    """One run takes the rows of another."""
    await again(lambda: world.begin(operation="1"), world)
    await world.settle()
    run = await again(lambda: world.begin("next", operation="2"), world)
    await world.settle()

    assert world.run(run).status is RunStatus.SUCCEEDED
    [written] = world.sink.files.values()
    assert sorted(written.splitlines()) == [b"00001,00001,0.5", b"00002,00002,1.5", b"00003,00003,2.5", HEADER]
    assert (len(world.jobs.bodies), rows(world, "next")) == (2, ["00001", "00002", "00003"])


async def canceled(world: World) -> None:
    """A running run is canceled."""
    world.jobs.way = ("Running",)
    run = await again(lambda: world.begin(operation="op"), world)
    await world.settle(most=100)
    await again(lambda: world.control.cancel(run), world)
    await world.settle()

    assert world.run(run).status is RunStatus.CANCELED
    assert set(world.jobs.jobs) <= {run}
    assert all(way == ["Canceled"] for way in world.jobs.jobs.values())


async def held(world: World) -> None:
    """A run is held, and published by hand."""
    world.workflows.workflows["churn"] = churn(quality={"minRows": 5}, notify=NOTIFY)
    run = await again(lambda: world.begin(operation="op"), world)
    await world.settle()
    assert (world.run(run).status, rows_of_nobody(world)) == (RunStatus.HELD, True)
    await again(lambda: world.control.publish(run), world)
    await world.settle()

    assert world.run(run).status is RunStatus.SUCCEEDED
    assert rows(world) == ["00001", "00002", "00003"]


def check_told(world: World) -> None:
    """Of every run's end, and of each time that it was held; the address of its workflow too, once or more."""
    events = {event["event"]: event["status"] for event in map(json.loads, world.told.texts)}
    asked = {event_id(message.run, message.place) for message in world.notified}
    for run, _ in world.runs.runs.values():
        news = {
            event_id(run.id, place): entry.status for place, entry in enumerate(run.timeline) if is_news(entry.status)
        }
        assert run.status in news.values()
        assert news.items() <= events.items()
        assert (news.keys() <= asked) is ("notify" in run.definition)


def is_news(status: RunStatus) -> bool:
    return status.is_terminal or status is RunStatus.HELD


def rows_of_nobody(world: World) -> bool:
    return world.entities.entities["customervalue"].current is None


async def imported_again(world: World) -> None:
    run = await again(lambda: world.begin(operation="op"), world)
    await world.settle()
    try:
        await world.control.import_again(run, world.now())
    except Killed:
        world.restart()
    await world.settle()

    assert list(world.jobs.bodies) == [run]
    assert {stored.status for stored, _ in world.runs.runs.values()} == {RunStatus.SUCCEEDED}
    assert rows(world) == ["00001", "00002", "00003"]


@pytest.mark.parametrize("scenario", [plain, followed, exported, canceled, held, imported_again])
def test_a_process_that_dies_at_any_effect_leaves_nothing_undone_and_nothing_done_twice(
    scenario: Callable[[World], Awaitable[None]],
) -> None:
    async def live(dies_at: int | None, is_done: bool) -> list[str]:
        world = World(churn(notify=NOTIFY), successor())
        world.life.dies_at, world.life.is_done = dies_at, is_done
        try:
            await scenario(world)
            assert world.runs.alive == set()
            check_told(world)
            assert [claim.active or claim.pending for claim in await world.runs.claims()] == [None] * len(
                world.runs.claimed
            )
        except Exception as error:
            error.add_note(f"died {'after' if is_done else 'before'} effect {dies_at}: {world.life.effects}")
            raise
        return world.life.effects

    effects = run_virtual(live(None, False))

    assert len(effects) > 10
    for number in range(len(effects)):
        run_virtual(live(number, False))
        run_virtual(live(number, True))
