"""README and docs: links lead somewhere, nothing is left to fill in."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
FOLDERS = ("docs", "docs/adr", "benchmarks", "devhost", "simulator", "samples/language", "samples/customer_value")
PAGES = [*ROOT.glob("*.md"), *(page for folder in FOLDERS for page in (ROOT / folder).glob("*.md"))]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_relative_link_leads_to_a_file(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    links = re.findall(r"\]\((?!https?:|#)([^)#]+)", text)

    assert [link for link in links if not (page.parent / link).exists()] == []


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_no_page_has_a_place_left_to_fill_in(page: Path) -> None:
    text = page.read_text(encoding="utf-8")

    assert re.findall(r"\bTODO\b|\bTBD\b|\b[A-Z]+_TIME\b|not measured yet", text) == []
