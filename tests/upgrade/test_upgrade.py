"""An account that a former release filled, under the app of today: all of it is read, and what was under way goes on."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import httpx
import pytest

from shared.app import VERSION
from tests.devhost.running import eventually
from tests.simulator.process import ready_url, start_simulator
from tests.support.azurite import running_azurite
from tests.support.bridge import ROOT, running_bridge
from tests.support.workshop import AT_ONCE, SOON, Workshop, make_queue
from tests.upgrade.account import FIXTURES, comparable, load, read
from tests.upgrade.former import as_the_release_before

RELEASES = sorted(path for path in FIXTURES.iterdir() if path.is_dir())
WAITING = "customer_id,score\n00001,1.0\n"


@dataclass
class Inherited:
    """The account, and today's app on it."""

    shop: Workshop
    answers: dict[str, Any]
    reader_key: str
    runs: dict[str, str]
    waiting: str
    """The run that nobody had taken up."""


def accounts() -> Iterator[Any]:
    for folder in RELEASES:
        yield pytest.param((folder, False), id=folder.name)
        yield pytest.param((folder, True), id=f"before {folder.name}")


@pytest.fixture(scope="module", params=accounts())
def inherited(request: pytest.FixtureRequest) -> Iterator[Inherited]:
    folder, is_former = request.param
    told = json.loads((folder / "answers.json").read_text(encoding="utf-8"))
    account = read(folder)
    [message] = account["queues"]["run-advance"]
    with running_azurite() as storage:
        load(as_the_release_before(account) if is_former else account, storage)
        with start_simulator("--port", "0", "--scoring-url", "", "--storage", storage) as process:
            try:
                simulator = ready_url(process)
                httpx.patch(f"{simulator}/control/jobs", json={"progression": AT_ONCE}).raise_for_status()
                body = {"name": "brg-waiting-20", "files": {"scores.csv": WAITING}}
                httpx.post(f"{simulator}/control/jobs/plans", json=body).raise_for_status()
                with running_bridge(storage, simulator, ROOT, **SOON) as bridge:
                    run = json.loads(message)["run"]
                    yield Inherited(Workshop(bridge, storage), told["answers"], told["readerKey"], told["runs"], run)
            finally:
                process.terminate()


def test_this_release_has_a_fixture_for_the_next_ones() -> None:
    assert VERSION in [folder.name for folder in RELEASES], "make fixture"


@pytest.mark.parametrize("folder", RELEASES, ids=lambda folder: folder.name)
def test_a_fixture_holds_one_of_each_kind_and_is_small(folder: Path) -> None:
    account = read(folder)
    size = sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())

    assert {"connections", "workflows", "runs", "slots", "skills", "secrets", "entities", "parts", "rejects"} | {
        "poison",
        "erased",
        "readerkeys",
        "processes",
    } <= {table.removeprefix("bridge") for table in account["tables"]}
    assert all(row["V"] for table, rows in account["tables"].items() if table.startswith("bridge") for row in rows)
    assert any("/large/" in path for path in account["blobs"])
    assert size < 300_000


def test_all_that_it_said_is_said_today(inherited: Inherited) -> None:
    """More may be said than was; the lists that the waiting run is in have grown."""
    shop = inherited.shop
    shop.wait_for(inherited.waiting, "succeeded")
    base = f"http://127.0.0.1:{shop.bridge.host.port}"
    wrong = []
    for path, recorded in inherited.answers.items():
        reply = shop.bridge.call("GET", path)
        body = comparable(reply.body, base)
        if reply.status != recorded["status"] or not says(body, recorded["body"]):
            wrong.append((path, reply.status, body, recorded))

    assert wrong == []


def says(now: Any, then: Any) -> bool:
    """All that was said `then`."""
    if isinstance(then, dict) and isinstance(now, dict):
        return all(name in now and says(now[name], value) for name, value in then.items())
    if isinstance(then, list) and isinstance(now, list):
        names = [item.get("name") if isinstance(item, dict) else None for item in now]
        if then and all(isinstance(item, dict) and item.get("name") in names for item in then if "name" in item):
            by_name = dict(zip(names, now, strict=True))
            return all(says(by_name[item["name"]] if "name" in item else now[n], item) for n, item in enumerate(then))
        return len(now) == len(then) and all(map(says, now, then))
    return bool(now == then)


def test_the_run_that_waited_goes_on_to_its_end(inherited: Inherited) -> None:
    run = inherited.shop.wait_for(inherited.waiting, "succeeded")

    assert run["trigger"]["kind"] == "schedule"
    assert [row["CustomerId"] for row in inherited.shop.rows("waiting")] == ["00001"]


def test_the_run_that_was_held_can_be_published(inherited: Inherited) -> None:
    run = inherited.runs["held"]
    assert inherited.shop.bridge.call("POST", f"runs/{run}/publish").status == 202

    inherited.shop.wait_for(run, "succeeded")

    assert "Held" in inherited.shop.bridge.call("GET", "customers/00001").json["entities"]


def test_the_erased_stay_erased_after_a_rollback_to_the_snapshot_before(inherited: Inherited) -> None:
    shop = inherited.shop

    reply = shop.bridge.call("POST", "entities/Value/rollback")

    assert (reply.status, reply.json["pinned"]) == (200, True)
    assert sorted(row["CustomerId"] for row in shop.rows("value")) == ["00001", "Ö'3"]


def test_a_poison_message_can_be_sent_again(inherited: Inherited) -> None:
    [entry] = inherited.shop.bridge.call("GET", "poison").json["value"]

    assert inherited.shop.bridge.call("POST", f"poison/{entry['id']}/redrive").status == 202


def test_a_reader_key_still_opens_the_data(inherited: Inherited) -> None:
    shop = inherited.shop
    with running_bridge(shop.account, shop.bridge.simulator, ROOT, BRIDGE_AUTH="on", BRIDGE_KEY="host") as bridge:
        replies = [
            bridge.call("GET", "data/Notes", headers={"x-functions-key": key}).status
            for key in (inherited.reader_key, "wrong")
        ]

    assert replies == [200, 401]


def test_the_account_belongs_to_the_app_as_before(inherited: Inherited) -> None:
    assert inherited.shop.bridge.call("GET", "health").status == 200


def test_a_message_of_a_newer_release_waits_for_it_and_is_no_poison(inherited: Inherited) -> None:
    shop = inherited.shop
    for queue in ("run-advance", "import-part", "run-notify"):
        make_queue(shop.account, queue)
        shop.send(queue, '{"v": 2, "later": true}')

        told = partial(shop.bridge.host.lines, "queue_message_put_back", queue, "NewerVersion")
        eventually(told)

    assert [
        entry["body"] for entry in shop.bridge.call("GET", "poison").json["value"] if "later" in entry["body"]
    ] == []
