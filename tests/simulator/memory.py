"""Storage and a queue in memory."""

from pathlib import Path


class MemoryStorage:
    def __init__(self) -> None:
        self.blobs: dict[tuple[str, str], bytes] = {}

    async def names(self, container: str, prefix: str) -> list[str]:
        return sorted(name for held, name in self.blobs if held == container and name.startswith(prefix))

    async def fetch(self, container: str, name: str, target: Path) -> None:
        target.write_bytes(self.blobs[container, name])  # noqa: ASYNC240

    async def store(self, container: str, name: str, source: Path) -> None:
        self.blobs[container, name] = source.read_bytes()  # noqa: ASYNC240


class MemoryQueue:
    def __init__(self) -> None:
        self.texts: list[str] = []

    async def put(self, text: str) -> None:
        self.texts.append(text)
