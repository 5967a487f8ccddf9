"""The listener's own rules; `test_host_queues.py` has it at work in the host."""

import asyncio
import itertools
from dataclasses import replace

import pytest
from azure.storage.queue.aio import QueueClient

from devhost.protos import TypedData
from devhost.queues import Limits, Listener, QueueOutputs, Wakes, open_queue, polling_waits
from devhost.settings import QueueOptions
from tests.devhost.fakes import FAILED, FakeWorker, make_caller, queue_function

PLAIN = QueueOptions(message_encoding="none", max_dequeue_count=2)


def test_waits_grow_from_100_ms_twofold_to_the_longest() -> None:
    waits = list(itertools.islice(polling_waits(0.1, 2.0, chance=lambda: 0.5), 8))

    assert waits == pytest.approx([0.1, 0.2, 0.3, 0.5, 0.9, 1.7, 2.0, 2.0])


def test_waits_are_spread_by_a_fifth() -> None:
    low = list(itertools.islice(polling_waits(0.1, 60, chance=lambda: 0.0), 4))
    high = list(itertools.islice(polling_waits(0.1, 60, chance=lambda: 1.0), 4))

    assert low == pytest.approx([0.1, 0.18, 0.26, 0.42])
    assert high == pytest.approx([0.1, 0.22, 0.34, 0.58])


@pytest.mark.parametrize(
    ("options", "processors", "threshold"),
    [
        (QueueOptions(), 1, 8),
        (QueueOptions(), 4, 32),
        (QueueOptions(batch_size=1), 2, 0),
        (QueueOptions(batch_size=8, new_batch_threshold=0), 2, 0),
    ],
)
def test_threshold_is_half_the_batch_for_each_processor_unless_set(
    options: QueueOptions, processors: int, threshold: int
) -> None:
    assert Limits.of(options, processors).threshold == threshold


async def listen(
    queue: QueueClient,
    worker: FakeWorker,
    limits: Limits,
    *,
    until: asyncio.Event,
    wakes: Wakes | None = None,
    patience: float = 5,
) -> None:
    listener = Listener(queue_function(), make_caller(worker), queue, None, PLAIN, limits, wakes or Wakes())
    await listener.run(until)
    await listener.drain(patience)


async def stop_after(seconds: float, stop: asyncio.Event) -> None:
    await asyncio.sleep(seconds)
    stop.set()


LIMITS = Limits(batch=4, threshold=0, longest_wait=0.1)


async def test_a_message_stays_ours_while_its_call_outlasts_the_lease(storage: str) -> None:
    stop, worker = asyncio.Event(), FakeWorker(takes=2.5)
    queue, look = open_queue(storage, "leased"), open_queue(storage, "leased")
    async with look:
        await look.create_queue()
        await look.send_message("long")

        async with asyncio.TaskGroup() as group:
            group.create_task(listen(queue, worker, replace(LIMITS, threshold=4, lease=2.0), until=stop))
            group.create_task(stop_after(3.2, stop))

        assert len(worker.calls) == 1
        assert (await look.get_queue_properties()).approximate_message_count == 0


async def test_a_message_that_outlasts_the_patience_is_let_go_and_comes_again(
    storage: str, caplog: pytest.LogCaptureFixture
) -> None:
    stop, worker = asyncio.Event(), FakeWorker(takes=30)
    queue, look = open_queue(storage, "let-go"), open_queue(storage, "let-go")
    async with look:
        await look.create_queue()
        await look.send_message("long")

        async with asyncio.TaskGroup() as group:
            group.create_task(listen(queue, worker, LIMITS, until=stop, patience=0.1))
            group.create_task(stop_after(0.5, stop))

        assert len(worker.calls) == 1
        assert (await look.get_queue_properties()).approximate_message_count == 1
    assert [record for record in caplog.records if record.exc_info] == []
    assert asyncio.all_tasks() == {asyncio.current_task()}


async def test_no_more_is_fetched_while_more_than_the_threshold_are_in_flight(storage: str) -> None:
    running = {"now": 0, "most": 0}
    stop = asyncio.Event()

    class Counting(FakeWorker):
        async def invoke(self, invocation):  # type: ignore[no-untyped-def]
            running["now"] += 1
            running["most"] = max(running.values())
            outcome = await super().invoke(invocation)
            running["now"] -= 1
            return outcome

    worker = Counting(takes=0.05)
    queue, look = open_queue(storage, "batched"), open_queue(storage, "batched")
    async with look:
        await look.create_queue()
        for number in range(10):
            await look.send_message(str(number))

        async with asyncio.TaskGroup() as group:
            group.create_task(listen(queue, worker, Limits(2, 1, 0.1), until=stop))
            group.create_task(stop_after(1.2, stop))

    assert len(worker.calls) == 10
    assert running["most"] <= 3  # the threshold and a batch


async def test_a_failure_without_a_poison_queue_leaves_the_message_hidden(storage: str) -> None:
    stop, worker = asyncio.Event(), FakeWorker(FAILED)
    queue, look = open_queue(storage, "own-poison"), open_queue(storage, "own-poison")
    async with look:
        await look.create_queue()
        await look.send_message("bad")

        async with asyncio.TaskGroup() as group:
            group.create_task(listen(queue, worker, LIMITS, until=stop))
            group.create_task(stop_after(0.8, stop))

        assert len(worker.calls) == 2  # maxDequeueCount
        assert (await look.get_queue_properties()).approximate_message_count == 1
        assert await look.peek_messages() == []


async def test_an_output_of_the_same_host_wakes_the_listener_at_once(storage: str) -> None:
    wakes, stop = Wakes(), asyncio.Event()
    worker = FakeWorker(during=stop.set)
    [output] = queue_function("woken").outputs
    outputs = QueueOutputs(lambda binding: open_queue(storage, binding.queue_name), PLAIN, wakes)

    async with asyncio.timeout(5), asyncio.TaskGroup() as group:
        # Looks once, finds no queue, and would look again after a minute.
        slow = Limits(batch=4, threshold=0, longest_wait=60, first_wait=60)
        group.create_task(listen(open_queue(storage, output.queue_name), worker, slow, until=stop, wakes=wakes))
        await asyncio.sleep(0.3)
        await outputs.put(output, TypedData(string="awake"))
    await outputs.close()

    assert [call.data.content for call in worker.calls] == ["awake"]
