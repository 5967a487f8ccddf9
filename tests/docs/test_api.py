"""docs/api.md has every route of the description, and no other."""

import re
from pathlib import Path

from shared.openapi.document import OPERATIONS

PAGE = Path(__file__).resolve().parents[2] / "docs/api.md"
# `PUT` `GET` `DELETE /api/skills/{skill}`: methods in spans of their own belong to the path that follows.
SPANS = re.compile(r"((?:`[A-Z]+` )*)`([A-Z]+) (/[^`?]*)`")


def told() -> set[tuple[str, str]]:
    table = PAGE.read_text(encoding="utf-8").partition("\n## ")[0]
    return {
        (method, path)
        for before, last, path in SPANS.findall(table)
        for method in (*re.findall(r"[A-Z]+", before), last)
    }


def test_the_table_of_routes_has_each_route_that_is_described_and_no_other() -> None:
    assert told() == {(operation.method.upper(), operation.path) for operation in OPERATIONS}
