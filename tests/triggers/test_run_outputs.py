"""What a job may have written, from the file to the rows that readers see, and what fails the run instead."""

import gzip
import io
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tests.support.workshop import SCORES, Files, Workshop, at_once, entity_of, run_in
from tests.triggers.test_skills import error_of

HEADER, *LINES = SCORES.splitlines(keepends=True)
OBJECTS = [{"customer_id": "00001", "score": 0.5}, {"customer_id": "00002", "score": 1.5}]
READ = {"00001": 0.5, "00002": 1.5}


def parquet() -> bytes:
    buffer = io.BytesIO()
    pq.write_table(pa.Table.from_pylist(OBJECTS), buffer)
    return buffer.getvalue()


@dataclass(frozen=True)
class Output:
    files: Files
    parts: int = 1
    members: Mapping[str, Any] = field(default_factory=dict)


GOOD = {
    "csv": Output({"scores.csv": SCORES}),
    "csv-gzip": Output({"scores.csv.gz": gzip.compress(SCORES.encode())}),
    "json-lines": Output({"scores.jsonl": "".join(json.dumps(each) + "\n" for each in OBJECTS)}),
    "json-array": Output({"scores.json": json.dumps(OBJECTS)}),
    "parquet-file": Output({"scores.parquet": parquet()}),
    "folder-of-parts": Output(
        {"_SUCCESS": "", "part-00000.csv": HEADER + LINES[0], "sub/part-00001.csv": HEADER + LINES[1]}, parts=2
    ),
    "single-file": Output(
        {"scores.csv": SCORES},
        members={"pipeline": "customer_value_parameters", "outputPath": "outputs/single/scores.csv"},
    ),
    "data-lake": Output({"scores.csv": SCORES}, members={"outputDatastore": "lake"}),
    "semicolons": Output({"scores.csv": SCORES.replace(",", ";")}),
    "windows": Output({"scores.csv": b"\xef\xbb\xbf" + SCORES.replace("\n", "\r\n").encode()}),
}


@pytest.fixture(scope="module")
def imported(workshop: Workshop) -> Mapping[str, dict[str, Any]]:
    """By output: its run."""
    started = {name: workshop.start(name, output.files, **output.members) for name, output in GOOD.items()}
    return {name: workshop.wait_for(run) for name, run in started.items()}


@pytest.mark.parametrize("name", GOOD)
def test_an_output_in_any_of_the_formats_becomes_the_same_rows(
    workshop: Workshop, imported: Mapping[str, dict[str, Any]], name: str
) -> None:
    run, rows = imported[name], workshop.rows(name)

    assert run["status"] == "succeeded", run
    assert run["import"] == {"parts": GOOD[name].parts, "partsDone": GOOD[name].parts, "rows": 2, "rejected": 0}
    assert {row["CustomerId"]: row.get("score") for row in rows} == READ, rows
    assert {row["customer_id"] for row in rows} == set(READ)


@dataclass(frozen=True)
class Bad:
    files: Files | None
    """None: the job writes nothing at all."""
    says: list[str]


BAD = {
    "no-file": Bad(None, ["outputs/no-file/"]),
    "no-key-column": Bad({"scores.csv": "customer,score\n00001,0.5\n"}, ["scores.csv", "customer_id"]),
    "open-quote": Bad({"scores.csv": f'{SCORES}"00003,2.5\n00004,3.5\n'}, ["scores.csv", "line 4", "quote"]),
    "other-encoding": Bad({"scores.csv": f"{SCORES}M\xfcller,2.5\n".encode("latin-1")}, ["scores.csv", "UTF-8"]),
    "half-a-gzip": Bad({"scores.csv.gz": gzip.compress(SCORES.encode())[:-12]}, ["scores.csv.gz"]),
    "half-a-parquet": Bad({"scores.parquet": parquet()[:-9]}, ["scores.parquet"]),
    "two-formats": Bad({"a.csv": SCORES, "b.jsonl": json.dumps(OBJECTS[0])}, ["csv", "json"]),
}


@pytest.fixture(scope="module")
def refused(workshop: Workshop) -> Mapping[str, dict[str, Any]]:
    """By output: its run, after a good one."""

    def refuse(name: str) -> dict[str, Any]:
        workshop.publish(name, {"scores.csv": SCORES})
        files = BAD[name].files
        workshop.plan(name, files=files, **({"fault": "noOutput"} if files is None else {}))
        return workshop.wait_for(run_in(workshop.refresh(name)))

    return at_once(refuse, list(BAD))


@pytest.mark.parametrize("name", BAD)
def test_an_output_that_cannot_be_read_fails_the_run_with_its_place_and_leaves_the_rows_alone(
    workshop: Workshop, refused: Mapping[str, dict[str, Any]], name: str
) -> None:
    run = refused[name]

    assert run["status"] == "failed", run
    assert [word for word in BAD[name].says if word.lower() not in run["error"]["message"].lower()] == [], run["error"]
    assert {row["CustomerId"]: row["score"] for row in workshop.rows(name)} == READ
    assert workshop.bridge.call("GET", f"workflows/{name}").json["published"]["run"] != run["id"]


MISFITS = f"{SCORES}00003,much\n,3.5\n00001,9.5\n00005,1,2\n"


def test_rows_that_do_not_fit_are_listed_with_file_line_and_reason_and_the_rest_is_served(workshop: Workshop) -> None:
    members = {"columns": {"score": "Edm.Double"}, "quality": {"maxRejectedRatio": 1.0}}

    run = workshop.publish("misfits", {"scores.csv": MISFITS}, **members)

    assert run["import"] == {"parts": 1, "partsDone": 1, "rows": 2, "rejected": 4}
    assert {row["CustomerId"]: row["score"] for row in workshop.rows("misfits")} == READ
    listed = workshop.bridge.call("GET", f"entities/{entity_of('misfits')}/rejects")
    found = {reject["line"]: reject["reason"] for reject in listed.json["value"]}
    assert sorted(found) == [4, 5, 6, 7]
    assert "score" in found[4]
    assert b"much" not in listed.body


def test_too_many_rows_that_do_not_fit_hold_the_run_and_are_listed_by_it(workshop: Workshop) -> None:
    run = workshop.wait_for(workshop.start("spoiled", {"scores.csv": MISFITS}, columns={"score": "Edm.Double"}), "held")

    assert run["heldFor"] == ["4 of 6 rows were rejected, more than maxRejectedRatio (0.01)"]
    listed = workshop.bridge.call("GET", f"entities/{entity_of('spoiled')}/rejects?run={run['id']}")
    assert len(listed.json["value"]) == 4
    assert error_of(workshop.bridge.call("GET", f"data/{entity_of('spoiled')}"))["code"] == "NotFound"
