"""Runs whose parts are about to be imported, from files that are slow to read, or not read at all."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass, field

from shared.entities.outputs import Listed
from shared.workflows.part_ledger import PartState
from shared.workflows.part_work import PartWork
from tests.entities.fakes import MemoryOutput
from tests.workflows.run_world import World


@dataclass
class SlowOutput(MemoryOutput):
    """Takes long to read, or fails."""

    slowness: float = 0
    errors: list[Exception] = field(default_factory=list)
    reads: int = 0
    at_once: int = 0
    most_at_once: int = 0

    async def read(self, file: Listed, start: int = 0, end: int | None = None) -> AsyncIterator[bytes]:
        self.reads += 1
        self.at_once += 1
        self.most_at_once = max(self.at_once, self.most_at_once)
        try:
            await asyncio.sleep(self.slowness)
            if self.errors:
                raise self.errors.pop(0)
            async for chunk in super().read(file, start, end):
                yield chunk
        finally:
            self.at_once -= 1


async def at_parts(count: int = 1) -> tuple[World, SlowOutput, str]:
    """A run whose parts, a file each, have been sent; nobody has begun any."""
    world = World()
    world.output = world.jobs.output = output = SlowOutput({})
    run = await world.begin()
    for number in range(count - 1):
        output.files[f"outputs/value/{run}/t{number}.csv"] = b"customer_id,score\n%d,1\n" % number
    await world.settle(until=lambda: len(world.waiting("import-part")) == count)
    output.reads = output.most_at_once = 0
    return world, output, run


def states(world: World) -> list[tuple[int, PartState, str, int]]:
    entries = sorted(world.parts.entries.values(), key=lambda entry: entry.number)
    return [(entry.number, entry.state, entry.by, entry.attempts) for entry in entries]


def another(world: World) -> PartWork:
    world.start_process(name="p2")
    return world.work
