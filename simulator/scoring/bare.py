"""POST /score, POST /score/{name}: an endpoint without authentication or model, for faults."""

from dataclasses import dataclass

from starlette.requests import Request
from starlette.routing import Route
from starlette.types import Receive, Scope, Send

from simulator.scoring.answers import Answer, echo_answer, error_answer
from simulator.scoring.call import answer_call
from simulator.scoring.faults import FaultMemory
from simulator.scoring.request_ids import RequestIdTooLong, request_ids
from simulator.scoring.wire import send_whole


@dataclass
class BareScoring:
    memory: FaultMemory

    def routes(self) -> list[Route]:
        return [Route(path, self, methods=["POST"]) for path in ("/score", "/score/{name}")]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        request = Request(scope, receive)
        try:
            ids = request_ids(request.headers)
        except RequestIdTooLong as error:
            await send_whole(error_answer(431, str(error)), send)
            return
        await answer_call(request, send, self.memory, ids, self._echo)

    async def _echo(self, body: bytes) -> Answer:
        return echo_answer(body)
