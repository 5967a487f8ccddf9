"""Results remembered for a while, so that a batch which the indexer sends again goes on where it stopped.

Keyed by payload, definition and deployment; ten minutes and 64 MB at most, in this process alone; off by the
app setting RESULT_CACHE. Only successes are kept.
"""

from collections import OrderedDict
from collections.abc import Callable
from hashlib import blake2b

from shared.skills.payloads import Inputs, Outputs
from shared.wire import json_bytes, parse_json

LIFETIME = 600.0
MOST_BYTES = 64 * 1024 * 1024
_OVERHEAD = 200
"""Bytes an entry costs beside its content, about."""


class ResultCache:
    """Least recently used out first."""

    def __init__(self, clock: Callable[[], float], *, most_bytes: int = MOST_BYTES, lifetime: float = LIFETIME) -> None:
        self._clock = clock
        self._most_bytes = most_bytes
        self._lifetime = lifetime
        self._entries: OrderedDict[bytes, tuple[float, bytes]] = OrderedDict()
        self._bytes = 0

    def __len__(self) -> int:
        return len(self._entries)

    def get(self, key: bytes) -> Outputs | None:
        entry = self._entries.get(key)
        if entry is None:
            return None
        stored_at, content = entry
        if self._clock() - stored_at > self._lifetime:
            self._drop(key)
            return None
        self._entries.move_to_end(key)
        outputs = parse_json(content)
        return outputs if isinstance(outputs, dict) else None

    def put(self, key: bytes, outputs: Outputs) -> None:
        content = json_bytes(outputs)
        if len(content) + _OVERHEAD > self._most_bytes:
            return
        self._drop(key)
        self._entries[key] = (self._clock(), content)
        self._bytes += len(content) + _OVERHEAD
        while self._bytes > self._most_bytes:
            self._drop(next(iter(self._entries)))

    def _drop(self, key: bytes) -> None:
        entry = self._entries.pop(key, None)
        if entry is not None:
            self._bytes -= len(entry[1]) + _OVERHEAD


def result_key(inputs: Inputs, version: str) -> bytes:
    """One key for one payload under one version of a definition (which holds the deployment)."""
    return blake2b(json_bytes(inputs), key=version.encode()[:64], digest_size=20).digest()
