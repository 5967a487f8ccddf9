"""One call to an online endpoint: addressed, authenticated, limited, bounded, and its answer judged.

Source: Azure ML online endpoints, status codes and headers of managed endpoints; the AML skill's error cases.
No retry here: `shared.skills.retries` decides about those.
"""

import asyncio
from typing import Protocol

import httpx

from shared.aml.http import CallFailed, HttpAnswer, retry_after, send
from shared.aml.limiter import Limiter, Outcome, Slot
from shared.aml.targets import Target, Targets
from shared.skills.failures import Failure, Kind, status_failure
from shared.skills.gateway import Answer, AttemptFailed
from shared.skills.retries import RetryBudget
from shared.wire import Json, parse_json

DEPLOYMENT_HEADER = "azureml-model-deployment"
_INNER_STATUS = "ms-azureml-model-error-statuscode"
_INNER_REASON = "ms-azureml-model-error-reason"
_RESOLVE_SECONDS = 30.0
_UNREACHED = (Kind.DNS, Kind.TLS, Kind.CONNECT, Kind.DROPPED)


class CapacityShare(Protocol):
    """Tells the limiter what this process may use of the endpoint, where that is known."""

    def refresh(self, limiter: Limiter) -> None:
        """Called before each attempt; must not wait."""

    async def read(self) -> float | None:
        """Calls that the endpoint holds at once; None where that is not known."""


class ScoringEndpoint:
    """An endpoint with its limiter and retry budget: one for each address in a process."""

    def __init__(
        self,
        targets: Targets,
        transport: httpx.AsyncBaseTransport,
        *,
        deployment: str | None,
        most_bytes: int,
        limiter: Limiter,
        budget: RetryBudget,
        capacity: CapacityShare | None = None,
    ) -> None:
        self._targets = targets
        self._transport = transport
        self._most_bytes = most_bytes
        self._limiter = limiter
        self._budget = budget
        self._capacity = capacity
        self._headers = {
            "Content-Type": "application/json",
            "Accept": "application/json",
            "User-Agent": "aml-bridge",
        }
        if deployment:
            self._headers[DEPLOYMENT_HEADER] = deployment

    @property
    def name(self) -> str:
        return self._targets.name

    @property
    def budget(self) -> RetryBudget:
        return self._budget

    @property
    def limiter(self) -> Limiter:
        return self._limiter

    @property
    def answers(self) -> int:
        return self._limiter.window.answers

    async def capacity(self) -> float | None:
        """Calls that the endpoint holds at once; None where that is not known."""
        return await self._capacity.read() if self._capacity is not None else None

    async def attempt(self, body: bytes, *, timeout: float, deadline: float, request_id: str = "") -> Answer:
        """One call: at most `timeout` seconds from connecting to the last byte. Raises AttemptFailed."""
        if self._capacity is not None:
            self._capacity.refresh(self._limiter)
        target = await self._resolve()
        loop = asyncio.get_running_loop()
        async with self._limiter.slot(deadline) as slot:
            started = loop.time()
            try:
                async with asyncio.timeout(timeout):
                    answer = await self._call(target, body, request_id)
                value = _judge(answer)
            except TimeoutError as error:
                slot.outcome = Outcome.TIMED_OUT
                failure = Failure(Kind.TIMED_OUT, facts={"timeout": f"{timeout:g}"})
                raise AttemptFailed(failure, loop.time() - started) from error
            except CallFailed as failed:
                slot.outcome = Outcome.UNREACHED if failed.kind in _UNREACHED else Outcome.ANSWERED
                raise AttemptFailed(Failure(failed.kind, facts=failed.facts), loop.time() - started) from failed
            except _Refused as refused:
                _report(slot, refused.failure)
                raise AttemptFailed(refused.failure, loop.time() - started) from None
            slot.outcome = Outcome.ANSWERED
        return Answer(value, loop.time() - started)

    async def _resolve(self) -> Target:
        try:
            async with asyncio.timeout(_RESOLVE_SECONDS):
                return await self._targets.current()
        except TimeoutError as error:
            failure = Failure(Kind.ARM_FAILED, facts={"status": f"nothing within {_RESOLVE_SECONDS:g} s"})
            raise AttemptFailed(failure) from error

    async def _call(self, target: Target, body: bytes, request_id: str) -> HttpAnswer:
        answer = await self._post(target, body, request_id)
        if answer.status != 401:
            return answer
        renewed = await self._targets.renewed(target)
        if renewed is not None:
            answer, target = await self._post(renewed, body, request_id), renewed
        if answer.status == 401:
            raise _Refused(Failure(Kind.UNAUTHORIZED, 401, facts={"credential_cure": target.credential_cure}))
        return answer

    async def _post(self, target: Target, body: bytes, request_id: str) -> HttpAnswer:
        headers = dict(self._headers)
        if target.authorization is not None:
            headers["Authorization"] = target.authorization
        if request_id:
            headers["x-ms-client-request-id"] = request_id
        request = httpx.Request("POST", target.uri, headers=headers, content=body)
        return await send(self._transport, request, most_bytes=self._most_bytes)


class _Refused(Exception):
    """The endpoint answered, and the answer is no enrichment."""

    def __init__(self, failure: Failure) -> None:
        super().__init__(failure.kind.code)
        self.failure = failure


def _judge(answer: HttpAnswer) -> Json:
    """The JSON of a success. Raises _Refused."""
    if not 200 <= answer.status < 300:
        raise _Refused(_status_failure(answer))
    if not answer.is_json:
        raise _Refused(Failure(Kind.CONTENT_TYPE, facts={"content_type": answer.content_type[:100] or "none"}))
    try:
        return parse_json(answer.body)
    except ValueError:
        raise _Refused(Failure(Kind.INVALID_JSON)) from None


def _status_failure(answer: HttpAnswer) -> Failure:
    inner = answer.headers.get(_INNER_STATUS, "")
    return status_failure(
        answer.status,
        text=_message(answer),
        reason=answer.headers.get(_INNER_REASON),
        inner=int(inner) if inner.isascii() and inner.isdigit() else None,
        retry_after=retry_after(answer.headers),
    )


def _message(answer: HttpAnswer) -> str | None:
    """The `message` of a JSON answer; of another body, nothing is repeated."""
    if not answer.is_json:
        return None
    try:
        found = parse_json(answer.body)
    except ValueError:
        return None
    message = found.get("message") if isinstance(found, dict) else None
    return message if isinstance(message, str) else None


def _report(slot: Slot, failure: Failure) -> None:
    slot.outcome = Outcome.PUSHED_BACK if failure.pushed_back else Outcome.ANSWERED
    slot.retry_after = failure.retry_after if failure.pushed_back else None
