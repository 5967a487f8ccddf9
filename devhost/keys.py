"""Who may call what: the level that a key has, against the level that a function asks for."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from hmac import compare_digest

from devhost.functions import AuthLevel


@dataclass(frozen=True)
class Keys:
    master: str
    host: Mapping[str, str]
    functions: Mapping[str, Mapping[str, str]] = field(default_factory=dict)

    def level(self, given: str | None, function: str | None) -> AuthLevel:
        """What `given` amounts to at `function`; another function's key is worth nothing there."""
        if not given:
            return AuthLevel.ANONYMOUS
        if self.master and same(given, self.master):
            return AuthLevel.ADMIN
        own = next((keys for name, keys in self.functions.items() if name.lower() == (function or "").lower()), {})
        if any_same(given, self.host.values()) or any_same(given, own.values()):
            return AuthLevel.FUNCTION
        return AuthLevel.ANONYMOUS


def key_of(headers: Mapping[str, str], query: Mapping[str, str]) -> str | None:
    """The key that a request brings: the header wins over the query."""
    code = next((value for name, value in query.items() if name.lower() == "code"), None)
    return headers.get("x-functions-key") or code or None


def any_same(given: str, keys: Iterable[str]) -> bool:
    return any(same(given, key) for key in keys if key)


def same(given: str, key: str) -> bool:
    return compare_digest(given.encode(), key.encode())
