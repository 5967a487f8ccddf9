"""The gateway's engine: many records, few calls in flight, one deadline, an outcome for each.

A window of workers slides over the calls (never in chunks, so a slow call holds up nobody). A failed call goes
back into the queue or is given up; a batch that the model rejects is halved until the bad record stands alone;
at the deadline the calls in flight are aborted, and what was scored until then stays.
"""

import asyncio
import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Protocol

from shared import tracing
from shared.signals import SCORING_CALLS, SCORING_DURATION, SCORING_QUEUE_WAIT, SCORING_RETRIES, Attributes
from shared.skills.backlog import Backlog
from shared.skills.definition import Gateway, SkillDefinition
from shared.skills.failures import Failure, Kind
from shared.skills.payloads import AnswerRejected, Inputs, Outputs, decode, encode
from shared.skills.places import Places
from shared.skills.results import ResultCache, result_key
from shared.skills.retries import Again, Draw, RetryBudget, Tried, decide
from shared.skills.stats import SkillStats
from shared.wire import Json

type Outcome = Outputs | Failure


@dataclass(frozen=True, slots=True)
class Answer:
    """What the endpoint said, and how many seconds that took."""

    value: Json
    seconds: float


class AttemptFailed(Exception):
    """One attempt gave no answer to use; `seconds` is None if the endpoint was not reached at all."""

    def __init__(self, failure: Failure, seconds: float | None = None) -> None:
        super().__init__(failure.kind.code)
        self.failure = failure
        self.code = failure.kind.code
        self.seconds = seconds


class Endpoint(Protocol):
    """A scoring endpoint as the gateway sees it: addressed, authenticated and limited."""

    @property
    def name(self) -> str:
        """What error messages call it; never an address with a secret."""

    @property
    def budget(self) -> RetryBudget: ...

    @property
    def answers(self) -> int:
        """How many calls of this process it has answered, push-backs not counted."""

    async def attempt(
        self, body: bytes, *, timeout: float, deadline: float, request_id: str = "", number: int = 1
    ) -> Answer:
        """One call, no retry: at most `timeout` seconds, begun before `deadline` (loop time). Raises AttemptFailed.

        `number`: which attempt this is at its records.
        """


@dataclass(frozen=True, slots=True)
class Skill:
    """A definition with all that serves it in this process."""

    name: str
    version: str
    """Changes with the definition."""
    definition: SkillDefinition
    endpoint: Endpoint
    stats: SkillStats
    slots: Places
    """degreeOfParallelism, shared by all requests for this skill."""
    results: ResultCache | None = None
    draw: Draw = random.uniform

    def with_retries(self, retries: int) -> "Skill":
        definition = self.definition.model_copy(
            update={"gateway": self.definition.gateway.model_copy(update={"retries": retries})}
        )
        return replace(self, definition=definition)


@dataclass(slots=True)
class _Call:
    indexes: Sequence[int]
    """Which of the batch's records it carries."""
    attempts: int = 0
    retries: int = 0

    def halves(self) -> "Iterator[_Call]":
        middle = len(self.indexes) // 2
        return (_Call(part) for part in (self.indexes[:middle], self.indexes[middle:]))


async def score(skill: Skill, batch: Sequence[Inputs], seconds: float, request_id: str = "") -> list[Outcome]:
    """The outcome of every item of `batch`, in order, within `seconds`. `request_id` goes along with each call."""
    return await _Batch(skill, batch, seconds, request_id).run()


class _Batch:
    def __init__(self, skill: Skill, batch: Sequence[Inputs], seconds: float, request_id: str) -> None:
        self._skill = skill
        self._batch = batch
        self._deadline = asyncio.get_running_loop().time() + seconds
        self._seconds = seconds
        self._request_id = request_id
        self._answers_before = skill.endpoint.answers
        self._outcomes: list[Outcome] = [self._deadline_failure(Kind.NOT_REACHED)] * len(batch)
        self._aborted = self._deadline_failure(Kind.DEADLINE)
        self._given_up: list[tuple[_Call, Failure]] = []
        self._keys = [result_key(inputs, skill.version) for inputs in batch] if skill.results is not None else []

    @property
    def _gateway(self) -> Gateway:
        return self._skill.definition.gateway

    async def run(self) -> list[Outcome]:
        stats = self._skill.stats
        stats.records += len(self._batch)
        calls = self._calls(self._recall())
        self._backlog = Backlog(calls)
        await self._slide(min(self._skill.definition.degree_of_parallelism, len(calls)))
        for outcome in self._outcomes:
            if isinstance(outcome, Failure):
                stats.error(outcome.kind.code)
        self._tell_batch()
        return self._outcomes

    async def _slide(self, workers: int) -> None:
        """Until all is done, or the deadline."""
        try:
            async with asyncio.timeout_at(self._deadline), asyncio.TaskGroup() as group:
                for _ in range(workers):
                    group.create_task(self._work())
        except TimeoutError:
            pass
        except BaseExceptionGroup as errors:
            # A fault of ours, no failed call: the rim shall see it, not the group.
            raise errors.exceptions[0] from None

    def _recall(self) -> list[int]:
        """Take what is remembered; the indexes that remain."""
        if self._skill.results is None:
            return list(range(len(self._batch)))
        todo: list[int] = []
        for index, key in enumerate(self._keys):
            if (known := self._skill.results.get(key)) is None:
                todo.append(index)
            else:
                self._outcomes[index] = known
        self._skill.stats.remembered += len(self._batch) - len(todo)
        return todo

    def _calls(self, todo: Sequence[int]) -> list[_Call]:
        size = self._gateway.max_records_per_call
        return [_Call(todo[start : start + size]) for start in range(0, len(todo), size)]

    async def _work(self) -> None:
        while (call := await self._backlog.take()) is not None:
            await self._attempt(call)
            if self._given_up and self._endpoint_lives:
                self._resume()
            self._backlog.finish()

    async def _attempt(self, call: _Call) -> None:
        skill = self._skill
        body = encode([self._batch[index] for index in call.indexes], skill.definition)
        ready_at = asyncio.get_running_loop().time()
        async with skill.slots:
            self._begin(call)
            self._tell_begin(call, ready_at)
            try:
                answer = await skill.endpoint.attempt(
                    body,
                    timeout=skill.definition.timeout,
                    deadline=self._deadline,
                    request_id=self._request_id,
                    number=call.attempts,
                )
            except AttemptFailed as failed:
                skill.stats.call(failed.seconds)
                self._tell_end(failed.failure.kind.code, failed.seconds)
                self._settle_failure(call, failed.failure)
                return
        skill.stats.call(answer.seconds)
        self._tell_end("Answered", answer.seconds)
        self._settle_answer(call, answer.value)

    def _tell_batch(self) -> None:
        batch = tracing.current()
        batch.set(Attributes.SKILL, self._skill.name)
        batch.set(Attributes.RECORDS, len(self._batch))
        batch.set(Attributes.FAILED, sum(isinstance(outcome, Failure) for outcome in self._outcomes))

    def _tell_begin(self, call: _Call, ready_at: float) -> None:
        if not tracing.is_on():
            return
        skill = {Attributes.SKILL: self._skill.name}
        waited = asyncio.get_running_loop().time() - ready_at
        tracing.record(SCORING_QUEUE_WAIT, waited, {**skill, Attributes.WAIT: "places"})
        if call.attempts > 1:
            tracing.count(SCORING_RETRIES, skill)

    def _tell_end(self, outcome: str, seconds: float | None) -> None:
        if not tracing.is_on():
            return
        skill = {Attributes.SKILL: self._skill.name}
        tracing.count(SCORING_CALLS, {**skill, Attributes.OUTCOME: outcome})
        if seconds is not None:
            tracing.record(SCORING_DURATION, seconds, skill)

    def _deadline_failure(self, kind: Kind) -> Failure:
        return Failure(kind, facts={"deadline": f"{self._seconds:g}"})

    def _begin(self, call: _Call) -> None:
        """Count the attempt; what is still in flight at the deadline has already got its outcome: that of the attempt
        before, which tells more than the deadline, or else the deadline's."""
        call.attempts += 1
        if call.attempts == 1:
            self._skill.endpoint.budget.earn()
            self._keep(call, self._aborted)
        else:
            self._skill.stats.retries += 1

    def _keep(self, call: _Call, failure: Failure) -> None:
        """The outcome of the call's records, until a later attempt gives a better one."""
        for index in call.indexes:
            self._outcomes[index] = failure

    def _settle_answer(self, call: _Call, value: Json) -> None:
        try:
            outcomes = decode(value, len(call.indexes), self._skill.definition)
        except AnswerRejected as rejected:
            self._settle_failure(call, rejected.failure)
            return
        for index, outcome in zip(call.indexes, outcomes, strict=True):
            self._outcomes[index] = outcome
            if self._skill.results is not None and not isinstance(outcome, Failure):
                self._skill.results.put(self._keys[index], outcome)

    def _settle_failure(self, call: _Call, failure: Failure) -> None:
        self._skill.stats.push_backs += failure.pushed_back
        self._keep(call, replace(failure, attempts=call.attempts))
        again = self._decide(call, failure)
        if again is not None:
            call.retries += again.counts
            self._backlog.delay(call, again.delay)
        elif failure.kind.rejected and len(call.indexes) > 1:
            # Which of them is to blame is not known yet, so none is blamed should the deadline come first.
            self._keep(call, self._aborted)
            self._backlog.add(call.halves())
        elif failure.pushed_back and not self._endpoint_lives:
            self._given_up.append((call, failure))

    @property
    def _endpoint_lives(self) -> bool:
        return self._skill.endpoint.answers > self._answers_before

    def _resume(self) -> None:
        """The endpoint has answered: what was given up because it answered nobody met only a busy moment."""
        given_up, self._given_up = self._given_up, []
        for call, failure in given_up:
            again = self._decide(call, failure)
            if again is not None:
                self._backlog.delay(call, again.delay)

    def _decide(self, call: _Call, failure: Failure) -> Again | None:
        endpoint = self._skill.endpoint
        tried = Tried(call.attempts, call.retries, endpoint_lives=self._endpoint_lives)
        remaining = self._deadline - asyncio.get_running_loop().time()
        return decide(failure, tried, self._gateway, endpoint.budget, remaining=remaining, draw=self._skill.draw)
