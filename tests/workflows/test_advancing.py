"""How a run is brought on, from its first step to its last, and what becomes of it on the way."""

from dataclasses import replace
from datetime import timedelta

import pytest

from shared.entities.snapshots import claim_entity, find_entity
from shared.errors import StorageUnavailable, WorkspaceForbidden, WorkspaceUnavailable
from shared.workflows.messages import WhenActive
from shared.workflows.runs import ImportProgress, RunStatus
from shared.workflows.workspaces import JobFailure
from tests.support.virtual_time import in_virtual_time
from tests.workflows.fakes import stored_workflow
from tests.workflows.run_world import World, churn


def way(world: World, run: str) -> list[str]:
    return [entry.status.value for entry in world.run(run).timeline]


async def done(world: World) -> str:
    run = await world.begin()
    await world.settle()
    return run


@in_virtual_time
async def test_a_run_goes_from_queued_to_published_rows() -> None:
    world = World()

    run = await done(world)

    ended = world.run(run)
    assert way(world, run) == ["queued", "running", "importing", "publishing", "succeeded"]
    assert (ended.imported, ended.retrying, ended.error) == (ImportProgress(1, 1, 3, 0), None, None)
    entity = world.entities.entities["customervalue"]
    assert entity.current is not None
    assert (entity.current.table, entity.current.run, entity.current.rows) == (ended.snapshot, run, 3)
    assert len(world.rows.contents(entity.current.place)) == 3
    assert list(world.jobs.bodies) == [run]
    assert (world.queues.waiting, world.runs.alive, world.runs.claimed["churn"].active) == ([], set(), None)


@in_virtual_time
async def test_the_pending_run_begins_with_the_workflow_as_it_is_when_the_active_one_ends() -> None:
    world = World()
    first = await world.begin()
    second = await world.begin(when_active=WhenActive.QUEUE)
    await world.settle(most=2)
    assert (first in world.jobs.jobs, second in world.jobs.jobs) == (True, False)
    world.workflows.workflows["churn"] = churn(outputEntity="Other", pipeline_version="4")

    await world.settle()

    ended = world.run(second)
    assert (world.run(first).status, ended.status) == (RunStatus.SUCCEEDED, RunStatus.SUCCEEDED)
    assert ended.began_at == world.run(first).updated_at
    assert (ended.definition["outputEntity"], ended.pipeline_version) == ("Other", "4")
    assert str(ended.pipeline_id).endswith("/versions/4")
    assert world.entities.entities["other"].workflow == "churn"
    assert world.runs.claimed["churn"].pending is None


@in_virtual_time
async def test_a_run_whose_workflow_is_gone_or_a_draft_goes_on_as_it_was_asked_for() -> None:
    for workflow in (None, churn(missing=["transactions"], outputEntity="Other")):
        world = World()
        run = await world.begin()
        world.workflows.workflows = {} if workflow is None else {"churn": workflow}

        await world.settle()

        assert world.run(run).status is RunStatus.SUCCEEDED
        assert world.run(run).definition["outputEntity"] == "CustomerValue"


@in_virtual_time
async def test_a_pipeline_that_follows_takes_the_newest_version_once_and_keeps_it() -> None:
    world = World(churn(pipeline="customer_value@latest"))
    world.jobs.errors = [WorkspaceUnavailable("busy")]
    run = await world.begin()
    await world.settle(most=0)
    world.workspace.newest = "10"

    await world.settle()

    assert str(world.run(run).pipeline_id).endswith("/versions/9")
    assert world.jobs.bodies[run]["properties"]["componentId"] == world.run(run).pipeline_id


@in_virtual_time
async def test_another_workflows_entity_fails_the_run_before_a_job_is_sent() -> None:
    world = World(churn(), stored_workflow("other"))
    await claim_entity(world.entities, "CustomerValue", "other")

    run = await done(world)

    assert (world.run(run).status, world.jobs.jobs) == (RunStatus.FAILED, {})
    assert "written by the workflow other" in world.run(run).error.message  # type: ignore[union-attr]


@in_virtual_time
async def test_an_entity_whose_workflow_is_gone_is_taken_over() -> None:
    world = World()
    await claim_entity(world.entities, "CustomerValue", "deleted")

    run = await done(world)

    assert world.run(run).status is RunStatus.SUCCEEDED
    assert (await find_entity(world.entities, "CustomerValue")).workflow == "churn"


# Failures


@in_virtual_time
async def test_what_may_pass_is_tried_again_later_each_time_and_says_so() -> None:
    world = World()
    run = await world.begin()
    world.jobs.errors = [WorkspaceUnavailable("busy")] * 3
    await world.settle(most=1)
    retrying = world.run(run).retrying
    assert retrying is not None
    assert (retrying.attempts, retrying.code, retrying.message) == (1, "WorkspaceUnavailable", "busy")
    begun = world.now()

    await world.settle(until=lambda: bool(world.jobs.jobs))

    assert timedelta(seconds=34) <= world.now() - begun <= timedelta(seconds=40)  # 5 + 10 + 20
    await world.settle()
    assert (world.run(run).status, world.run(run).retrying) == (RunStatus.SUCCEEDED, None)


@in_virtual_time
async def test_retry_after_is_waited_for() -> None:
    world = World()
    run = await world.begin()
    world.jobs.errors = [WorkspaceUnavailable("busy", retry_after=100)]

    await world.settle(until=lambda: bool(world.jobs.jobs))

    assert world.now() - world.run(run).created_at >= timedelta(seconds=100)


@in_virtual_time
async def test_what_will_not_pass_fails_the_run_at_once() -> None:
    world = World()
    world.jobs.errors = [WorkspaceForbidden("no right to submit")]

    run = await done(world)

    error = world.run(run).error
    assert (world.run(run).status, error and error.code) == (RunStatus.FAILED, "WorkspaceForbidden")
    assert (world.queues.waiting, world.runs.claimed["churn"].active) == ([], None)


@in_virtual_time
async def test_a_fault_of_ours_is_tried_again_and_told_without_its_text() -> None:
    world = World()
    run = await world.begin()
    world.jobs.errors = [KeyError("sentinel")]
    await world.settle(most=1)
    retrying = world.run(run).retrying
    assert retrying is not None
    assert (retrying.code, "KeyError" in retrying.message, "sentinel" in retrying.message) == (
        "InternalError",
        True,
        False,
    )

    await world.settle()

    assert world.run(run).status is RunStatus.SUCCEEDED


@in_virtual_time
async def test_a_failed_job_fails_its_run_with_the_jobs_reason() -> None:
    for reason, told in (
        (JobFailure("UserError", "no such file", ["step a", "step b"]), ("UserError", "no such file: step a; step b")),
        (
            None,
            ("JobFailed", "the pipeline failed, and Azure Machine Learning gives no reason; see the job in the studio"),
        ),
    ):
        world = World()
        world.jobs.way, world.jobs.reason = ("Running", "Failed"), reason

        run = await done(world)

        error = world.run(run).error
        assert error is not None
        assert (error.code, error.message) == told
        assert way(world, run) == ["queued", "running", "failed"]


@in_virtual_time
async def test_a_job_deleted_in_azure_is_asked_for_until_the_time_is_over() -> None:
    world = World(churn(timeout="PT1H"))
    run = await world.begin()
    await world.settle(until=lambda: bool(world.jobs.jobs))
    world.jobs.jobs.clear()

    await world.settle(most=1800)
    retrying = world.run(run).retrying
    assert retrying is not None
    assert "does not know the job" in retrying.message

    await world.settle()
    assert (world.run(run).status, way(world, run)[-1]) == (RunStatus.FAILED, "failed")
    assert "not done after 1 h 00 min" in world.run(run).error.message  # type: ignore[union-attr]


@in_virtual_time
async def test_a_file_without_its_key_column_fails_the_run_with_the_files_name() -> None:
    world = World()
    world.jobs.csv = b"id,score\n1,2\n"

    run = await done(world)

    error = world.run(run).error
    assert error is not None
    assert (error.code, "scores.csv" in error.message) == ("UnusableOutput", True)


@in_virtual_time
async def test_a_storage_that_is_away_is_told_to_the_queue_and_nothing_is_lost() -> None:
    world = World()
    run = await world.begin()
    world.jobs.errors = [StorageUnavailable("table storage did not answer")]

    await world.settle()

    assert world.run(run).status is RunStatus.SUCCEEDED


@in_virtual_time
async def test_a_definition_that_this_release_cannot_read_fails_the_run() -> None:
    world = World()
    run = await world.begin()
    stored = await world.runs.get(run)
    assert stored is not None
    await world.runs.save(replace(stored.run, definition={"future": True}), stored.version)

    await world.settle()

    error = world.run(run).error
    assert (world.run(run).status, error and error.code) == (RunStatus.FAILED, "InvalidDefinition")
    assert world.runs.claimed["churn"].active is None
    assert (world.run(run).announcing, world.queues.waiting) == ((), [])


@pytest.mark.parametrize("nobody", ["brg-churn-20261121T120000-abcdef", ""])
def test_a_run_that_is_not_there_is_no_error(nobody: str) -> None:
    @in_virtual_time
    async def advance() -> None:
        world = World()
        await world.runner.advance(nobody)
        assert world.queues.sent == []

    advance()
