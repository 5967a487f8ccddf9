"""An endpoint's capacity, shared by the processes that are alive."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime

import httpx
import pytest

from shared.aml.capacity import SharedCapacity
from shared.aml.limiter import Limiter
from shared.errors import StorageUnavailable
from tests.aml.fakes import ENDPOINT, FakeArm, endpoint_json, resource_manager
from tests.support.virtual_time import run_virtual

NOW = datetime(2026, 1, 1, tzinfo=UTC)
BLUE = {
    "name": "blue",
    "sku": {"capacity": 2},
    "properties": {"requestSettings": {"maxConcurrentRequestsPerInstance": 1}},
}


@dataclass
class FakeProcesses:
    alive: int = 1
    beats: list[str] = field(default_factory=list)
    down: bool = False

    async def beat(self, process_id: str, now: datetime) -> int:
        self.beats.append(process_id)
        if self.down:
            raise StorageUnavailable("down")
        return self.alive


def arm_with_capacity() -> FakeArm:
    return FakeArm({"language": endpoint_json(), "deployments": {"value": [BLUE]}})


def shared(arm: FakeArm, processes: FakeProcesses) -> SharedCapacity:
    return SharedCapacity(
        ENDPOINT, None, arm=resource_manager(arm), processes=processes, process_id="p1", now=lambda: NOW
    )


async def refresh(capacity: SharedCapacity, limiter: Limiter) -> float:
    capacity.refresh(limiter)
    await asyncio.sleep(0.1)
    return limiter.window.size


@pytest.mark.parametrize(("alive", "size"), [(1, 2.0), (2, 2.0), (4, 1.0), (8, 0.5)])
async def test_the_processes_share_it(alive: int, size: float) -> None:
    assert await refresh(shared(arm_with_capacity(), FakeProcesses(alive)), Limiter()) == size


@pytest.mark.parametrize(
    "unknown",
    [
        httpx.Response(403),
        httpx.Response(500),
        httpx.Response(200, json=[]),
        {"value": []},
        {"value": [{"name": "blue"}]},
    ],
)
async def test_an_unknown_capacity_leaves_the_window_alone(unknown: object) -> None:
    arm = arm_with_capacity()
    arm.answers["deployments"] = unknown
    processes = FakeProcesses(8)

    assert await refresh(shared(arm, processes), Limiter()) == 2.0
    assert processes.beats == []


async def test_storage_in_trouble_leaves_the_window_alone() -> None:
    assert await refresh(shared(arm_with_capacity(), FakeProcesses(down=True)), Limiter()) == 2.0


def asked_within(seconds: int, count: Callable[[FakeArm, FakeProcesses], int]) -> int:
    async def main() -> int:
        arm, processes, limiter = arm_with_capacity(), FakeProcesses(), Limiter()
        capacity = shared(arm, processes)
        for _ in range(seconds):  # a call a second
            capacity.refresh(limiter)
            await asyncio.sleep(1)
        return count(arm, processes)

    return run_virtual(main())


def test_a_heartbeat_every_fifteen_seconds() -> None:
    assert asked_within(60, lambda _, processes: len(processes.beats)) == 4


def test_arm_is_asked_every_five_minutes() -> None:
    assert asked_within(899, lambda arm, _: arm.asked("deployments")) == 3


async def test_a_failed_look_up_is_no_noise(caplog: pytest.LogCaptureFixture) -> None:
    arm = arm_with_capacity()
    arm.answers["deployments"] = httpx.Response(403, text="sentinel")

    await refresh(shared(arm, FakeProcesses()), Limiter())

    assert [record.getMessage() for record in caplog.records] == [
        "endpoint_capacity_unknown endpoint=language cause=EndpointReadForbidden"
    ]
