"""Can this app read and write in its storage accounts? A marked row, blob and message each, removed again."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from shared.errors import AccountInUse
from shared.operations.doctor import commands
from shared.operations.doctor.commands import FunctionApp
from shared.operations.doctor.findings import Check, Finding, failed, ok, skipped
from shared.operations.doctor.looks import Fault, Looks

MARK = "doctor"
"""What a marked row, blob or message is called by."""


class Place(Protocol):
    """A service of an account, as the doctor sees it. Raises StorageUnavailable, ConfigurationError."""

    async def read(self) -> None:
        """Something that changes nothing."""

    async def write(self) -> None:
        """A mark, which is removed again."""


class NotYet(Exception):
    """What would be written to is not there, and others make it; the message says who."""


@dataclass(frozen=True, slots=True)
class Account:
    """A storage account's service."""

    subject: str
    """`data tables`."""
    name: str
    """The account's; empty where nobody knows."""
    by_identity: bool
    setting: str
    """Its connection string."""
    role: str
    place: Callable[[], Place]


async def examine_account(account: Account, looks: Looks, assignee: str, app: FunctionApp) -> list[Finding]:
    """Read, then write."""
    found = await looks.at(lambda: account.place().read(), of=f"the account {account.name}")
    read = _finding(Check.STORAGE_READ, account, found, "read", assignee, app)
    if isinstance(found, Fault):
        return [read, skipped(Check.STORAGE_WRITE, account.subject, "not tried: reading failed")]
    written = await looks.at(lambda: _written(account.place()), of=f"the account {account.name}")
    if isinstance(written, str):
        return [read, skipped(Check.STORAGE_WRITE, account.subject, written)]
    return [read, _finding(Check.STORAGE_WRITE, account, written, "written and removed again", assignee, app)]


def owner_finding(found: Fault | None, app: FunctionApp) -> Finding:
    """`found`: what asking for the data account came to."""
    check, subject = Check.STORAGE_OWNER, "data account"
    if found is None:
        return ok(check, subject, "it is this app's")
    if found.code != AccountInUse.code:
        return skipped(check, subject, f"not looked at: {found.message}")
    cure = "give this app an account of its own; or move the account here, as docs/upgrade.md says"
    return failed(check, subject, found.message, cure, app.set_settings({"BRIDGE_STORAGE__accountName": "<account>"}))


async def _written(place: Place) -> str | None:
    """Why it could not be tried yet."""
    try:
        await place.write()
    except NotYet as reason:
        return str(reason)
    return None


def _finding(check: Check, account: Account, found: Fault | None, did: str, assignee: str, app: FunctionApp) -> Finding:
    if found is None:
        how = "with this app's identity" if account.by_identity else f"with the connection string {account.setting}"
        return ok(check, account.subject, f"{account.name or 'the account'}: {did} {how}")
    if found.is_late:
        return skipped(check, account.subject, found.message)
    return failed(check, account.subject, found.message, *_cure(account, found, assignee, app))


def _cure(account: Account, fault: Fault, assignee: str, app: FunctionApp) -> tuple[str, str]:
    if fault.code == "ConfigurationError":
        return f"set {account.setting}", app.set_settings({f"{account.setting}__accountName": "<account>"})
    if fault.status not in (401, 403):
        return "check the account's name and its network rules", commands.show_network(account.name)
    if account.by_identity:
        cure = f"give this app's identity the role {account.role} on the account"
        return cure, commands.assign_role(assignee, account.role, commands.account_scope(account.name))
    cure = f"put the account's present connection string into {account.setting}"
    return cure, app.set_settings({account.setting: commands.connection_string(account.name)})
