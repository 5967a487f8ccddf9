"""A workflow as the API tells it."""

from typing import Any

from shared.workflows.views import WorkflowViews
from tests.support.virtual_time import in_virtual_time
from tests.workflows.fakes import stored_workflow
from tests.workflows.run_world import World, churn


async def rendered(world: World, *more: Any) -> list[dict[str, Any]]:
    views = WorkflowViews(world.runs, world.entities, world.now)
    return await views.render_all([churn(), *more])


@in_virtual_time
async def test_a_workflow_that_never_ran_has_no_last_run_and_nothing_published() -> None:
    [view] = await rendered(World())

    assert (view["name"], view["ready"], view["missing"], view["nextRuns"]) == ("churn", True, [], [])
    assert not {"lastRun", "published"} & view.keys()


@in_virtual_time
async def test_the_run_that_began_last_is_told_while_it_runs_and_once_it_has_ended() -> None:
    world = World()
    run = await world.begin()
    [running] = await rendered(world)
    await world.settle()
    [ended] = await rendered(world)

    assert (running["lastRun"]["id"], running["lastRun"]["status"]) == (run, "queued")
    assert (ended["lastRun"]["id"], ended["lastRun"]["status"]) == (run, "succeeded")
    assert ended["lastRun"]["import"] == {"parts": 1, "partsDone": 1, "rows": 3, "rejected": 0}
    published = ended["published"]
    assert (published["rows"], published["run"], published["snapshot"]) == (3, run, ended["lastRun"]["snapshot"])
    assert published["at"].startswith("2026-11-21T12:0")


@in_virtual_time
async def test_a_run_that_has_been_dropped_is_not_told() -> None:
    world = World()
    run = await world.begin()
    await world.settle()
    await world.runs.delete(run)

    [view] = await rendered(world)

    assert ("lastRun" in view, view["published"]["run"]) == (False, run)


@in_virtual_time
async def test_another_workflows_entity_is_not_told_as_ones_own() -> None:
    world = World()
    await world.begin()
    await world.settle()
    other = stored_workflow("other")

    views = await rendered(world, other)
    [alone] = await WorkflowViews(world.runs, world.entities, world.now).render_all([other])

    assert ["published" in view for view in views] == [True, False]
    assert "published" not in alone


@in_virtual_time
async def test_many_are_told_as_each_alone() -> None:
    world = World()
    await world.begin()
    await world.settle()

    many = await rendered(world, stored_workflow("VALUE", outputEntity="Value"))

    assert [view["name"] for view in many] == ["churn", "VALUE"]
    assert many[:1] == await rendered(world)
    assert await WorkflowViews(world.runs, world.entities, world.now).render_all([]) == []
