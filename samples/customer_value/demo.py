"""What becomes of real purchases? A workflow runs the sample pipeline, and its scores are rows that anybody can read."""

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime
from itertools import pairwise
from typing import Any
from urllib.parse import urlsplit

from samples.customer_value.datastore import PATH

CONNECTION = "local"
WORKFLOW = "customer-value"
ENTITY = "CustomerValue"
TENANT = "00000000-0000-0000-0000-0000000000aa"
WORKSPACE = (
    "/subscriptions/00000000-0000-0000-0000-000000000001/resourceGroups/local"
    "/providers/Microsoft.MachineLearningServices/workspaces/bridge"
)
DEFINITION: dict[str, Any] = {
    "connection": CONNECTION,
    "pipeline": "customer_value",
    "requiredData": {"transactions": {"path": PATH}},
    "outputDatastore": "workspaceblobstore",
    "outputPath": "outputs/value",
    "outputEntity": ENTITY,
    "primaryKey": "customer_id",
    "customerId": "customer_id",
}
_ACTIVE = ("queued", "running", "importing", "publishing")
_POLL_SECONDS = 0.3
_PATIENCE_SECONDS = 300.0
_END_SECONDS = 5.0

type Json = dict[str, Any]
type Call = Callable[..., Any]
type Send = Callable[[str, str, object], tuple[Any, Mapping[str, str]]]
"""`send(method, path, body)`: what the function app answers, and the answer's headers."""


class DemoFailed(Exception):
    """The run did not succeed; the message says why."""


def run_demo(send: Send) -> None:
    """Safe to repeat: a second run replaces the rows of the first. Raises DemoFailed."""

    def call(method: str, path: str, body: object = None) -> Any:
        return send(method, path, body)[0]

    _connect(call)
    _cancel_earlier(call)
    _show(f"\nPUT /api/workflows/{WORKFLOW}?run=true: {DEFINITION['pipeline']} on {PATH}, to the entity {ENTITY}\n")
    _, headers = send("PUT", f"/api/workflows/{WORKFLOW}?run=true", DEFINITION)
    path = urlsplit(headers["Operation-Location"]).path
    try:
        run = _follow(call, path)
    except BaseException:
        _end(call, path)
        raise
    _print_summary(run)
    _print_customer(call)


def _show(line: str) -> None:
    """At once, also through a pipe."""
    print(line, flush=True)


def _connect(call: Call) -> None:
    consent = call("GET", "/api/consent")
    _show(f"\nPUT /api/connections/{CONNECTION}: the simulator's workspace. The demo agrees to the consent for you:")
    _show(f"  “{consent['text']}”")
    call("PUT", f"/api/connections/{CONNECTION}", {"tenant": TENANT, "workspace": WORKSPACE, "consent": True})


def _cancel_earlier(call: Call) -> None:
    """What a demo left behind that was stopped half-way; the new run waits for its end."""
    for run in call("GET", f"/api/runs?workflow={WORKFLOW}&top=10")["value"]:
        if run["status"] in _ACTIVE:
            _show(
                f"\nThe run {run['id']} of an earlier demo has not ended. It is cancelled first, which may take two minutes."
            )
            call("POST", f"/api/runs/{run['id']}/cancel")


def _end(call: Call, path: str) -> None:
    """The simulator forgets its jobs when it stops: no run is left behind that waits for one."""
    with suppress(Exception):  # what ended the demo is told, not this
        call("POST", f"{path}/cancel")
        until = time.monotonic() + _END_SECONDS
        while call("GET", path)["status"] in _ACTIVE and time.monotonic() < until:
            time.sleep(_POLL_SECONDS)


def _follow(call: Call, path: str) -> Json:
    """The run once it has succeeded; what is new about it is printed as it comes."""
    progress, began = _Progress(), time.monotonic()
    while (seconds := time.monotonic() - began) < _PATIENCE_SECONDS:
        run: Json = call("GET", path)
        for line in progress.news(run):
            _show(f"{seconds:6.1f} s  {line}")
        if run["status"] not in _ACTIVE:
            return _succeeded(run)
        time.sleep(_POLL_SECONDS)
    raise DemoFailed(f"the run is still {run['status']} after {_PATIENCE_SECONDS:.0f} s{_waits(run)}")


def _succeeded(run: Json) -> Json:
    if run["status"] == "succeeded":
        return run
    error = run.get("error", {"code": run["status"], "message": "; ".join(run.get("heldFor", [])) or "no reason given"})
    raise DemoFailed(f"the run {run['id']} is {run['status']}: {error['code']}: {error['message']}")


def _waits(run: Json) -> str:
    return f"; it tries again after {run['retrying']['message']}" if "retrying" in run else ""


@dataclass
class _Progress:
    """What was shown of a run."""

    entries: int = 0
    shown: dict[str, str] = field(default_factory=dict)

    def news(self, run: Json) -> Iterator[str]:
        """In the order in which it happened: the job before what follows it, the rows before they are published."""
        new, self.entries = run["timeline"][self.entries :], len(run["timeline"])
        for entry in new:
            if entry["status"] not in ("queued", "running"):
                yield from self._details(run, with_import=entry["status"] != "importing")
            yield f"{entry['status']:10} {entry.get('note', '')}".rstrip()
        yield from self._details(run)

    def _details(self, run: Json, *, with_import: bool = True) -> Iterator[str]:
        yield from self._changed("job", run.get("job", {}).get("status"))
        if with_import and (imported := run.get("import")):
            rejects = f", {imported['rejected']} rejected" if imported["rejected"] else ""
            rows = f"{imported['partsDone']} of {imported['parts']} parts, {imported['rows']:,} rows{rejects}"
            yield from self._changed("import", rows)
        yield from self._changed("retry", run.get("retrying", {}).get("message"))

    def _changed(self, what: str, now: str | None) -> Iterator[str]:
        if now is not None and self.shown.get(what) != now:
            self.shown[what] = now
            yield f"  {what:8} {now}"


def _print_summary(run: Json) -> None:
    times = [datetime.fromisoformat(entry["at"]) for entry in run["timeline"]]
    spans = [
        f"{entry['status']} {(until - since).total_seconds():.1f} s"
        for entry, (since, until) in zip(run["timeline"], pairwise(times), strict=False)
    ]
    total = (times[-1] - times[0]).total_seconds()
    _show(f"\n{run['import']['rows']:,} rows in {total:.1f} s: {', '.join(spans)}.")


def _print_customer(call: Call) -> None:
    """One customer, in the address that Customer Insights documents."""
    customer = _good_customer(call)
    path = f"/v1/instances/local/data/{ENTITY}%3Ffilter%3DCustomerId%20eq%20'{customer}'"
    row = call("GET", path)["value"][0]
    _show(f"\nGET {path}")
    for name, value in row.items():
        if not name.startswith("@"):
            _show(f"  {name:20} {value}")
    _show(f"\n{explain(row)}")


def _good_customer(call: Call) -> str:
    """Of the first thousand rows, the one of whom most purchases are expected."""
    rows = call("GET", f"/api/data/{ENTITY}")["value"]
    return str(max(rows, key=lambda row: row["expected_purchases"])["CustomerId"])


def explain(row: Mapping[str, Any]) -> str:
    """What the numbers say, for who has not read the paper."""
    return (
        f"Customer {row['CustomerId']} bought again on {row['frequency']} days, the last time {row['recency']:.0f} weeks "
        f"after the first, and was watched for {row['age']:.0f} weeks: still a customer with a probability of "
        f"{row['probability_alive']:.1%}, who will buy {row['expected_purchases']:.1f} times in the next 90 days and "
        f"spend {row['expected_spend']:.2f} dollars, if the model is right."
    )
