"""Who may call what? The bearer tokens this simulator has issued, and whether one is good."""

import json
import secrets
import time
from base64 import urlsafe_b64encode
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from simulator.arm.models import TENANT

KEPT = 10_000


def part(claims: Mapping[str, str | int]) -> str:
    """Of a JWT."""
    return urlsafe_b64encode(json.dumps(claims).encode()).decode().rstrip("=")


HEADER = part({"typ": "JWT", "alg": "none"})


class TokenRefused(Exception):
    """`reason` is one of unknown, expired, audience."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


@dataclass(frozen=True)
class Token:
    value: str
    audience: str
    issued_on: int
    expires_on: int
    tenant: str


@dataclass
class TokenStore:
    """Tokens are shaped as JWTs, since Microsoft's client reads the audience and ours the tenant; good only while they are held here."""

    clock: Callable[[], float] = time.time
    _tokens: dict[str, Token] = field(default_factory=dict)

    def issue(
        self, audience: str, lifetime: int, tenant: str = TENANT, principal: Mapping[str, str] | None = None
    ) -> Token:
        """`principal`: the claims that say whose it is."""
        now, end = int(self.clock()), int(self.clock()) + lifetime
        claims: dict[str, str | int] = {"aud": audience, "iss": "simulator", "tid": tenant, "iat": now, "exp": end}
        claims |= principal or {}
        token = Token(f"{HEADER}.{part(claims)}.{secrets.token_urlsafe(24)}", audience, now, end, tenant)
        self._tokens[token.value] = token
        self._forget_oldest()
        return token

    def check(self, value: str, audience: str) -> Token:
        token = self._tokens.get(value)
        if token is None:
            raise TokenRefused("unknown")
        if token.expires_on <= self.clock():
            raise TokenRefused("expired")
        if token.audience != audience:
            raise TokenRefused("audience")
        return token

    def revoke(self, audience: str | None = None) -> int:
        """Make the tokens of one audience, or all, unknown from now on; how many these were."""
        doomed = [t.value for t in self._tokens.values() if audience is None or t.audience == audience]
        for value in doomed:
            del self._tokens[value]
        return len(doomed)

    def _forget_oldest(self) -> None:
        if len(self._tokens) > KEPT:
            del self._tokens[next(iter(self._tokens))]


def bearer(authorization: str | None) -> str | None:
    """The credential in an Authorization header, if that is of scheme Bearer."""
    scheme, _, value = (authorization or "").partition(" ")
    return value.strip() or None if scheme.lower() == "bearer" else None
