"""How old is what readers see? Measured at a tick, and told until the next ones are missed."""

import time
from collections.abc import Callable
from datetime import datetime

from shared.entities.snapshots import EntityStore
from shared.signals import ENTITY_AGE, Attributes
from shared.tracing import Measurements, Values, observe

_TOLD_FOR = 150.0
"""Seconds; more than two ticks. Then another process has them, or none, and what this one knows is old."""


class Freshness:
    """The ages of all entities that have published rows."""

    def __init__(
        self, store: EntityStore, now: Callable[[], datetime], clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._store = store
        self._now = now
        self._clock = clock
        self._ages: list[tuple[float, Values]] = []
        self._measured_at = float("-inf")
        observe(ENTITY_AGE, self.ages)

    async def look(self) -> None:
        """Raises StorageUnavailable."""
        now = self._now()
        ages: list[tuple[float, Values]] = []
        for entity in await self._store.list():
            if entity.current is not None and entity.current.published_at is not None:
                values = {Attributes.ENTITY: entity.name, Attributes.WORKFLOW: entity.workflow}
                ages.append(((now - entity.current.published_at).total_seconds(), values))
        self._ages, self._measured_at = ages, self._clock()

    def ages(self) -> Measurements:
        """As they are now; nothing where the latest look is too long ago."""
        since = self._clock() - self._measured_at
        return [(age + since, values) for age, values in self._ages] if since <= _TOLD_FOR else []
