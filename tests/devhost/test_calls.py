"""One call: outputs, time limit, and what the log tells."""

import re
from datetime import timedelta

import pytest

from devhost.protos import TypedData
from devhost.worker import Outcome, Trace
from tests.devhost.fakes import FAILED, FakeOutputs, FakeWorker, make_caller, queue_function

BODY = TypedData(string="x")


async def test_what_a_function_sets_and_returns_goes_to_its_queues() -> None:
    outputs = FakeOutputs()
    worker = FakeWorker(Outcome(TypedData(string="back"), {"out": TypedData(string="set")}))

    outcome = await make_caller(worker, outputs).call(queue_function("out", "$return", "unset"), BODY)

    assert outcome.failure is None
    assert outputs.put_values == [("out-q", "set"), ("return-q", "back")]


async def test_an_output_that_cannot_be_put_fails_the_call() -> None:
    outputs = FakeOutputs(error=OSError("no storage"))
    worker = FakeWorker(Outcome(outputs={"out": TypedData(string="set")}))

    outcome = await make_caller(worker, outputs).call(queue_function("out"), BODY)

    assert outcome.failure is not None
    assert "no storage" in outcome.failure.message


async def test_a_failed_call_puts_nothing() -> None:
    outputs = FakeOutputs()

    outcome = await make_caller(FakeWorker(FAILED), outputs).call(queue_function("out"), BODY)

    assert outcome is FAILED
    assert outputs.put_values == []


async def test_a_call_over_the_time_limit_is_given_up() -> None:
    caller = make_caller(FakeWorker(takes=30), timeout=timedelta(seconds=0.05))

    outcome = await caller.call(queue_function(), BODY)

    assert outcome.failure is not None
    assert "Timeout value of 0.05 s was exceeded by function: Functions.work" in outcome.failure.message


async def test_the_log_tells_reason_id_and_end(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO")
    worker = FakeWorker()

    await make_caller(worker).call(queue_function(), BODY, "a reason", details={"MessageId": "7"})

    invocation = worker.calls[0].id
    assert [record.name for record in caplog.records] == ["Function.work"] * 3
    assert caplog.messages[:2] == [
        f"Executing 'Functions.work' (Reason='a reason', Id={invocation})",
        "Trigger Details: MessageId: 7",
    ]
    assert caplog.messages[2].startswith(f"Executed 'Functions.work' (Succeeded, Id={invocation}, Duration=")


@pytest.mark.parametrize(("is_sampled", "flags"), [(True, "01"), (False, "00")])
async def test_a_call_that_belongs_to_no_trace_begins_one(is_sampled: bool, flags: str) -> None:
    worker = FakeWorker()
    caller = make_caller(worker, is_sampled=is_sampled)

    await caller.call(queue_function(), BODY)
    await caller.call(queue_function(), BODY)

    first, second = (call.trace.parent for call in worker.calls)
    assert re.fullmatch(f"00-[0-9a-f]{{32}}-[0-9a-f]{{16}}-{flags}", first)
    assert first != second


async def test_a_callers_trace_is_passed_on() -> None:
    worker, trace = FakeWorker(), Trace(f"00-{'a' * 32}-{'1' * 16}-01", "vendor=1")

    await make_caller(worker).call(queue_function(), BODY, trace=trace)

    assert worker.calls[0].trace == trace
