"""The findings as a page: what was refuted first, since that is to be acted on."""

from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from infra.verify.checks import Check, Finding, Verdict

_ORDER = (Verdict.REFUTED, Verdict.FAILED, Verdict.OBSERVED, Verdict.CONFIRMED, Verdict.SKIPPED)


def markdown(
    findings: Sequence[tuple[Check[Any], Finding]], *, at: datetime, target: Mapping[str, str], wrote: bool
) -> str:
    counts = Counter(finding.verdict for _, finding in findings)
    lines = [
        "# Assumptions about Azure, verified",
        "",
        f"{at:%Y-%m-%d %H:%M} UTC. {'Checks that write were run too.' if wrote else 'Nothing was written.'}",
        "",
        *(f"- {name}: `{value}`" for name, value in target.items()),
        "",
        ", ".join(f"{counts[verdict]} {verdict}" for verdict in _ORDER if counts[verdict]) + ".",
        "",
        "| check | verdict | assumption | seen |",
        "|---|---|---|---|",
        *(_row(check, finding) for check, finding in _sorted(findings)),
    ]
    refuted = [check for check, finding in findings if finding.verdict is Verdict.REFUTED]
    if refuted:
        lines += ["", "## To act on", "", *(f"- `{check.name}`: {check.matters}" for check in refuted)]
    return "\n".join(lines) + "\n"


def _sorted(findings: Sequence[tuple[Check[Any], Finding]]) -> list[tuple[Check[Any], Finding]]:
    return sorted(findings, key=lambda pair: _ORDER.index(pair[1].verdict))


def _row(check: Check[Any], finding: Finding) -> str:
    cells = (f"`{check.name}`", str(finding.verdict), check.assumption, finding.seen)
    return "| " + " | ".join(_cell(text) for text in cells) + " |"


def _cell(text: str) -> str:
    return " ".join(text.replace("|", "\\|").split())
