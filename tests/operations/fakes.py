"""Whose the account is, in memory, with the conditional write of the real store."""

from dataclasses import dataclass, replace

from shared.operations.ownership import Ownership


@dataclass
class MemoryOwnership:
    found: Ownership | None = None
    reads: int = 0
    writes: int = 0

    async def get(self) -> Ownership | None:
        self.reads += 1
        return self.found

    async def save(self, ownership: Ownership) -> bool:
        if ownership.version != (self.found.version if self.found else ""):
            return False
        self.writes += 1
        self.found = replace(ownership, version=str(self.writes))
        return True
