"""Look at what this project takes for granted about Azure, in a subscription, and write a report.

    python -m infra.verify --subscription <id> --workspace <resource id> --app https://<app> [--write]

Signs in as the Azure CLI does (`az login`). Reads only, unless --write is given; what is made then is removed again.
Exits with 1 if an assumption was refuted, and with 2 if one could not be looked at.
"""

import argparse
import sys
from collections.abc import Callable, Sequence
from dataclasses import fields
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from infra.verify import app, machine_learning, management, search, storage
from infra.verify.checks import Check, Finding, Verdict, run_check
from infra.verify.report import markdown
from infra.verify.target import CLOUD, Options, Target, Token

ALL: Sequence[Check[Target]] = (
    *management.CHECKS,
    *machine_learning.CHECKS,
    *storage.CHECKS,
    *app.CHECKS,
    *search.CHECKS,
)


def verify(target: Target, *, may_write: bool, tell: Callable[[str], object]) -> list[tuple[Check[Any], Finding]]:
    findings: list[tuple[Check[Any], Finding]] = []
    for check in ALL:
        finding = run_check(check, target, given=target.options.given(), may_write=may_write)
        tell(f"{finding.verdict:10} {check.name}: {finding.seen}")
        findings.append((check, finding))
    return findings


def exit_code(findings: Sequence[tuple[Check[Any], Finding]]) -> int:
    verdicts = {finding.verdict for _, finding in findings}
    if Verdict.REFUTED in verdicts:
        return 1
    return 2 if Verdict.FAILED in verdicts else 0


def parse(arguments: Sequence[str]) -> tuple[Options, argparse.Namespace]:
    parser = argparse.ArgumentParser("infra.verify", description=(__doc__ or "").splitlines()[0])
    for option in fields(Options):
        parser.add_argument(f"--{option.name.replace('_', '-')}", default="")
    parser.add_argument("--write", action="store_true", help="also what makes something, and removes it again")
    parser.add_argument("--report", type=Path, default=Path("verify-azure.md"))
    given = parser.parse_args(arguments)
    return Options(**{option.name: getattr(given, option.name) for option in fields(Options)}), given


def azure_cli() -> Token:
    from azure.identity import AzureCliCredential

    credential = AzureCliCredential()
    return lambda audience: credential.get_token(f"{audience}/.default").token


def is_signed_in(token: Token) -> bool:
    from azure.core.exceptions import ClientAuthenticationError

    try:
        return bool(token(CLOUD.management))
    except ClientAuthenticationError:  # also where there is no Azure CLI
        return False


def target_of(options: Options, token: Token) -> Target:
    from azure.data.tables import TableServiceClient
    from azure.identity import AzureCliCredential
    from azure.storage.queue import QueueServiceClient

    credential = AzureCliCredential()
    return Target(
        options,
        token,
        lambda: TableServiceClient(f"https://{options.data_storage}.table.core.windows.net", credential=credential),
        lambda: QueueServiceClient(f"https://{options.host_storage}.queue.core.windows.net", credential=credential),
    )


def main(arguments: Sequence[str]) -> int:
    options, given = parse(arguments)
    token = azure_cli()
    if not is_signed_in(token):
        print(
            "not signed in: run az login (az login --tenant <id> for another tenant), and az account show to see as whom"
        )
        return 2
    target = target_of(options, token)
    with target.http:
        findings = verify(target, may_write=given.write, tell=lambda line: print(line, flush=True))
    shown = {name: str(getattr(options, name)) for name in sorted(options.given()) if name != "inputs"}
    given.report.write_text(markdown(findings, at=datetime.now(UTC), target=shown, wrote=given.write))
    print(f"\nReport: {given.report}")
    return exit_code(findings)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
