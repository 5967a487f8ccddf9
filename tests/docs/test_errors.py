"""The documentation of errors says what the code says."""

from pathlib import Path

import pytest

from shared.skills.failures import Kind
from tests.docs.errors_table import row

DOCUMENT = (Path(__file__).resolve().parents[2] / "docs" / "errors.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("kind", list(Kind), ids=lambda kind: kind.name)
def test_every_failure_of_a_record_is_documented_in_its_own_words(kind: Kind) -> None:
    assert row(kind) in DOCUMENT, (
        f"docs/errors.md lacks this row; python -m tests.docs.errors_table prints them all:\n{row(kind)}"
    )
