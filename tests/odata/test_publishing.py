"""A thousand publishes while readers page: no page and no reading ever mixes two snapshots.

Every snapshot says `a` in all its rows or `b` in all of them. They are written beforehand; a publish moves the pointer.
Some are dropped soon after they were replaced: a reader who is still on their pages is told so.
"""

import asyncio
import threading
import time
from collections import Counter
from dataclasses import dataclass, field
from datetime import UTC, datetime
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest

from shared.entities.odata.formats import MOST_IN_PAGE
from shared.entities.paging import read_cursor
from shared.entities.retention import SnapshotStores, drop_snapshot
from shared.entities.snapshots import Snapshot, claim_entity, publish_snapshot
from tests.support.bridge import Bridge
from tests.support.entities import build, in_storage

ENTITY = "Switching"
STAYING = "Staying"
PUBLISHES = 1_000
ROWS = 40
PAGE = 9
KEPT = 60
"""More than an entity remembers, so that each may be published again when its turn comes."""
DROPPED = 30
_DROP_EVERY = PUBLISHES // DROPPED
_DROP_AFTER = 8
"""Publishes that a snapshot outlives its own."""
QUERIES = {
    "all rows": "",
    "all rows, counted": "?$count=true",
    "in an order": "?$orderby=n desc",
    "a filter over all rows": "?$filter=n ge 0 and word ne 'c'",
    "named customers": f"?$filter=id in ({','.join(f"'c{number:02}'" for number in range(ROWS))})",
    "slowly": "",
}
SLOW = pytest.mark.slow
_PAUSE = 0.25
"""So that many more publishes go by than an entity remembers."""


@dataclass
class Stage:
    """What the publisher has done so far, for all threads to see."""

    published: list[str] = field(default_factory=list)
    """Tables, as the pointer named them one after the other."""
    dropped: list[str] = field(default_factory=list)
    is_over: bool = False


@dataclass
class Reader:
    """Reads the entity to its last page again and again, and notes what should not be."""

    name: str
    root: str
    stage: Stage
    words: Counter[str] = field(default_factory=Counter)
    gone: int = 0
    faults: list[str] = field(default_factory=list)

    def work(self) -> None:
        with httpx.Client(timeout=60, headers={"Prefer": f"odata.maxpagesize={PAGE}"}) as client:
            while not self.stage.is_over and len(self.faults) < 10:
                self._read(client)

    def _read(self, client: httpx.Client) -> None:
        address, tables = f"{self.root}/{ENTITY}{QUERIES[self.name]}", set[str]()
        rows: list[tuple[str, str]] = []
        while address:
            dropped = len(self.stage.dropped)
            answer = client.get(address)
            if answer.status_code == 410 and self._was_dropped(tables, dropped):
                self.gone += 1
                return
            if answer.status_code != 200:
                self.faults.append(f"{answer.status_code} on a page of {tables or 'the current'}: {answer.text}")
                return
            page = answer.json()
            rows += [(row["id"], row["word"]) for row in page["value"]]
            address = page.get("@odata.nextLink", "")
            tables |= {table_of(address)} if address else set()
            if self.name == "slowly":
                time.sleep(_PAUSE)
        self._check(rows, tables)

    def _was_dropped(self, tables: set[str], dropped: int) -> bool:
        """The first page is the current snapshot's, which may go while it is read."""
        return tables <= {*self.stage.dropped} and len(self.stage.dropped) > (0 if tables else dropped)

    def _check(self, rows: list[tuple[str, str]], tables: set[str]) -> None:
        words = {word for _, word in rows}
        if len(words) != 1 or len(tables) != 1 or len(rows) != ROWS or len({key for key, _ in rows}) != ROWS:
            self.faults.append(f"{len(rows)} rows that say {words}, from {tables}")
        self.words.update(words)


def table_of(link: str) -> str:
    token = parse_qs(urlsplit(link).query)["$skiptoken"][0]
    return read_cursor(token, MOST_IN_PAGE).table


async def prepare(stores: SnapshotStores, number: int, entity: str = ENTITY) -> Snapshot:
    word = "ab"[number % 2]
    csv = "id,word,n\n" + "".join(f"c{row:02},{word},{row}\n" for row in range(ROWS))
    at = datetime(2026, 11, 21, 1, number // 60, number % 60, tzinfo=UTC)
    return await build(stores, entity, {"out.csv": csv.encode()}, primary="id", run=f"run-{number}", at=at)


async def publish_all(stores: SnapshotStores, stage: Stage, kept: list[Snapshot], doomed: list[Snapshot]) -> None:
    waiting: list[tuple[int, Snapshot]] = []
    others = iter(kept * (PUBLISHES // KEPT + 1))
    for number in range(PUBLISHES):
        is_doomed = number % _DROP_EVERY == 0 and bool(doomed)
        snapshot = doomed.pop() if is_doomed else next(others)
        entity = await publish_snapshot(stores.entities, ENTITY, snapshot, datetime.now(UTC))
        assert entity.current is not None
        assert entity.current.table == snapshot.table
        stage.published.append(snapshot.table)
        if is_doomed:
            waiting.append((number + _DROP_AFTER, snapshot))
        if waiting and waiting[0][0] == number:
            stage.dropped.append(waiting[0][1].table)
            await drop_snapshot(ENTITY, waiting.pop(0)[1].table, stores)


@pytest.fixture(scope="module")
def stage(azurite: str, bridge: Bridge) -> tuple[Stage, list[Reader]]:
    """After the last publish."""
    found = Stage()
    readers = [Reader(name, f"http://127.0.0.1:{bridge.host.port}/api/data", found) for name in QUERIES]
    threads = [threading.Thread(target=reader.work) for reader in readers]

    async def play(stores: SnapshotStores) -> None:
        await claim_entity(stores.entities, ENTITY, "writer")
        snapshots = [await prepare(stores, number) for number in range(KEPT + DROPPED)]
        await publish_snapshot(stores.entities, ENTITY, await prepare(stores, KEPT + DROPPED), datetime.now(UTC))
        for thread in threads:
            thread.start()
        try:
            await publish_all(stores, found, snapshots[:KEPT], snapshots[KEPT:])
        finally:
            found.is_over = True
            await asyncio.gather(*(asyncio.to_thread(thread.join) for thread in threads))

    in_storage(azurite, play)
    return found, readers


@SLOW
@pytest.mark.timeout(600)
def test_a_thousand_publishes_move_the_pointer(stage: tuple[Stage, list[Reader]]) -> None:
    assert len(stage[0].published) == PUBLISHES
    assert len(stage[0].dropped) == DROPPED


@SLOW
@pytest.mark.timeout(600)
def test_no_reading_mixes_snapshots_nor_fails(stage: tuple[Stage, list[Reader]]) -> None:
    faults = {reader.name: reader.faults for reader in stage[1] if reader.faults}

    assert faults == {}


@SLOW
@pytest.mark.timeout(600)
def test_every_reader_came_to_the_last_page_of_both_kinds(stage: tuple[Stage, list[Reader]]) -> None:
    readings = {reader.name: reader.words.total() for reader in stage[1]}

    assert min(readings.values()) >= 3, readings
    assert set().union(*(reader.words for reader in stage[1])) == {"a", "b"}


def publish_next(azurite: str, number: int) -> str:
    """Its table."""

    async def publish(stores: SnapshotStores) -> str:
        snapshot = await prepare(stores, number, STAYING)
        await claim_entity(stores.entities, STAYING, "writer")
        await publish_snapshot(stores.entities, STAYING, snapshot, datetime.now(UTC))
        return snapshot.table

    return in_storage(azurite, publish)


@pytest.mark.parametrize("number", [0, 2, 4])
def test_a_link_stays_on_its_snapshot_until_that_is_dropped(azurite: str, bridge: Bridge, number: int) -> None:
    root = f"http://127.0.0.1:{bridge.host.port}/api/data/{STAYING}"
    small = {"Prefer": f"odata.maxpagesize={PAGE}"}
    query = {0: "", 2: "?$orderby=n desc", 4: "?$filter=n ge 0"}[number]

    old = publish_next(azurite, number)
    link = httpx.get(f"{root}{query}", headers=small).json()["@odata.nextLink"]
    publish_next(azurite, number + 1)
    second = httpx.get(link, headers=small)
    in_storage(azurite, lambda stores: drop_snapshot(STAYING, old, stores))
    gone = httpx.get(link, headers=small)

    assert {row["word"] for row in second.json()["value"]} == {"a"}
    assert (gone.status_code, gone.json()["error"]["code"]) == (410, "Gone")
