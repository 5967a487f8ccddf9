"""The round of one group: its subjects together, so that what goes wrong at one never hides another."""

import asyncio
from collections.abc import Awaitable, Mapping, Sequence

from shared.errors import BridgeError
from shared.operations.doctor.findings import Check, Finding, Group, failed, skipped
from shared.operations.doctor.looks import Fault, fault_of


async def examine_each(
    check: Check, subjects: Mapping[str, Awaitable[Sequence[Finding]]], command: str
) -> list[Finding]:
    """What each subject's examination finds, by the subjects' order. One that ends in an error of this app's own is a
    failure of `check`."""
    found = await asyncio.gather(*subjects.values(), return_exceptions=True)
    return [
        finding
        for subject, findings in zip(subjects, found, strict=True)
        for finding in (
            [_broken(check, subject, findings, command)] if isinstance(findings, BaseException) else findings
        )
    ]


def _broken(check: Check, subject: str, error: BaseException, command: str) -> Finding:
    message = error.message if isinstance(error, BridgeError) else fault_of(error, subject).message
    return failed(check, subject, message, "report it with the request's id; the log of the app has its place", command)


def unlisted(check: Check, fault: Fault, command: str) -> list[Finding]:
    """What there is cannot be listed, so nothing of it is examined."""
    if fault.is_late:
        return [skipped(check, "all", fault.message)]
    return [failed(check, "all", fault.message, "see the checks of the group storage", command)]


def unexamined(groups: Sequence[Group], why: str) -> list[Finding]:
    """One for each group, in the name of its first check."""
    return [skipped(next(check for check in Check if check.group is group), group, why) for group in groups]
