"""Who may read data? Whoever brings a reader key, or has signed in through Easy Auth.

There is no lock-out after wrong keys: 256 random bits are not found by trying.
"""

import base64
import binascii
import hmac
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta

from shared.entities.reader_keys import ReaderKey, ReaderKeyStore, digest_of, id_of, is_key
from shared.errors import StorageUnavailable, Unauthorized

KNOWN_FOR = 5.0
"""Seconds that a key revoked in another process may still open this one."""
UNKNOWN_FOR = 2.0
MOST_REMEMBERED = 1000
USE_TOLD_AFTER = timedelta(hours=1)
_REFUSAL = (
    "sign in with a reader key: as the password of Basic authentication, with any user name, in the header "
    "x-functions-key, or as ?code=; POST /api/reader-keys makes one"
)


@dataclass(frozen=True, slots=True)
class Visitor:
    """What a request brings to sign in with."""

    keys: tuple[str, ...] = ()
    principal: str = ""
    """What the header says that Easy Auth writes."""


@dataclass(frozen=True, slots=True)
class Rules:
    """How this app is set up."""

    asks: bool = True
    has_easy_auth: bool = False
    """Only then nobody else can write the principal's header."""
    own_key: str = ""
    """A key that reads beside the stored ones; on a laptop."""


def visitor(*, authorization: str = "", functions_key: str = "", code: str = "", principal: str = "") -> Visitor:
    """From the headers `Authorization`, `x-functions-key` and `x-ms-client-principal-id`, and the query's `code`."""
    given = (_password(authorization), functions_key.strip(), code.strip())
    return Visitor(tuple(key for key in given if key), principal.strip())


def _password(authorization: str) -> str:
    """Of Basic authentication; empty for anything else. Source: RFC 7617."""
    scheme, _, credentials = authorization.strip().partition(" ")
    if scheme.lower() != "basic":
        return ""
    try:
        return base64.b64decode(credentials.strip(), validate=True).decode("utf-8").partition(":")[2].strip()
    except (binascii.Error, ValueError):
        return ""


class SignIn:
    """Lets visitors in, and remembers keys for a few seconds."""

    def __init__(
        self,
        rules: Rules,
        store: Callable[[], ReaderKeyStore],
        *,
        clock: Callable[[], float],
        now: Callable[[], datetime],
    ) -> None:
        self._rules = rules
        self._store = store
        self._clock = clock
        self._now = now
        self._remembered: dict[str, tuple[float, ReaderKey | None]] = {}
        """By id: until when, and the key, None where there is none."""
        self._changes = 0

    async def check(self, who: Visitor) -> None:
        """Raises Unauthorized: the same for no key and for any wrong one."""
        if not self._rules.asks or (self._rules.has_easy_auth and who.principal):
            return
        for key in who.keys:
            if self._is_own(key) or (is_key(key) and await self._opens(key)):
                return
        raise Unauthorized(_REFUSAL)

    def forget(self, key: ReaderKey) -> None:
        """It was revoked: from now on it opens nothing here, also where it is being looked up."""
        self._changes += 1
        self._remembered.pop(key.id, None)

    def _is_own(self, key: str) -> bool:
        own = self._rules.own_key
        return bool(own) and hmac.compare_digest(digest_of(own).encode(), digest_of(key).encode())

    async def _opens(self, key: str) -> bool:
        digest, now = digest_of(key), self._now()
        until, known = self._remembered.get(id_of(digest), (float("-inf"), None))
        is_remembered = self._clock() < until
        if not is_remembered:
            known = await self._look_up(id_of(digest))
        if known is None or not known.is_opened_by(digest, now):
            return False
        if not is_remembered:
            await self._tell_use(known, now)
        return True

    async def _look_up(self, key_id: str) -> ReaderKey | None:
        """What was read while a key was revoked may be that key: it is read again, and not remembered."""
        changes = self._changes
        found = await self._store().find(key_id)
        if changes != self._changes:
            return await self._store().find(key_id)
        self._remember(key_id, found)
        return found

    def _remember(self, key_id: str, found: ReaderKey | None) -> None:
        now = self._clock()
        if len(self._remembered) >= MOST_REMEMBERED:
            self._remembered = {each: entry for each, entry in self._remembered.items() if now < entry[0]}
        if len(self._remembered) >= MOST_REMEMBERED:
            self._remembered.clear()
        self._remembered[key_id] = (now + (UNKNOWN_FOR if found is None else KNOWN_FOR), found)

    async def _tell_use(self, key: ReaderKey, now: datetime) -> None:
        """Nobody is turned away because that could not be written."""
        if key.last_used_at is None or now - key.last_used_at >= USE_TOLD_AFTER:
            with suppress(StorageUnavailable):
                await self._store().mark_used(key, now)
