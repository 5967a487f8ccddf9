"""One call to an online endpoint: addressed, authenticated, limited, bounded, and its answer judged.

Source: Azure ML online endpoints, status codes and headers of managed endpoints; the AML skill's error cases.
No retry here: `shared.skills.retries` decides about those.
"""

import asyncio
import logging
import re
from typing import Protocol

import httpx

from shared.aml.http import CallFailed, HttpAnswer, retry_after, send
from shared.aml.limiter import Limiter, Outcome, Slot
from shared.aml.targets import Target, Targets
from shared.logs import log_event
from shared.signals import SCORING_QUEUE_WAIT, Attributes, Spans
from shared.skills.failures import LONGEST_TEXT, Failure, Kind, status_failure
from shared.skills.gateway import Answer, AttemptFailed
from shared.skills.retries import RetryBudget
from shared.tracing import SpanKind, Values, current, is_on, record, span
from shared.wire import Json, parse_json

logger = logging.getLogger("bridge.scoring")

DEPLOYMENT_HEADER = "azureml-model-deployment"
_INNER_STATUS = "ms-azureml-model-error-statuscode"
_INNER_REASON = "ms-azureml-model-error-reason"
_STATUS = re.compile(r"[1-5][0-9]{2}")
_LONGEST_REQUEST_ID = 100
"""Azure ML answers 431 to a longer one."""
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
        label: str,
        deployment: str | None,
        most_bytes: int,
        limiter: Limiter,
        budget: RetryBudget,
        capacity: CapacityShare | None = None,
    ) -> None:
        self._label = label
        self._targets = targets
        self._transport = transport
        self._most_bytes = most_bytes
        self._limiter = limiter
        self._budget = budget
        self._capacity = capacity
        self._deployment = deployment
        self._accepted: Target | None = None
        """The one that was last shown and not refused."""
        self._said_closed = False
        self._headers_for: tuple[str | None, httpx.Headers] | None = None

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

    async def attempt(
        self, body: bytes, *, timeout: float, deadline: float, request_id: str = "", number: int = 1
    ) -> Answer:
        """One call: at most `timeout` seconds from connecting to the last byte. Raises AttemptFailed."""
        if self._capacity is not None:
            self._capacity.refresh(self._limiter)
        target = await self._targets.current()
        loop = asyncio.get_running_loop()
        was_closed, ready_at = self._limiter.window.is_closed, loop.time()
        try:
            async with self._limiter.slot(deadline) as slot:
                started = loop.time()
                if is_on():
                    waited = {Attributes.ENDPOINT: self._label, Attributes.WAIT: "limiter"}
                    record(SCORING_QUEUE_WAIT, started - ready_at, waited)
                try:
                    value = await self._traced_exchange(target, body, timeout, request_id, number)
                except AttemptFailed as failed:
                    _report(slot, failed.failure)
                    raise AttemptFailed(failed.failure, loop.time() - started) from failed
                slot.outcome = Outcome.ANSWERED
        finally:
            self._log_turn(was_closed)
        return Answer(value, loop.time() - started)

    async def probe(self) -> int:
        """The status that it answers to a call without a payload, with the credential of a real one. Raises AttemptFailed.

        OPTIONS, which by HTTP changes nothing: the inference server runs the model for a GET of `/score` too."""
        target = await self._targets.current()
        request = httpx.Request("OPTIONS", target.uri, headers=self._headers(target))
        try:
            return (await send(self._transport, request, most_bytes=self._most_bytes)).status
        except CallFailed as failed:
            raise AttemptFailed(Failure(failed.kind, facts=failed.facts)) from failed

    def _log_turn(self, was_closed: bool) -> None:
        """The limiter closed, or opened again."""
        is_closed = self._limiter.window.is_closed
        if is_closed != was_closed and is_closed != self._said_closed:
            self._said_closed = is_closed
            level = logging.WARNING if is_closed else logging.INFO
            log_event(logger, "limiter_closed" if is_closed else "limiter_opened", level, endpoint=self.name)

    async def _traced_exchange(self, target: Target, body: bytes, timeout: float, request_id: str, number: int) -> Json:
        """With a span: of the address its host alone, of the answer its status alone."""
        if not is_on():
            return await self._exchange(target, body, timeout, request_id)
        host = httpx.URL(target.uri).host
        values: Values = {Attributes.HOST: host, Attributes.ENDPOINT: self._label, Attributes.ATTEMPT: number}
        with span(Spans.SCORING_CALL, values, kind=SpanKind.CLIENT) as calling:
            try:
                return await self._exchange(target, body, timeout, request_id)
            except AttemptFailed as failed:
                calling.set(Attributes.STATUS, failed.failure.status)
                raise

    async def _exchange(self, target: Target, body: bytes, timeout: float, request_id: str) -> Json:
        try:
            async with asyncio.timeout(timeout):
                answer = await self._call(target, body, request_id)
        except TimeoutError as error:
            raise AttemptFailed(Failure(Kind.TIMED_OUT, facts={"timeout": f"{timeout:g}"})) from error
        except CallFailed as failed:
            raise AttemptFailed(Failure(failed.kind, facts=failed.facts)) from failed
        current().set(Attributes.STATUS, answer.status)
        return _judge(answer)

    async def _call(self, target: Target, body: bytes, request_id: str) -> HttpAnswer:
        answer = await self._post(target, body, request_id)
        if answer.status == 401:
            log_event(logger, "credential_refused", endpoint=self.name)
            renewed = await self._targets.renewed(target, was_good=target is self._accepted)
            if renewed is not None:
                answer, target = await self._post(renewed, body, request_id), renewed
        if answer.status == 401:
            raise AttemptFailed(Failure(Kind.UNAUTHORIZED, 401, facts={"credential_cure": target.credential_cure}))
        self._accepted = target
        return answer

    async def _post(self, target: Target, body: bytes, request_id: str) -> HttpAnswer:
        # `stream` keeps httpx from working the headers over again; the transport adds Host and Content-Length.
        request = httpx.Request("POST", target.uri, headers=self._headers(target), stream=httpx.ByteStream(body))
        request.read()
        if request_id:
            request.headers["x-ms-client-request-id"] = request_id[:_LONGEST_REQUEST_ID]
        request.headers.encoding = "ascii"  # else httpx finds out for every header of every call
        return await send(self._transport, request, most_bytes=self._most_bytes)

    def _headers(self, target: Target) -> httpx.Headers:
        """Made once for a credential."""
        if self._headers_for is None or self._headers_for[0] != target.authorization:
            self._headers_for = target.authorization, _headers(target.authorization, self._deployment)
        return self._headers_for[1]


def _headers(authorization: str | None, deployment: str | None) -> httpx.Headers:
    headers = {
        "Content-Type": "application/json",
        "Accept": "application/json",
        "Accept-Encoding": "gzip",
        "User-Agent": "aml-bridge",
    }
    if deployment:
        headers[DEPLOYMENT_HEADER] = deployment
    if authorization is not None:
        headers["Authorization"] = authorization
    return httpx.Headers(headers)


def _judge(answer: HttpAnswer) -> Json:
    """The JSON of a success. Raises AttemptFailed."""
    if not 200 <= answer.status < 300:
        raise AttemptFailed(_status_failure(answer))
    if not answer.is_json:
        raise AttemptFailed(Failure(Kind.CONTENT_TYPE, facts={"content_type": answer.content_type[:100] or "none"}))
    try:
        return parse_json(answer.body)
    except ValueError:
        raise AttemptFailed(Failure(Kind.INVALID_JSON)) from None


def _status_failure(answer: HttpAnswer) -> Failure:
    inner = answer.headers.get(_INNER_STATUS, "").strip()
    reason = answer.headers.get(_INNER_REASON, "")
    return status_failure(
        answer.status,
        text=_message(answer),
        reason=reason[:LONGEST_TEXT] or None,
        inner=int(inner) if _STATUS.fullmatch(inner) else None,
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
    """What the failure tells the limiter; any answer but a push-back shows that the endpoint lives."""
    if failure.pushed_back:
        slot.outcome, slot.retry_after = Outcome.PUSHED_BACK, failure.retry_after
    elif failure.kind is Kind.TIMED_OUT:
        slot.outcome = Outcome.TIMED_OUT
    else:
        slot.outcome = Outcome.UNREACHED if failure.kind in _UNREACHED else Outcome.ANSWERED
