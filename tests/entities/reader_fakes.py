"""Reader keys in memory."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime

from shared.entities.reader_keys import ReaderKey, digest_of

NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)


def key_text(letter: str) -> str:
    """A key as the app would make it."""
    return f"brk_{letter * 43}"


def reader_key(name: str = "sales", letter: str = "a", **members: datetime | str | None) -> ReaderKey:
    made = ReaderKey(name, digest_of(key_text(letter)), NOW, "holder of a function key")
    return replace(made, **members)  # type: ignore[arg-type]


@dataclass
class MemoryReaderKeys:
    keys: dict[str, ReaderKey] = field(default_factory=dict)
    """By name in lower case."""
    finds: list[str] = field(default_factory=list)
    """Ids that were looked for."""
    writes: int = 0

    async def find(self, key_id: str) -> ReaderKey | None:
        self.finds.append(key_id)
        return next((key for key in self.keys.values() if key.id == key_id), None)

    async def get(self, name: str) -> ReaderKey | None:
        return self.keys.get(name.lower())

    async def list(self) -> Sequence[ReaderKey]:
        return [self.keys[name] for name in sorted(self.keys)]

    async def add(self, key: ReaderKey) -> bool:
        return self.keys.get(key.name.lower()) is None and self._put(key)

    async def remove(self, key: ReaderKey) -> bool:
        return self.keys.pop(key.name.lower(), None) is not None

    async def mark_used(self, key: ReaderKey, at: datetime) -> None:
        current = self.keys.get(key.name.lower())
        if current is not None and (current.id, current.version) == (key.id, key.version):
            self._put(replace(key, last_used_at=at))

    def _put(self, key: ReaderKey) -> bool:
        self.writes += 1
        self.keys[key.name.lower()] = replace(key, version=str(self.writes))
        return True
