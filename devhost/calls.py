"""One call of a function: its id, its two log lines, its time limit, and its queue outputs."""

import asyncio
import logging
import time
import traceback
from collections.abc import Mapping, MutableMapping
from datetime import timedelta
from typing import Protocol
from uuid import uuid4

from devhost.functions import Function, QueueOutput
from devhost.protos import RpcException, TypedData
from devhost.worker import Invocation, Outcome, Trace

BY_HOST = "This function was programmatically called via the host APIs."


class Invoker(Protocol):
    async def invoke(self, invocation: Invocation) -> Outcome: ...


class Outputs(Protocol):
    async def put(self, output: QueueOutput, value: TypedData) -> None: ...


class Caller:
    def __init__(
        self,
        worker: Invoker,
        outputs: Outputs,
        timeout: timedelta | None,
        running: MutableMapping[str, str],
        *,
        is_sampled: bool = False,
    ) -> None:
        """`is_sampled`: the traces that begin here, as they are where the host records its own."""
        self._worker = worker
        self._outputs = outputs
        self._timeout = timeout.total_seconds() if timeout else None
        self._running = running
        self._is_sampled = is_sampled

    async def call(
        self,
        function: Function,
        data: TypedData,
        reason: str = BY_HOST,
        *,
        metadata: Mapping[str, TypedData] | None = None,
        details: Mapping[str, str] | None = None,
        trace: Trace | None = None,
        retry: int = 0,
        level: int = logging.INFO,
    ) -> Outcome:
        """Run the function and put its outputs; whatever goes wrong is in the outcome, never raised.

        `level` is that of its two log lines; a failure is an error always.
        """
        invocation = Invocation(str(uuid4()), function, data, metadata or {}, trace or self._begun(), retry)
        log = logging.getLogger(f"Function.{function.name}")
        log.log(level, "Executing 'Functions.%s' (Reason='%s', Id=%s)", function.name, reason, invocation.id)
        if details:
            log.log(level, "Trigger Details: %s", ", ".join(f"{key}: {value}" for key, value in details.items()))
        self._running[invocation.id] = function.name
        started = time.monotonic()
        try:
            outcome = await self._run(invocation)
        finally:
            del self._running[invocation.id]
        log_end(log, level, invocation, outcome, (time.monotonic() - started) * 1000)
        return outcome

    def _begun(self) -> Trace:
        """A trace of the call's own, as the real host begins one for each trigger."""
        return Trace(f"00-{uuid4().hex}-{uuid4().hex[:16]}-{int(self._is_sampled):02x}")

    async def _run(self, invocation: Invocation) -> Outcome:
        work = asyncio.ensure_future(self._worker.invoke(invocation))
        try:
            done, _ = await asyncio.wait([work], timeout=self._timeout)
        except asyncio.CancelledError:
            work.cancel()
            raise
        if not done:
            work.cancel()  # an async function ends; a sync one runs on in its thread, its result unseen
            return Outcome(failure=timed_out(invocation.function.name, self._timeout))
        outcome = outcome_of(work)
        if outcome.failure is None:
            try:
                await self._put_outputs(invocation.function, outcome)
            except Exception as error:  # noqa: BLE001 - a failed output is a failed call
                stack = "".join(traceback.format_exception(error))
                return Outcome(failure=RpcException(f"output binding: {error}", stack))
        return outcome

    async def _put_outputs(self, function: Function, outcome: Outcome) -> None:
        given = {**outcome.outputs}
        if outcome.returned is not None:
            given["$return"] = outcome.returned
        for output in function.outputs:
            value = given.get(output.name)
            if value is not None and value.kind is not None:
                await self._outputs.put(output, value)


def outcome_of(work: asyncio.Future[Outcome]) -> Outcome:
    if work.cancelled():
        return Outcome(failure=RpcException("The host stopped before the call ended"))
    error = work.exception()
    if error is not None:
        stack = "".join(traceback.format_exception(error))
        return Outcome(failure=RpcException(f"{type(error).__name__}: {error}", stack))
    return work.result()


def timed_out(function: str, seconds: float | None) -> RpcException:
    logging.getLogger("Host.Timeout").error(
        "Timeout value of %s s was exceeded by function '%s'. In Azure the host now restarts the whole "
        "worker process and every call in flight dies; here only this call is given up.",
        seconds,
        function,
    )
    return RpcException(f"Timeout value of {seconds} s was exceeded by function: Functions.{function}")


def log_end(log: logging.Logger, level: int, invocation: Invocation, outcome: Outcome, milliseconds: float) -> None:
    name, failure = invocation.function.name, outcome.failure
    if failure is None:
        log.log(level, "Executed 'Functions.%s' (Succeeded, Id=%s, Duration=%.0fms)", name, invocation.id, milliseconds)
        return
    log.error(
        "Executed 'Functions.%s' (Failed, Id=%s, Duration=%.0fms)\n%s",
        name,
        invocation.id,
        milliseconds,
        failure.stack_trace.rstrip() or failure.message,
    )
