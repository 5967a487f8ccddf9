"""Reader keys: named keys that open the data plane, told once, kept as a hash, revocable one by one."""

import hashlib
import hmac
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Protocol

from pydantic import StrictStr

from shared.documents import Document, read_document
from shared.errors import Conflict, InvalidDefinition, InvalidName, NotFound, there_are
from shared.times import rfc3339

_PREFIX = "brk_"
_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_-]{0,62}")
_KEY = re.compile(rf"{_PREFIX}[A-Za-z0-9_-]{{43}}")
"""256 bits, url-safe."""
_ID_LENGTH = 32


@dataclass(frozen=True, slots=True)
class ReaderKey:
    name: str
    digest: str
    """SHA-256 of the key, in hex. A key of 256 random bits needs no salt and no slow hash."""
    created_at: datetime
    created_by: str
    expires_at: datetime | None = None
    last_used_at: datetime | None = None
    """To the hour."""
    version: str = ""
    """The store's mark for a conditional write."""

    @property
    def id(self) -> str:
        return id_of(self.digest)

    def is_opened_by(self, digest: str, now: datetime) -> bool:
        is_same = hmac.compare_digest(self.digest.encode(), digest.encode())
        return is_same and (self.expires_at is None or now < self.expires_at)

    def render(self) -> dict[str, Any]:
        """All but the key, which nobody has any more."""
        return {
            "name": self.name,
            "createdAt": _rendered(self.created_at),
            "createdBy": self.created_by,
            "expiresAt": _rendered(self.expires_at),
            "lastUsedAt": _rendered(self.last_used_at),
        }


class ReaderKeyStore(Protocol):
    """Where reader keys lie, by name and by id. Raises StorageUnavailable."""

    async def find(self, key_id: str) -> ReaderKey | None: ...

    async def get(self, name: str) -> ReaderKey | None:
        """By name, without regard to case."""

    async def list(self) -> Sequence[ReaderKey]:
        """All, by name."""

    async def add(self, key: ReaderKey) -> bool:
        """Write a new one; False if its name is taken."""

    async def remove(self, key: ReaderKey) -> bool:
        """False if it is gone already."""

    async def mark_used(self, key: ReaderKey, at: datetime) -> None:
        """Leaves alone what has been changed or removed since it was read."""


class ReaderKeyDocument(Document):
    name: StrictStr
    expires_at: StrictStr | None = None


class ReaderKeyCatalog:
    """What the routes under `/api/reader-keys` do."""

    def __init__(
        self, store: ReaderKeyStore, *, random: Callable[[], str], revoked: Callable[[ReaderKey], None]
    ) -> None:
        """`random`: 256 bits as 43 url-safe characters. `revoked` hears of a key that opens nothing any more."""
        self._store = store
        self._random = random
        self._revoked = revoked

    async def create(self, body: object, by: str, now: datetime) -> dict[str, Any]:
        """What is kept of the key, and this once the key itself. Raises InvalidDefinition, InvalidName, Conflict."""
        document = read_document(ReaderKeyDocument, body, what="a reader key", error=InvalidDefinition)
        name, key = check_name(document.name), f"{_PREFIX}{self._random()}"
        made = ReaderKey(name, digest_of(key), now, by, _expiry(document.expires_at, now))
        if not await self._store.add(made):
            raise Conflict(
                f"there is a reader key {name!r} already: choose another name, or DELETE it first", target="name"
            )
        return {"name": name, "key": key} | made.render()

    async def list(self) -> Sequence[ReaderKey]:
        return await self._store.list()

    async def get(self, name: str) -> ReaderKey:
        """Raises NotFound, with the names there are."""
        found = await self._store.get(check_name(name))
        if found is None:
            names = [key.name for key in await self._store.list()]
            known = there_are(names, "there is none yet; POST one")
            raise NotFound(f"no reader key is called {name!r}; {known}", target="name")
        return found

    async def revoke(self, name: str) -> None:
        """Raises NotFound."""
        key = await self.get(name)
        await self._store.remove(key)
        self._revoked(key)


def check_name(name: str) -> str:
    """Raises InvalidName."""
    if not _NAME.fullmatch(name):
        raise InvalidName(
            "a reader key's name starts with a letter, and holds letters, numbers, hyphens and underscores, at most 63",
            target="name",
        )
    return name


def is_key(text: str) -> bool:
    """It looks like a reader key, so that looking for it may be worth while."""
    return _KEY.fullmatch(text) is not None


def digest_of(key: str) -> str:
    return hashlib.sha256(key.encode("utf-8", "surrogatepass")).hexdigest()


def id_of(digest: str) -> str:
    """Under which a key is found by one read."""
    return digest[:_ID_LENGTH]


def _expiry(text: str | None, now: datetime) -> datetime | None:
    if text is None:
        return None
    try:
        moment = datetime.fromisoformat(text)
        expires_at = moment.astimezone(UTC) if moment.tzinfo else None
    except (ValueError, OverflowError):
        expires_at = None
    if expires_at is None:
        raise InvalidDefinition("expiresAt: is a time with its zone, such as 2027-01-31T00:00:00Z", target="expiresAt")
    if expires_at <= now:
        raise InvalidDefinition("expiresAt: lies in the past", target="expiresAt")
    return expires_at


def _rendered(moment: datetime | None) -> str | None:
    return None if moment is None else rfc3339(moment)
