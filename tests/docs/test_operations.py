"""Every alert has its runbook, and every runbook an alert."""

import re
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


def test_every_alert_has_a_section_of_its_name() -> None:
    rules = (ROOT / "infra" / "modules" / "alerts.bicep").read_text(encoding="utf-8").partition("var rules = [")[2]
    alerts = re.findall(r"^ {4}name: '([a-z-]+)'$", rules, re.MULTILINE)
    sections = re.findall(r"^### (.+)$", (ROOT / "docs" / "operations.md").read_text(encoding="utf-8"), re.MULTILINE)

    assert len(alerts) >= 6
    assert sections == alerts
