"""What stands in a queue message: refresh requests from anybody, steps of our own, events of Azure ML.

The queues' encoding is `none`, so decoding is ours: a body that starts with `{` or names a workflow is plain, anything
else is tried as Base64 of the same. Our own messages carry their version as `v`, and no member that the Functions host
would take for metadata.
"""

import base64
import binascii
import re
from collections.abc import Container, Iterator
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any

from shared.errors import BadRequest
from shared.versions import check_version
from shared.wire import Json, json_bytes, parse_json

VERSION = 1
_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_-]{0,62}")
_LONGEST_SHOWN = 80


class WhenActive(StrEnum):
    """What a refresh does while a run is active."""

    RETURN = "return"
    QUEUE = "queue"
    FAIL = "fail"


@dataclass(frozen=True, slots=True)
class RefreshMessage:
    workflow: str
    when_active: WhenActive = WhenActive.RETURN


@dataclass(frozen=True, slots=True)
class JobHint:
    """Azure ML says that something happened to this job: a reason to look, never the truth."""

    job: str


@dataclass(frozen=True, slots=True)
class PartMessage:
    """A part of a run's output is to be imported."""

    run: str
    number: int


@dataclass(frozen=True, slots=True)
class NotifyMessage:
    """A run's end, or that it is held, is to be told to whom its workflow names."""

    run: str
    place: int
    """In the run's timeline."""
    attempt: int = 1
    since: datetime | None = None
    """When the first attempt was; None before that."""

    def text(self, trace: str | None = None) -> str:
        """`trace`: the run's, a W3C `traceparent`."""
        since = self.since and self.since.isoformat()
        members = {"v": VERSION, "run": self.run, "place": self.place, "attempt": self.attempt, "since": since}
        return _message(members, trace)


def read_notify(body: str) -> NotifyMessage:
    """Raises BadRequest, NewerVersion, OlderVersion."""
    document = _own(body, {"v", "run", "place"})
    place, attempt, since = document["place"], document.get("attempt", 1), document.get("since")
    if type(place) is not int or type(attempt) is not int:
        raise BadRequest("the message's place or attempt is no number")
    try:
        return NotifyMessage(document["run"], place, attempt, datetime.fromisoformat(since) if since else None)
    except (TypeError, ValueError):
        raise BadRequest("the message's since is no time") from None


def advance_message(run: str, trace: str | None = None) -> str:
    """A run is to be brought on. `trace`: the run's, a W3C `traceparent`."""
    return _message({"v": VERSION, "run": run}, trace)


def read_advance(body: str) -> str:
    """The run's id. Raises BadRequest, NewerVersion, OlderVersion."""
    document = _own(body, {"v", "run"})
    run: str = document["run"]
    return run


def part_message(run: str, number: int, trace: str | None = None) -> str:
    return _message({"v": VERSION, "run": run, "part": number}, trace)


def read_part(body: str) -> PartMessage:
    """Raises BadRequest, NewerVersion, OlderVersion."""
    document = _own(body, {"v", "run", "part"})
    if type(document["part"]) is not int:
        raise BadRequest("the message's part is no number")
    return PartMessage(document["run"], document["part"])


def read_trace(body: str) -> str | None:
    """The trace that a message of ours belongs to; None where it names none, whatever else is wrong with it."""
    try:
        document = parse_json(_trimmed(body))
    except ValueError:
        return None
    trace = document.get("traceparent") if isinstance(document, dict) else None
    return trace if isinstance(trace, str) else None


def _message(members: dict[str, Any], trace: str | None) -> str:
    """The trace is the run's and no single span's, so that a message that is sent again is the same message."""
    return json_bytes(members if trace is None else {**members, "traceparent": trace}).decode()


def _own(body: str, members: set[str]) -> dict[str, Any]:
    """A message of ours, of this release or the one before; members that it does not know say nothing to it."""
    document = _json(_trimmed(body), "JSON")
    if not isinstance(document, dict) or "v" not in document:
        raise BadRequest(f"the message is none of this app's: it has not the members {', '.join(sorted(members))}")
    # First of all: which members a newer one has is not known.
    _check_own_version(document["v"])
    if not members <= document.keys():
        raise BadRequest(f"the message is none of this app's: it has not the members {', '.join(sorted(members))}")
    if not isinstance(document["run"], str):
        raise BadRequest("the message's run is no text")
    return document


def _check_own_version(version: object) -> None:
    if type(version) is not int:
        raise BadRequest("the message's version is no number")
    check_version(version, VERSION, "the message")


def read_refresh(body: str, known: Container[str]) -> RefreshMessage:
    """`{"workflow": "churn", "whenActive"?: "queue"}` or the bare name, plain or Base64; `known` are the workflows'
    names in lower case. It may say its version, `v`; without it is of the first. Raises BadRequest for anything else, and
    NewerVersion."""
    text = _refresh_text(body, known)
    if _NAME.fullmatch(text):
        return RefreshMessage(text)
    document = {name: value for name, value in _object(text).items() if value is not None}
    _check_own_version(document.pop("v", VERSION))
    unknown = set(document) - {"workflow", "whenActive"}
    if unknown:
        raise BadRequest(f"unknown member {min(unknown)[:_LONGEST_SHOWN]!r}; a refresh has workflow and whenActive")
    workflow = document.get("workflow")
    if not isinstance(workflow, str) or not _NAME.fullmatch(workflow):
        raise BadRequest('workflow is missing or no name; send {"workflow": "churn"} or the bare name')
    try:
        return RefreshMessage(workflow, WhenActive(document.get("whenActive", WhenActive.RETURN)))
    except ValueError as error:
        raise BadRequest(f"whenActive is one of {', '.join(WhenActive)}") from error


def _refresh_text(body: str, known: Container[str]) -> str:
    """A name may be valid Base64, and Base64 may look like a name: what exists decides."""
    text = _trimmed(body)
    if text.startswith("{") or text.lower() in known:
        return text
    decoded = _from_base64(text)
    if decoded is None or decoded.startswith("{") or decoded.lower() in known:
        return decoded or text
    return text if _NAME.fullmatch(text) else decoded


def read_events(body: str) -> list[JobHint]:
    """Event Grid's and CloudEvents' messages: an event or an array of them, plain or Base64. Raises BadRequest."""
    text = _trimmed(body)
    document = _json(text if text.startswith(("{", "[")) else _from_base64(text) or text, "JSON")
    events = document if isinstance(document, list) else [document]
    if not all(isinstance(event, dict) for event in events):
        raise BadRequest("the message is JSON, but neither an event nor an array of events")
    return list(_hints(events))


def _hints(events: list[Any]) -> Iterator[JobHint]:
    """Events about anything but a run have no runId, and say nothing to us."""
    for event in events:
        data = event.get("data")
        job = data.get("runId") if isinstance(data, dict) else None
        if isinstance(job, str) and job:
            yield JobHint(job)


def _trimmed(text: str) -> str:
    return text.strip("\ufeff \t\r\n")


def _from_base64(text: str) -> str | None:
    """The text in it, or None if it is no Base64 of a text. Some tools break the lines."""
    try:
        return _trimmed(base64.b64decode("".join(text.split()), validate=True).decode("utf-8"))
    except (binascii.Error, ValueError):
        return None


def _json(text: str, wanted: str) -> Json:
    try:
        return parse_json(text)
    except ValueError as error:
        raise BadRequest(f"the message is not {wanted}: {error}") from error


def _object(text: str) -> dict[str, Any]:
    document = _json(text, "JSON, and no name of a workflow")
    if not isinstance(document, dict):
        raise BadRequest("the message is JSON, but no object with the member workflow")
    return document
