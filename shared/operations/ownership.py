"""Whose is the data account? One app's: two that change the same rows by rules of their own would spoil them for both.

The app that first needs the account claims it, for good: there is no lease, so an app that is stopped for a month keeps it. All
processes of an app share it. Another app on the same account changes nothing there and says so, until it takes the account
over, or somebody gives it free.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Protocol

from shared.errors import AccountInUse, StorageUnavailable

_MOST_RACES = 10
_LOOK_AGAIN = 60.0
"""Seconds after which an account that was another app's is looked at again."""
RELEASE = (
    "az storage entity delete --table-name bridgeprocesses --partition-key owner --row-key account "
    "--account-name <data account> --auth-mode login"
)


@dataclass(frozen=True, slots=True)
class Ownership:
    """Which app owns the account."""

    owner: str
    since: datetime
    former: str | None = None
    """From whom it was taken, at `since`."""
    took: tuple[str, ...] = ()
    """Apps that took it over by a setting that they still have: it counts once."""
    version: str = ""
    """The store's mark for a conditional write; empty for what is not stored yet."""


class OwnershipStore(Protocol):
    """Where it is written down. Every method raises StorageUnavailable."""

    async def get(self) -> Ownership | None: ...

    async def save(self, ownership: Ownership) -> bool:
        """Write over the one of its version; False if that has changed."""


def settled(found: Ownership | None, app: str, now: datetime, *, take_over: bool) -> Ownership:
    """Whose the account is once `app` has asked for it; `found` itself where nothing changes."""
    if found is None:
        return Ownership(app, now, took=(app,) if take_over else ())
    if not take_over:
        kept = tuple(taker for taker in found.took if taker != app)
        return found if kept == found.took else replace(found, took=kept)
    if found.owner == app or app in found.took:
        return found
    return replace(found, owner=app, since=now, former=found.owner, took=(*found.took, app))


class AccountOwner:
    """This app's side of it: asked once a process, and each minute while the account is another's."""

    def __init__(
        self,
        store: OwnershipStore,
        app: str,
        *,
        take_over: bool,
        now: Callable[[], datetime],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """`app`: its name; `clock`: seconds."""
        self._store = store
        self._app = app
        self._take_over = take_over
        self._now = now
        self._clock = clock
        self._is_ours = False
        self._refused: AccountInUse | None = None
        self._refused_at = 0.0

    async def check(self) -> None:
        """Raises AccountInUse while the account is another app's; StorageUnavailable where that cannot be known."""
        if self._is_ours:
            return
        if self._refused is not None and self._clock() - self._refused_at < _LOOK_AGAIN:
            raise self._refused
        ownership = await self._settle()
        if ownership.owner == self._app:
            self._is_ours, self._refused = True, None
            return
        self._refused, self._refused_at = _in_use(ownership, self._app), self._clock()
        raise self._refused

    async def _settle(self) -> Ownership:
        for _ in range(_MOST_RACES):
            found = await self._store.get()
            ownership = settled(found, self._app, self._now(), take_over=self._take_over)
            if ownership is found or await self._store.save(ownership):
                return ownership
        raise StorageUnavailable("several processes ask at once whose the data account is; try again")


def _in_use(ownership: Ownership, app: str) -> AccountInUse:
    used = app in ownership.took
    again = " (remove it and let this app start once without it: it has been used)" if used else ""
    return AccountInUse(
        f"the data account belongs to the app {ownership.owner!r} since {ownership.since:%Y-%m-%dT%H:%M:%SZ}, and this is "
        f"{app!r}, which changes nothing there: give this app an account of its own (BRIDGE_STORAGE), or stop the other app "
        f"and set BRIDGE_TAKE_OVER=true here{again}, or give the account free: {RELEASE}",
        retry_after=_LOOK_AGAIN,
    )
