"""The page on the doctor lists the checks that there are."""

import re
from pathlib import Path

from shared.operations.doctor.findings import Check, Group
from shared.operations.doctor.looks import ALL_SECONDS, AT_ONCE, MOST_SECONDS

PAGE = (Path(__file__).resolve().parents[2] / "docs" / "doctor.md").read_text(encoding="utf-8")


def test_every_check_has_its_row_in_the_reports_order_of_groups() -> None:
    listed = re.findall(r"^\| `(\w+\.\w+)` \|", PAGE, re.MULTILINE)

    assert set(listed) == {str(check) for check in Check}
    assert len(listed) == len(set(listed))
    assert list(dict.fromkeys(name.partition(".")[0] for name in listed)) == [str(group) for group in Group]


def test_its_limits_are_the_codes() -> None:
    assert AT_ONCE == 8
    assert f"within {MOST_SECONDS:g} s, and all within {ALL_SECONDS:g} s" in PAGE
