"""Do clients that nobody here wrote take the data plane for an OData service? Each reads an entity to its last page.

python-odata lives in an environment of its own, `odata` of npm in node_modules (`make test-odata`).
"""

import json
import os
import subprocess
from pathlib import Path
from typing import Any

import pytest

from tests.odata.conftest import Guarded
from tests.odata.orders import ROWS, as_told, orders

ROOT = Path(__file__).parents[2]
HERE = Path(__file__).parent
CLIENT_PYTHON = ROOT / ".venv-odata" / "bin" / "python"
SESSION_SECONDS = 120
EXPECTED = [as_told(order) for order in orders()]
O_NEILS = [row for row in EXPECTED if row["name"] == "O'Neil" and (row["pieces"] or 0) > 0]

pytestmark = [
    pytest.mark.odata,
    pytest.mark.timeout(300),
    pytest.mark.skipif(not CLIENT_PYTHON.exists(), reason="`make test-odata` sets the client's environment up"),
]


def session(guarded: Guarded, *command: str) -> Any:
    """What the client saw."""
    environment = {name: value for name, value in os.environ.items() if not name.lower().endswith("_proxy")}
    done = subprocess.run(
        [*command, guarded.root, guarded.key],
        check=False,
        env=environment,
        capture_output=True,
        text=True,
        timeout=SESSION_SECONDS,
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1])


@pytest.fixture(scope="module")
def python_odata(guarded: Guarded) -> Any:
    return session(guarded, str(CLIENT_PYTHON), str(HERE / "session.py"))


@pytest.fixture(scope="module")
def npm_odata(guarded: Guarded) -> Any:
    return session(guarded, "node", str(HERE / "session.mjs"))


def by_key(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return sorted(rows, key=lambda row: (row["CustomerId"], row["order"]))


def keys(rows: list[dict[str, Any]]) -> list[list[str]]:
    return [[row["CustomerId"], row["order"]] for row in rows]


def by_score() -> list[dict[str, Any]]:
    return sorted((row for row in EXPECTED if row["score"]), key=lambda row: -row["score"])[:5]


def test_python_odata_makes_classes_of_the_metadata(python_odata: Any) -> None:
    assert "Orders" in python_odata["entities"]
    assert python_odata["keys"] == ["CustomerId", "order"]
    assert python_odata["properties"] == {
        **dict.fromkeys(("CustomerId", "id", "order", "name"), "StringProperty"),
        **dict.fromkeys(("pieces", "big"), "IntegerProperty"),
        "score": "StringProperty",  # it knows no Edm.Double, and gives the value as it came
        "paid": "BooleanProperty",
        "at": "DatetimeProperty",
    }


def test_python_odata_reads_every_row_to_the_last_page(python_odata: Any) -> None:
    assert len(python_odata["rows"]) == ROWS
    assert by_key(python_odata["rows"]) == EXPECTED


def test_python_odata_filters_orders_and_counts(python_odata: Any) -> None:
    chosen = [row for row in O_NEILS if row["big"] is not None]
    assert python_odata["some"] == keys(chosen)
    assert python_odata["late"] == len([row for row in EXPECTED if (row["at"] or "") >= "2026-06-01"])
    assert python_odata["contains"] == len([row for row in EXPECTED if "北" in (row["name"] or "")])
    assert python_odata["first"] == [
        {name: row[name] for name in ("CustomerId", "order", "score")} for row in by_score()
    ]


def test_python_odata_finds_a_row_by_both_of_its_keys(python_odata: Any) -> None:
    row = next(row for row in EXPECTED if keys([row]) == [["c'0003", "o/2"]])
    time = row["at"].replace("Z", "+00:00")

    assert python_odata["one"] == [row["name"], row["pieces"], row["big"], time]


def as_texts(row: dict[str, Any]) -> dict[str, Any]:
    """With whole numbers of 64 bits as texts."""
    return row | {"big": None if row["big"] is None else str(row["big"])}


def test_the_npm_client_reads_every_row_to_the_last_page(npm_odata: Any) -> None:
    assert "Orders" in npm_odata["service"]
    assert npm_odata["counts"] == [str(ROWS)] * 4
    assert len(npm_odata["rows"]) == ROWS
    assert by_key(npm_odata["rows"]) == [as_texts(row) for row in EXPECTED]


def test_the_npm_client_filters_orders_and_finds_a_row(npm_odata: Any) -> None:
    row = next(row for row in EXPECTED if keys([row]) == [["c'0003", "o/2"]])

    assert npm_odata["some"] == [{"CustomerId": row["CustomerId"], "order": row["order"]} for row in O_NEILS]
    assert [each["score"] for each in npm_odata["first"]] == [row["score"] for row in by_score()]
    assert {name: value for name, value in npm_odata["one"].items() if name[0] != "@"} == as_texts(row)


def test_the_npm_client_is_told_what_is_refused(npm_odata: Any) -> None:
    assert npm_odata["refused"] == [404, 400]
