"""Several gateways on one endpoint that has little room, or is busy at random: nearly every record is scored.

The limiter is the real one; only the network between is a stand-in.
"""

import asyncio
import random
from collections.abc import Callable
from dataclasses import dataclass, field

import pytest

from shared.aml.limiter import Limiter, Outcome
from shared.skills.contract import Record
from shared.skills.enrichment import enrich_records
from shared.skills.failures import Failure, status_failure
from shared.skills.gateway import Answer, AttemptFailed, Skill
from shared.skills.places import Places
from shared.skills.retries import RetryBudget
from shared.skills.stats import SkillStats
from tests.skills.fakes import definition
from tests.support.virtual_time import run_virtual

DEADLINE = 202.5
"""What the web-api-skill route gives a batch."""
RECORDS = 2000
SERVICE_SECONDS = 0.05


@dataclass(slots=True)
class Server:
    """One endpoint for all gateways: pushes back beyond its capacity, and `busy` says when else."""

    capacity: float
    busy: Callable[[], bool]
    in_flight: int = 0
    calls: int = 0

    async def score(self) -> Failure | None:
        self.calls += 1
        if self.in_flight >= self.capacity or self.busy():
            await asyncio.sleep(0.005)
            return status_failure(429)
        self.in_flight += 1
        try:
            await asyncio.sleep(SERVICE_SECONDS)
        finally:
            self.in_flight -= 1
        return None


@dataclass(slots=True)
class LimitedEndpoint:
    """One gateway's view of the server, through a limiter of its own."""

    server: Server
    name: str = "the endpoint model"
    budget: RetryBudget = field(default_factory=RetryBudget)
    limiter: Limiter = field(default_factory=Limiter)

    @property
    def answers(self) -> int:
        return self.limiter.window.answers

    async def attempt(
        self, body: bytes, *, timeout: float, deadline: float, request_id: str = "", number: int = 1
    ) -> Answer:
        loop = asyncio.get_running_loop()
        async with self.limiter.slot(deadline) as slot:
            started = loop.time()
            failure = await self.server.score()
            seconds = loop.time() - started
            if failure is not None:
                slot.outcome = Outcome.PUSHED_BACK
                raise AttemptFailed(failure, seconds)
            slot.outcome = Outcome.ANSWERED
            return Answer({"label": len(body)}, seconds)


def gateway(server: Server, draw: random.Random) -> Skill:
    served = definition()
    slots = Places(served.degree_of_parallelism)
    return Skill("sample", "v1", served, LimitedEndpoint(server), SkillStats(), slots, draw=draw.uniform)


async def enrich_all(server: Server, gateways: int, seed: int) -> tuple[int, float]:
    """How many records were scored, and in how many seconds."""
    loop = asyncio.get_running_loop()
    started = loop.time()
    per_gateway = RECORDS // gateways
    batches = [
        enrich_records(
            gateway(server, random.Random(seed + number)),
            [Record(str(index), {"text": f"{number} {index}"}) for index in range(per_gateway)],
            DEADLINE,
        )
        for number in range(gateways)
    ]
    results = await asyncio.gather(*batches)
    return sum(bool(result.data) for batch in results for result in batch), loop.time() - started


def never() -> bool:
    return False


@pytest.mark.parametrize("seed", [1, 2, 3])
@pytest.mark.parametrize("gateways", [1, 2, 4])
def test_an_endpoint_of_capacity_2_scores_nearly_every_record(gateways: int, seed: int) -> None:
    server = Server(capacity=2, busy=never)

    scored, duration = run_virtual(enrich_all(server, gateways, seed))

    assert scored >= 0.99 * RECORDS
    assert duration <= DEADLINE + 1


@pytest.mark.parametrize("seed", [1, 2, 3])
@pytest.mark.parametrize("gateways", [1, 2, 4])
def test_a_storm_of_push_backs_loses_nearly_no_record(gateways: int, seed: int) -> None:
    storm = random.Random(seed)
    server = Server(capacity=float("inf"), busy=lambda: storm.random() < 0.3)

    scored, duration = run_virtual(enrich_all(server, gateways, seed))

    assert scored >= 0.99 * RECORDS
    assert duration <= DEADLINE + 1


@pytest.mark.parametrize("gateways", [1, 4])
def test_a_storm_costs_few_calls_more_than_it_turns_away(gateways: int) -> None:
    storm = random.Random(7)
    server = Server(capacity=float("inf"), busy=lambda: storm.random() < 0.3)

    scored, _ = run_virtual(enrich_all(server, gateways, 7))

    assert server.calls <= 1.1 * scored / 0.7


def test_an_endpoint_with_room_is_used_to_the_degree_of_parallelism() -> None:
    server = Server(capacity=100, busy=never)

    scored, duration = run_virtual(enrich_all(server, 1, 1))

    assert scored == RECORDS
    assert server.calls == RECORDS
    assert duration <= 1.1 * RECORDS * SERVICE_SECONDS / 5
