"""The command line behind `make doctor`: asks a running app what it finds, and prints a table.

Exit codes: 0, 1 where a check failed, 2 where the app did not answer.
"""

import argparse
import json
import os
import shutil
import sys
import textwrap
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Mapping, Sequence
from typing import Any

LOCAL = "http://127.0.0.1:{port}"
_SECONDS = 235.0
"""The platform ends a request after 230."""
_SIGNS = {"ok": "ok", "warning": "WARNING", "failed": "FAILED", "skipped": "skipped"}
_NARROWEST = 60


class DoctorUnreached(Exception):
    """The app gave no report; the message says why."""


def main(arguments: Sequence[str] | None = None, environment: Mapping[str, str] = os.environ) -> int:
    options = _options(arguments)
    address = environment.get("BRIDGE_URL") or LOCAL.format(port=environment.get("BRIDGE_PORT") or 7071)
    query = {name: value for name in ("only", "connection", "workflow", "skill") if (value := getattr(options, name))}
    try:
        report = ask(address, environment.get("BRIDGE_KEY", ""), query)
    except DoctorUnreached as error:
        print(f"doctor: {error}", file=sys.stderr)
        return 2
    if options.json:
        print(json.dumps(report, indent=2, ensure_ascii=False))
    else:
        width = max(_NARROWEST, shutil.get_terminal_size((120, 40)).columns)
        print(table(report, width=width, everything=options.all))
    return 1 if report["status"] == "failed" else 0


def _options(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="infra.doctor", description=__doc__)
    parser.add_argument("--only", help="groups of checks, with commas: settings,storage,connections …")
    for name in ("connection", "workflow", "skill"):
        parser.add_argument(f"--{name}", help=f"the {name} of this name alone")
    parser.add_argument("--all", action="store_true", help="show skipped checks too")
    parser.add_argument("--json", action="store_true", help="print the answer as it is")
    return parser.parse_args(arguments)


def ask(address: str, key: str, query: Mapping[str, str]) -> dict[str, Any]:
    """The report. Raises DoctorUnreached."""
    url = f"{address.rstrip('/')}/api/doctor?{urllib.parse.urlencode(query)}"
    if not url.startswith(("https://", "http://")):
        raise DoctorUnreached("BRIDGE_URL is no address: it begins with https://, or with http:// on this machine")
    request = urllib.request.Request(url, headers={"x-functions-key": key} if key else {})  # noqa: S310  # checked above
    try:
        with urllib.request.urlopen(request, timeout=_SECONDS) as response:  # noqa: S310
            report: dict[str, Any] = json.loads(response.read())
    except urllib.error.HTTPError as error:
        raise DoctorUnreached(f"{address} answered {error.code}{_reason(error)}") from error
    except (OSError, ValueError) as error:
        raise DoctorUnreached(f"no report from {address} ({error}): is it running? BRIDGE_URL says where") from error
    return report


def _reason(error: urllib.error.HTTPError) -> str:
    if error.code == 401:
        return ": set BRIDGE_KEY to a key of the function doctor, or of the host"
    try:
        return f": {json.loads(error.read())['error']['message']}"
    except (ValueError, KeyError, TypeError):
        return ""


def table(report: Mapping[str, Any], *, width: int, everything: bool = False) -> str:
    """A line for each check, and under each that is not well what mends it."""
    checks = [check for check in report["checks"] if everything or check["status"] != "skipped"]
    names = max((len(check["name"]) for check in checks), default=0)
    lines = [line for check in checks for line in _lines(check, names, width)]
    counts = {status: sum(check["status"] == status for check in report["checks"]) for status in _SIGNS}
    told = ", ".join(f"{count} {status}" for status, count in counts.items() if count)
    return "\n".join([*lines, "", f"{report['status']}: {told}, in {report['durationMs'] / 1000:.1f} s"])


def _lines(check: Mapping[str, str], names: int, width: int) -> list[str]:
    head = f"{_SIGNS[check['status']]:8} {check['name']:{names}}  "
    text = f"{check['subject']}: {check['message']}"
    lines = textwrap.wrap(
        text,
        width,
        initial_indent=head,
        subsequent_indent=" " * len(head),
        break_long_words=False,
        break_on_hyphens=False,
    )
    margin = " " * len(head)
    if "cure" in check:
        lines += textwrap.wrap(
            f"→ {check['cure']}", width, initial_indent=margin, subsequent_indent=f"{margin}  ", break_long_words=False
        )
    if "command" in check:
        lines.append(f"{margin}$ {check['command']}")  # on one line, to be copied
    return lines


if __name__ == "__main__":
    sys.exit(main())
