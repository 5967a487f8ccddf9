"""One scenario from the first request to the run's end, and what has to be so afterwards."""

import http.client
import json
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from azure.storage.queue import QueueClient

from tests.crash.lane import PATH, Lane
from tests.crash.points import Scenario
from tests.crash.relay import Trap
from tests.devhost.running import Reply, eventually
from tests.triggers.test_workflows import workflow

PARTS, ROWS = 3, 40
"""Files of an output, each of them a part, and rows of a file."""
SOON = 120.0
"""Seconds from a death to the end of the run."""
WARM = "warm"
"""The entity that each lane has from the start, of a workflow of the same name."""
_LOOKS = 0.5
_LOST = (OSError, http.client.HTTPException)
"""What a caller sees of a process that dies."""


@dataclass
class Outcome:
    """What became of a scenario."""

    seconds: float | None = None
    """From the death to the end of the run."""
    failure: BaseException | None = None
    seen: set[str] = field(default_factory=set)
    """The generations of rows that a reader met meanwhile."""


def output(generation: str, parts: int = PARTS, rows: int = ROWS) -> dict[str, str]:
    """What a job puts out: several files, each row with the generation it is of."""
    return {
        f"part-{part:02d}.csv": "customer_id,score,generation\n"
        + "".join(f"{part:02d}{row:06d},{row}.5,{generation}\n" for row in range(rows))
        for part in range(parts)
    }


def keys(parts: int = PARTS, rows: int = ROWS) -> list[str]:
    return [f"{part:02d}{row:06d}" for part in range(parts) for row in range(rows)]


def save_workflow(lane: Lane, name: str, **members: Any) -> None:
    """It writes the entity of its own name."""
    reply = lane.bridge.call("PUT", f"workflows/{name}", workflow(outputEntity=name, **members))
    assert reply.status in (200, 201), reply.body


def call(lane: Lane, method: str, path: str, headers: Mapping[str, str] | None = None) -> Reply:
    """Again where the app says that it may be repeated: this machine has much to do."""
    for _ in range(5):
        reply = lane.bridge.call(method, path, headers=headers)
        if reply.status != 503:
            break
        time.sleep(_LOOKS)
    return reply


def ask(lane: Lane, name: str, operation: str, when_active: str = "return") -> str | None:
    """For a run, as a client that repeats its request would; None where the process dies before it answers."""
    try:
        path = f"workflows/{name}/refresh?whenActive={when_active}"
        reply = call(lane, "POST", path, {"Operation-Id": operation})
    except _LOST:
        return None
    assert reply.status == 202, reply.body
    return str(reply.json["id"])


def run_of(lane: Lane, run: str) -> dict[str, Any]:
    reply = call(lane, "GET", f"runs/{run}")
    assert reply.status == 200, reply.body
    found: dict[str, Any] = reply.json
    return found


def until(lane: Lane, run: str, *statuses: str, patience: float = 60) -> dict[str, Any]:
    end = time.monotonic() + patience
    while (found := run_of(lane, run))["status"] not in statuses:
        assert time.monotonic() < end, f"not {' or '.join(statuses)} within {patience:.0f} s: {found}"
        time.sleep(_LOOKS)
    return found


def complete_run(lane: Lane, name: str, generation: str, **sizes: int) -> str:
    """An ordinary run, from the request to its rows."""
    lane.plan_output(output(generation, **sizes))
    run = ask(lane, name, f"{name}-{generation}")
    assert run is not None
    until(lane, run, "succeeded")
    return run


def warm_up(lane: Lane) -> None:
    """One run, so that tables, queues and containers are there: what is made once is no part of a scenario."""
    save_workflow(lane, WARM)
    complete_run(lane, WARM, "first")


def play(lane: Lane, scenario: Scenario) -> Outcome:
    """Raises nothing: what went wrong is in the outcome."""
    outcome = Outcome()
    try:
        _play(lane, scenario, outcome)
    except BaseException as failure:  # noqa: BLE001  # it belongs to the scenario's test, and others go on
        outcome.failure = failure
    finally:
        lane.clear_trap()
    return outcome


def _play(lane: Lane, scenario: Scenario, outcome: Outcome) -> None:
    name, point = scenario.name, scenario.point
    source = {"entity": WARM} if point.exports else {"path": PATH}
    if lane.bridge.host.process.poll() is not None:
        lane.start()
    save_workflow(lane, name, requiredData={"transactions": source})
    earlier = [complete_run(lane, name, "old")] if point.replaces else []
    if point.waits:
        lane.plan_output(output("old"), seconds=4)
        earlier = [ask(lane, name, "old") or ""]
    lane.plan_output(output("new"), **({"seconds": 300} if point.cancels else {}))
    trap = lane.set_trap(point.effect.of(name), scenario.when)

    run = ask(lane, name, "new", "queue")
    if point.cancels and run is not None:
        until(lane, run, "running")
        _cancel(lane, run)
    assert trap.sprung.wait(60), f"nothing came to be killed at: {scenario.title}"
    lane.bridge.host.process.wait(10)
    lane.clear_trap()
    lane.start()

    run = run or ask(lane, name, "new")
    assert run is not None
    if point.cancels:
        _cancel(lane, run)
    _follow(lane, name, run, trap, outcome)
    check(lane, name, run, earlier=earlier, is_canceled=point.cancels)
    assert outcome.seen <= ({"old", "new"} if earlier else {"new"}), f"readers met {outcome.seen}"


def _cancel(lane: Lane, run: str) -> None:
    """As a person who asks again when no answer came."""
    try:
        reply = call(lane, "POST", f"runs/{run}/cancel")
    except _LOST:
        return
    assert reply.status in (200, 202), reply.body


def _follow(lane: Lane, name: str, run: str, trap: Trap, outcome: Outcome) -> None:
    """To the end of the run, reading what readers read meanwhile."""
    assert trap.struck_at is not None
    while True:
        found = run_of(lane, run)
        outcome.seconds = time.monotonic() - trap.struck_at
        if found["status"] in ("succeeded", "failed", "canceled", "held"):
            return
        assert outcome.seconds < SOON, f"not over after {SOON:.0f} s: {found}"
        outcome.seen |= {"+".join(sorted(generations(lane, name)))} - {""}
        time.sleep(_LOOKS)


def generations(lane: Lane, name: str) -> set[str]:
    """Of all rows that a reader gets in one look; none where nothing is published."""
    reply = call(lane, "GET", f"data/{name}")
    if reply.status == 404:
        return set()
    assert reply.status == 200, reply.body
    return {row["generation"] for row in reply.json["value"]}


def check(
    lane: Lane,
    name: str,
    run: str,
    *,
    earlier: Sequence[str] = (),
    is_canceled: bool = False,
    parts: int = PARTS,
    rows: int = ROWS,
) -> None:
    """One job, every row once, readers at the new rows, nothing left behind."""
    found = run_of(lane, run)
    claim = lane.rows("bridgeruns", "run", f"claim|{name}")[0]
    assert found["status"] == ("canceled" if is_canceled else "succeeded"), found
    assert sorted(job["name"] for job in lane.jobs(f"brg-{name}-")) == sorted([*earlier, run])
    assert (claim["Active"], claim["Pending"]) == ("", ""), "the claim is not free"
    eventually(lambda: lane.rows("bridgeruns", "run", f"live|{run}") == [], SOON)
    assert set(told(lane, run)) == {found["status"]}
    if is_canceled:
        assert [job["status"] for job in lane.jobs(run)] == ["Canceled"]
        return
    _check_rows(lane, name, found, keys(parts, rows))
    assert found["import"] == {"parts": parts, "partsDone": parts, "rows": parts * rows, "rejected": 0}
    assert [part["State"] for part in lane.rows("bridgeparts", run)] == ["done"] * parts
    assert len(lane.tables(f"{name}2")) == 1 + len(earlier)


def told(lane: Lane, run: str) -> list[str]:
    """The statuses of the run that the queue for others tells of."""
    with QueueClient.from_connection_string(lane.storage, "run-events") as client:
        events = [json.loads(message.content) for message in client.receive_messages(visibility_timeout=1)]
    return [event["status"] for event in events if event["run"] == run]


def _check_rows(lane: Lane, name: str, run: Mapping[str, Any], wanted: Sequence[str]) -> None:
    stored = lane.rows(run["snapshot"])
    current = lane.bridge.call("GET", f"entities/{name}").json["current"]
    assert sorted(row["customer_id"] for row in stored) == sorted(wanted)
    assert {row["generation"] for row in stored} == {"new"}
    assert lane.bridge.call("GET", f"entities/{name}/rejects").json["value"] == []
    assert (current["run"], current["rows"]) == (run["id"], len(wanted))
    assert lane.bridge.call("GET", f"data/{name}/$count").body == str(len(wanted)).encode()
    assert generations(lane, name) == {"new"}
