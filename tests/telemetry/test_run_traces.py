"""What runs tell of themselves in a world where everything is in memory and processes die."""

import asyncio
from collections import Counter
from dataclasses import replace

from shared.tracing import received, span, trace_of
from shared.workflows.messages import read_trace
from shared.workflows.runs import RunStatus
from tests.support.virtual_time import in_virtual_time
from tests.telemetry.fakes import MemoryRecorder, RecordedSpan
from tests.workflows.part_fakes import another, at_parts
from tests.workflows.run_world import World

REQUEST = f"00-{'a' * 32}-{'1' * 16}-01"
WAY = ("queued", "running", "importing", "publishing", "succeeded")


def statuses_of(recorder: MemoryRecorder) -> Counter[str]:
    return Counter(str(values["bridge.run.status"]) for name, _, values in recorder.counts if name == "bridge.runs")


@in_virtual_time
async def test_a_run_keeps_the_trace_of_its_request_to_its_end(recorder: MemoryRecorder) -> None:
    world = World()
    with received(REQUEST), span("put_workflow"):
        run = await world.begin()
    await world.settle()

    trace = world.run(run).trace
    assert world.run(run).status is RunStatus.SUCCEEDED
    assert trace is not None
    assert trace_of(trace) == "a" * 32
    assert {trace_of(made.traceparent or "") for made in recorder.spans} == {"a" * 32}


@in_virtual_time
async def test_every_message_names_the_runs_trace_so_that_the_same_message_has_the_same_body(
    recorder: MemoryRecorder,
) -> None:
    world = World()
    with received(REQUEST):
        run = await world.begin()
    await world.settle()

    bodies = {body for queue, body, _ in world.queues.sent if queue == "run-advance"}
    assert [read_trace(body) for body in bodies] == [world.run(run).trace]


@in_virtual_time
async def test_each_status_is_counted_once_whoever_moves_the_run(recorder: MemoryRecorder) -> None:
    world = World()
    run = await world.begin()
    for _ in range(200):
        await asyncio.gather(*(world.runner.advance(run) for _ in range(3)))
        for number in range(world.run(run).imported.parts if world.run(run).imported else 0):  # type: ignore[union-attr]
            await world.work.do(run, number)
        await asyncio.sleep(5)

    assert statuses_of(recorder) == dict.fromkeys(WAY, 1)
    told = [made.name for made in recorder.spans if made.name.startswith("run.status")]
    assert told == [f"run.status {status}" for status in WAY[:-1]]
    assert [
        (amount, values["bridge.outcome"]) for name, amount, values in recorder.counts if name == "bridge.rows"
    ] == [
        (3, "imported"),
        (0, "rejected"),
    ]


@in_virtual_time
async def test_a_step_that_fails_is_told_by_its_code(recorder: MemoryRecorder) -> None:
    world = World()
    world.jobs.errors = [ValueError("sentinel")]
    await world.begin()
    await world.settle()

    failed = [made for made in recorder.spans if made.error]
    assert [(made.name, made.error) for made in failed] == [("run.step submit", "ValueError")]
    assert "sentinel" not in repr(recorder.spans)


@in_virtual_time
async def test_a_part_that_is_taken_over_is_linked_to_the_attempt_before(recorder: MemoryRecorder) -> None:
    world, output, run = await at_parts()
    output.slowness = 200
    dying = asyncio.create_task(world.work.do(run, 0))
    await asyncio.sleep(5)
    dying.cancel()
    await asyncio.wait({dying})
    output.slowness = 0
    await asyncio.sleep(60)

    await another(world).do(run, 0)

    first, second = parts_of(recorder)
    assert (first.error, second.error) == ("CancelledError", None)
    assert second.links == [first.traceparent]
    assert second.values["bridge.outcome"] == "imported"  # type: ignore[index]


def parts_of(recorder: MemoryRecorder) -> list[RecordedSpan]:
    return [made for made in recorder.spans if made.name == "run.part"]


@in_virtual_time
async def test_a_run_of_the_release_before_has_no_trace_and_goes_on(recorder: MemoryRecorder) -> None:
    world = World()
    run = await world.begin()
    stored, version = world.runs.runs[run]
    world.runs.runs[run] = (replace(stored, trace=None), version)
    with received(REQUEST):
        await world.settle()

    assert world.run(run).status is RunStatus.SUCCEEDED
