"""`python -m infra.restore`: an account that a run of the real sample filled comes back in an empty one, byte for byte."""

import json
import os
import re
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
from azure.storage.blob import BlobServiceClient

from samples.customer_value.datastore import PATH, store_transactions
from shared.entities.tombstones import mark_of
from tests.support.azurite import running_azurite
from tests.support.bridge import ROOT, Bridge, running_bridge
from tests.support.workshop import SOON, Workshop, running_workshop

pytestmark = pytest.mark.slow  # processes that start and end many times over

ERASED = "00002"
LONG = "x" * 40_000
NOTES = f'customer_id,n,note\n"O\'Neil",1,"a ""b"", c"\n{ERASED},2,gone\nZoë 北京,3,{LONG}\nempty,,\n'
ANSWERS = (
    "data/CustomerValue?$orderby=customer_id&$top=50",
    "data/CustomerValue?$filter=CustomerId eq '00001'",
    "data/CustomerValue/$count",
    "data/CustomerValue?$format=csv",
    "data/CustomerValue?$filter=score gt 0.5&$count=true&$top=20",
    "data/Notes",
    "data/Notes('O''Neil')",
    "data/Notes?$filter=CustomerId eq 'Zoë 北京'",
    f"data/Notes?$filter=CustomerId eq '{ERASED}'",
    f"data/CustomerValue('{ERASED}')",
    "data/$metadata",
    "data",
)


@dataclass
class Source:
    """The account that is lost afterwards."""

    workshop: Workshop
    key: str
    """A reader key."""


@pytest.fixture(scope="module")
def source() -> Iterator[Source]:
    with running_workshop(**SOON) as workshop:
        store_transactions(workshop.account)
        bridge = workshop.bridge
        run = workshop.start(
            "customer-value", requiredData={"transactions": {"path": PATH}}, outputEntity="CustomerValue"
        )
        workshop.publish("notes", {"notes.csv": NOTES}, columns={"note": "Edm.String"})
        workshop.wait_for(run, "succeeded")
        assert bridge.call("DELETE", f"customers/{ERASED}").status == 200
        key = bridge.call("POST", "reader-keys", {"name": "powerbi"}).json["key"]
        bridge.call("PUT", "skills/language", skill(bridge))
        assert bridge.host.call("POST", "/admin/functions/export_nightly", b"{}").status == 202
        wait_for_blob(workshop.account, "reader-keys.json")
        yield Source(workshop, key)


def skill(bridge: Bridge) -> dict[str, Any]:
    return {
        "uri": f"{bridge.simulator}/score/restored",
        "inputs": [{"name": "text", "source": "/document/content"}],
        "outputs": [{"name": "language"}],
    }


def wait_for_blob(account: str, name: str) -> None:
    """The last one that the nightly export writes."""
    end = time.monotonic() + 20
    while name not in blobs_of(account, "bridge-config"):
        assert time.monotonic() < end
        time.sleep(0.1)


def blobs_of(account: str, container: str) -> dict[str, bytes]:
    with BlobServiceClient.from_connection_string(account) as service:
        client = service.get_container_client(container)
        if not client.exists():
            return {}
        return {blob.name: client.download_blob(blob.name).readall() for blob in client.list_blobs()}


def restore(account: str, source: str, *arguments: str, **env: str) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "BRIDGE_STORAGE": account, "RESTORE_FROM": source, **env}
    return subprocess.run(
        [sys.executable, "-m", "infra.restore", *arguments],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
        timeout=100,
    )


def restored(account: str, source: str, *arguments: str) -> str:
    done = restore(account, source, *arguments)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def answers(bridge: Bridge) -> dict[str, tuple[int, bytes]]:
    """Without the app's own port."""
    replies = {path: bridge.call("GET", quote(path, safe="/?=&$'()")) for path in ANSWERS}
    own = f":{bridge.host.port}".encode()
    return {path: (reply.status, reply.body.replace(own, b"")) for path, reply in replies.items()}


def state(account: str) -> dict[str, bytes]:
    """Every blob but those that an app made by itself."""
    return blobs_of(account, "bridge")


def test_the_same_rows_are_read_from_an_empty_account_and_the_erased_customer_stays_away(source: Source) -> None:
    account, bridge = source.workshop.account, source.workshop.bridge
    before = answers(bridge)
    assert before["data/CustomerValue/$count"][1].endswith(b"23569")
    assert before[f"data/CustomerValue('{ERASED}')"][0] == 404

    with running_azurite() as empty, running_bridge(empty, bridge.simulator, ROOT, **SOON) as target:
        app = f"http://127.0.0.1:{target.host.port}"
        told = restored(empty, account, "--app", app)

        assert "erased customers: 1 marks; reader keys: 1 new" in told
        assert "configuration: 4 create, 0 update, 0 unchanged, 0 delete" in told
        assert "CustomerValue: restored: 23,569 rows" in told
        assert answers(target) == before
        for entity in ("customervalue", "notes"):
            current = f"entities/{entity}/current.json"
            assert state(empty)[current] == state(account)[current]
            assert shown(target, entity) == shown(bridge, entity)
        assert target.call("GET", "export").headers["ETag"] == bridge.call("GET", "export").headers["ETag"]
        assert [key["name"] for key in target.call("GET", "reader-keys").json["value"]] == ["powerbi"]

        # Again: nothing changes.
        files, etag = state(empty), target.call("GET", "export").headers["ETag"]
        again = restored(empty, account, "--app", app)

        assert "reader keys: 0 new" in again
        assert "0 create, 0 update, 4 unchanged" in again
        assert "Notes: there already: 3 rows" in again
        assert (state(empty), target.call("GET", "export").headers["ETag"]) == (files, etag)
        assert answers(target) == before

        # What was restored lives: a run publishes, and leaves the erased customer out.
        there = Workshop(target, empty)
        assert target.call("GET", f"customers/{ERASED}").status == 404
        assert there.bridge.call("POST", "entities/Notes/rebuild").json == {
            "entity": "Notes",
            "snapshot": shown(target, "notes")["current"]["table"],
            "rows": 3,
        }


def shown(bridge: Bridge, entity: str) -> dict[str, Any]:
    """But for what the former account alone keeps: former snapshots, and how many rows were erased."""
    found: dict[str, Any] = bridge.call("GET", f"entities/{entity}").json
    return found


def test_a_copy_in_a_folder_is_enough_and_one_older_than_an_erasure_brings_nobody_back(
    source: Source, tmp_path: Path
) -> None:
    account, bridge = source.workshop.account, source.workshop.bridge
    before = answers(bridge)
    for container in ("bridge", "bridge-config"):
        for name, data in blobs_of(account, container).items():
            file = tmp_path / container / name
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_bytes(data)
    # Somebody else is erased after the files were copied, and the nightly copy knows.
    erasure = json.loads((tmp_path / "bridge-config/erasure.json").read_bytes())
    mark = {"mark": mark_of("empty", bytes.fromhex(erasure["secret"])), "at": "2026-11-22T00:00:00+00:00"}
    erasure["tombstones"].append(mark)
    (tmp_path / "bridge-config/erasure.json").write_text(json.dumps(erasure))

    with running_azurite() as empty:
        told = restored(empty, str(tmp_path))
        assert "erased customers: 2 marks; reader keys: 1 new" in told
        assert "configuration: not imported" in told
        assert "Notes: restored: 2 rows" in told
        with running_bridge(empty, bridge.simulator) as target:
            after = answers(target)
            rows = target.call("GET", "data/Notes").json["value"]
        assert sorted(row["CustomerId"] for row in rows) == ["O'Neil", "Zoë 北京"]
        assert {path: found for path, found in after.items() if "Notes" not in path} == {
            path: found for path, found in before.items() if "Notes" not in path
        }
        everything = b"".join(state(empty).values())
        assert b"empty" not in everything


@pytest.mark.slow
def test_a_restore_that_died_half_way_is_finished_by_another(source: Source) -> None:
    account, bridge = source.workshop.account, source.workshop.bridge
    with running_azurite() as empty:
        environment = {**os.environ, "BRIDGE_STORAGE": empty, "RESTORE_FROM": account}
        process = subprocess.Popen([sys.executable, "-m", "infra.restore"], cwd=ROOT, env=environment)
        end = time.monotonic() + 30
        while not any(name.endswith("manifest.json") for name in state(empty)):
            assert time.monotonic() < end
            time.sleep(0.05)
        process.kill()
        process.wait(10)

        told = restored(empty, account)

        assert "CustomerValue: restored: 23,569 rows" in told or "CustomerValue: there already" in told
        with running_bridge(empty, bridge.simulator) as target:
            assert answers(target) == answers(bridge)


@pytest.mark.parametrize(
    ("source", "says"),
    [
        ("", "say from where: --from"),
        ("No Such Place", "no folder that is there, no storage account's name and no connection string"),
        ("AccountName=broken", "not a storage connection string"),
    ],
)
def test_a_source_that_is_none_is_told(azurite: str, source: str, says: str) -> None:
    done = restore(azurite, source)

    assert (done.returncode, done.stdout) == (1, "")
    assert says in done.stderr
    assert "Traceback" not in done.stderr


def test_a_configuration_that_is_refused_is_told_and_the_entities_come(source: Source, tmp_path: Path) -> None:
    document = tmp_path / "bridge.json"
    document.write_text(json.dumps({"version": 1, "skills": {"language": {"key": "***"}}}))

    with running_azurite() as empty, running_bridge(empty, source.workshop.bridge.simulator) as target:
        app = f"http://127.0.0.1:{target.host.port}"
        done = restore(empty, source.workshop.account, "--app", app, "--document", str(document), "--entity", "Notes")

    assert (done.returncode, done.stderr) == (1, "")
    assert "configuration: FAILED: the app refused the configuration (400)" in done.stdout
    assert "skills.language.inputs: is required" in done.stdout
    assert "Notes: restored: 3 rows" in done.stdout


def test_a_missing_file_is_told_and_the_other_entities_come(source: Source, tmp_path: Path) -> None:
    for name, data in blobs_of(source.workshop.account, "bridge").items():
        if "/rows/" not in name or "Notes" in name:
            file = tmp_path / "bridge" / name
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_bytes(data)

    with running_azurite() as empty:
        done = restore(empty, str(tmp_path))

    assert done.returncode == 1
    assert re.search(r"customervalue: FAILED: snapshots/\S+parquet is missing at the source", done.stdout)
    assert "Notes: restored: 3 rows" in done.stdout


def test_a_copy_that_is_broken_is_told_and_mended_by_a_whole_one(source: Source, tmp_path: Path) -> None:
    files = blobs_of(source.workshop.account, "bridge")
    broken = next(name for name in files if "Notes" in name and name.endswith(".parquet"))
    for name, data in files.items():
        if "otes" in name:
            file = tmp_path / "bridge" / name
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_bytes(data[:-100] if name == broken else data)
    (tmp_path / "bridge/entities/torn").mkdir(parents=True)
    (tmp_path / "bridge/entities/torn/current.json").write_text('{"v": 1')

    with running_azurite() as empty:
        first = restore(empty, str(tmp_path))
        (tmp_path / "bridge" / broken).write_bytes(files[broken])
        second = restore(empty, str(tmp_path), "--entity", "notes")

    assert (first.returncode, first.stderr) == (1, "")
    assert "notes: FAILED: " in first.stdout
    assert "torn: FAILED: entities/torn/current.json of the source is not JSON" in first.stdout
    assert (second.returncode, second.stdout.count("restored: 3 rows")) == (0, 1), second.stdout
