"""Stand-ins for what the room is handed: a scoring endpoint, a store of skills, and definitions to serve."""

import asyncio
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from itertools import count
from typing import Any

from shared.skills.catalog import StoredSkill
from shared.skills.definition import SkillDefinition, parse_definition, strip_definition
from shared.skills.failures import Failure, Kind, status_failure
from shared.skills.gateway import Answer, AttemptFailed, Skill
from shared.skills.places import Places
from shared.skills.results import ResultCache
from shared.skills.retries import RetryBudget
from shared.skills.stats import SkillStats
from shared.wire import Json

NOON = datetime(2026, 12, 1, 12, tzinfo=UTC)
URI = "https://model.westeurope.inference.ml.azure.com/score"


def document(**members: Any) -> dict[str, Any]:
    """A definition's JSON: one input `text`, one output `label`, and what a test says."""
    return {
        "@odata.type": "#Microsoft.Skills.Custom.AmlSkill",
        "uri": URI,
        "context": "/document",
        "inputs": [{"name": "text", "source": "/document/text"}],
        "outputs": [{"name": "label"}],
        **members,
    }


def definition(**members: Any) -> SkillDefinition:
    return parse_definition(strip_definition(document(**members)))


@dataclass(frozen=True, slots=True)
class Reply:
    """What the endpoint does with one call: answers `value`, or fails, `after` seconds."""

    value: Json = None
    failure: Failure | None = None
    after: float = 0.0
    is_reached: bool = True


def say(value: Json, after: float = 0.0) -> Reply:
    return Reply(value, after=after)


def status(code: int, after: float = 0.0, **facts: Any) -> Reply:
    return Reply(failure=status_failure(code, **facts), after=after)


def fail(kind: Kind, after: float = 0.0) -> Reply:
    return Reply(failure=Failure(kind), after=after, is_reached=False)


@dataclass(slots=True)
class Call:
    """A call as the endpoint saw it."""

    body: Any
    number: int
    """Of all calls, from 0."""
    repeat: int
    """How many calls had this body before."""
    at: float
    timeout: float
    request_id: str


type Script = Callable[[Call], Reply]


def label(call: Call) -> Reply:
    """The model: the text's length."""
    return say({"label": len(call.body["text"])})


@dataclass(slots=True)
class FakeEndpoint:
    """Does with each call what its script says."""

    script: Script = label
    name: str = "the endpoint model"
    budget: RetryBudget = field(default_factory=RetryBudget)
    answers: int = 0
    calls: list[Call] = field(default_factory=list)
    in_flight: int = 0
    most_in_flight: int = 0
    aborted: int = 0

    async def attempt(
        self, body: bytes, *, timeout: float, deadline: float, request_id: str = "", number: int = 1
    ) -> Answer:
        loop = asyncio.get_running_loop()
        sent = json.loads(body)
        repeat = sum(call.body == sent for call in self.calls) if len(self.calls) < 1000 else 0
        call = Call(sent, len(self.calls), repeat, loop.time(), timeout, request_id)
        self.calls.append(call)
        self.in_flight += 1
        self.most_in_flight = max(self.most_in_flight, self.in_flight)
        try:
            return await self._reply(self.script(call), timeout)
        except asyncio.CancelledError:
            self.aborted += 1
            raise
        finally:
            self.in_flight -= 1

    async def _reply(self, reply: Reply, timeout: float) -> Answer:
        if reply.after > timeout:
            await asyncio.sleep(timeout)
            raise AttemptFailed(Failure(Kind.TIMED_OUT, facts={"timeout": f"{timeout:g}"}), timeout)
        if reply.after:
            await asyncio.sleep(reply.after)
        if reply.failure is not None:
            raise AttemptFailed(reply.failure, reply.after if reply.is_reached else None)
        self.answers += 1
        return Answer(reply.value, reply.after)


def skill(
    script: Script = label,
    *,
    endpoint: FakeEndpoint | None = None,
    results: ResultCache | None = None,
    version: str = "v1",
    **members: Any,
) -> tuple[Skill, FakeEndpoint]:
    """A skill ready to score on a fake endpoint; back-off always waits its longest."""
    endpoint = endpoint or FakeEndpoint(script)
    served = definition(**members)
    slots = Places(served.degree_of_parallelism)
    ready = Skill("sample", version, served, endpoint, SkillStats(), slots, results, draw=lambda _, longest: longest)
    return ready, endpoint


class StoreFailed(Exception):
    """The process died here, as far as the test is concerned."""


class MemoryStore:
    """Skills and secrets in memory. `fails_at` is the number of the write, from 1, that raises instead."""

    def __init__(self) -> None:
        self.skills: dict[str, StoredSkill] = {}
        self.secrets: dict[str, str] = {}
        self.fails_at: int | None = None
        self.writes = 0
        self._versions = count(1)
        self.before_save: list[StoredSkill] = []
        """Saved by somebody else just before our next save."""

    async def get(self, name: str) -> StoredSkill | None:
        await asyncio.sleep(0)
        return self.skills.get(name.lower())

    async def list(self) -> Sequence[StoredSkill]:
        return [self.skills[name] for name in sorted(self.skills)]

    async def save(self, skill: StoredSkill, *, replaces: StoredSkill | None) -> bool:
        await self._write()
        if self.before_save:
            self._put(self.before_save.pop())
        current = self.skills.get(skill.name.lower())
        if (current.version if current else None) != (replaces.version if replaces else None):
            return False
        self._put(skill)
        return True

    def _put(self, skill: StoredSkill) -> None:
        self.skills[skill.name.lower()] = replace(skill, version=str(next(self._versions)))

    async def delete(self, skill: StoredSkill) -> bool:
        await self._write()
        current = self.skills.get(skill.name.lower())
        if current is None or current.version != skill.version:
            return False
        del self.skills[skill.name.lower()]
        return True

    async def get_secret(self, secret_id: str) -> str | None:
        await asyncio.sleep(0)
        return self.secrets.get(secret_id)

    async def put_secret(self, secret_id: str, value: str) -> None:
        await self._write()
        self.secrets[secret_id] = value

    async def delete_secret(self, secret_id: str) -> None:
        await self._write()
        self.secrets.pop(secret_id, None)

    async def _write(self) -> None:
        await asyncio.sleep(0)
        self.writes += 1
        if self.writes == self.fails_at:
            raise StoreFailed
