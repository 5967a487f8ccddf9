"""How is one scoring call answered? By the fault it asks for, else as the endpoint itself would."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping

from starlette.requests import Request
from starlette.types import Send

from simulator.scoring.answers import Answer, Inputs, NoInputs, answer_to, error_answer
from simulator.scoring.faults import HEADER, BadFault, Fault, FaultMemory, Full, faults_asked
from simulator.scoring.wire import send_answer

NO_INPUTS = Inputs({}, None)


async def answer_call(
    request: Request,
    send: Send,
    memory: FaultMemory,
    headers: Mapping[str, str],
    otherwise: Callable[[bytes], Awaitable[Answer]],
) -> None:
    """Holds the call's place among those in flight at its path until the last byte is out."""
    path = request.scope["path"]
    body = await request.body()
    inputs = read_inputs(body)
    fault: Fault | None = None
    try:
        fault = memory.first_that_applies(faults_of(request, inputs), path)
        with memory.place(path, fault.capacity if fault else None):
            answer = await otherwise(body) if fault is None else await act(inputs, fault)
            await send_answer(answer.with_headers(headers), request.scope, request.receive, send, fault)
        return
    except BadFault as error:
        refusal = error_answer(400, str(error))
    except Full:
        refusal = too_many(fault)
    await send_answer(refusal.with_headers(headers), request.scope, request.receive, send, None)


def read_inputs(body: bytes) -> Inputs:
    """Also a body without inputs can ask for a fault, in query or header; what else it gets is not ours."""
    try:
        return Inputs.parse(body)
    except NoInputs:
        return NO_INPUTS


def faults_of(request: Request, inputs: Inputs) -> list[Fault]:
    return faults_asked(request.query_params, request.headers.get(HEADER), inputs.body, inputs.records)


async def act(inputs: Inputs, fault: Fault) -> Answer:
    if fault.delay:
        await asyncio.sleep(fault.delay)
    return answer_to(inputs, fault)


def too_many(fault: Fault | None) -> Answer:
    retry_after = fault.retry_after if fault else None
    headers = {"retry-after": retry_after} if retry_after is not None else {}
    return error_answer(429, "Too many requests are in flight at this endpoint.", headers)
