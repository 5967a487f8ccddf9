"""How much of an endpoint is ours? Its capacity, as ARM tells it, shared by the processes that are alive."""

import asyncio
import logging
from collections.abc import Callable
from datetime import datetime
from typing import Protocol

from shared.aml.arm import ResourceManager
from shared.aml.limiter import Limiter
from shared.errors import BridgeError
from shared.logs import log_event
from shared.skills.addresses import EndpointId
from shared.skills.gateway import AttemptFailed

_BEAT_EVERY = 15.0
_CAPACITY_EVERY = 300.0

logger = logging.getLogger(__name__)


class Processes(Protocol):
    async def beat(self, process_id: str, now: datetime) -> int:
        """This process is alive; how many are."""


class SharedCapacity:
    """Asks in the background, at most once in 15 s (processes) and 5 min (capacity); calls never wait for it."""

    def __init__(
        self,
        endpoint: EndpointId,
        deployment: str | None,
        *,
        arm: ResourceManager,
        processes: Processes,
        process_id: str,
        now: Callable[[], datetime],
    ) -> None:
        self._endpoint = endpoint
        self._deployment = deployment
        self._arm = arm
        self._processes = processes
        self._process_id = process_id
        self._now = now
        self._next_beat = float("-inf")
        self._next_read = float("-inf")
        self._task: asyncio.Task[None] | None = None
        self._capacity: float | None = None

    def refresh(self, limiter: Limiter) -> None:
        now = asyncio.get_running_loop().time()
        if now < self._next_beat or (self._task is not None and not self._task.done()):
            return
        self._next_beat = now + _BEAT_EVERY
        self._task = asyncio.create_task(self._share(limiter))

    async def read(self) -> float | None:
        """Calls that the endpoint holds at once; None where ARM does not tell, or does not tell us."""
        now = asyncio.get_running_loop().time()
        try:
            if now >= self._next_read:
                self._capacity = await self._arm.capacity(self._endpoint, self._deployment)
                self._next_read = now + _CAPACITY_EVERY
        except AttemptFailed as error:
            # Without it the limiter finds the capacity by itself, only less quickly.
            endpoint = self._endpoint.endpoint
            log_event(logger, "endpoint_capacity_unknown", logging.WARNING, endpoint=endpoint, cause=error)
        return self._capacity

    async def _share(self, limiter: Limiter) -> None:
        capacity = await self.read()
        if capacity is None:
            return
        try:
            alive = await self._processes.beat(self._process_id, self._now())
        except BridgeError as error:
            log_event(logger, "heartbeat_not_written", logging.WARNING, cause=error.code)
        else:
            limiter.window.share_capacity(capacity / alive)
