"""docs/roles.md says what the table says."""

import re
from pathlib import Path

import pytest

from shared.operations.roles import ROLES, Role

DOCUMENT = (Path(__file__).resolve().parents[2] / "docs" / "roles.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("role", list(Role))
def test_the_functions_of_a_role_are_documented(role: Role) -> None:
    [row] = re.findall(rf"^\| `{role}` \|[^|]*\|([^|]*)\|$", DOCUMENT, re.MULTILINE)

    assert re.findall(r"`(\w+)`", row) == [function for function, needed in ROLES.items() if needed is role]
    assert f'"value": "{role}"' in DOCUMENT
