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
from enum import StrEnum
from typing import Any

from shared.errors import BadRequest
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


def advance_message(run: str) -> str:
    """A run is to be brought on."""
    return json_bytes({"v": VERSION, "run": run}).decode()


def read_advance(body: str) -> str:
    """The run's id. Raises BadRequest."""
    document = _own(body, {"v", "run"})
    run: str = document["run"]
    return run


def part_message(run: str, number: int) -> str:
    return json_bytes({"v": VERSION, "run": run, "part": number}).decode()


def read_part(body: str) -> PartMessage:
    """Raises BadRequest."""
    document = _own(body, {"v", "run", "part"})
    if type(document["part"]) is not int:
        raise BadRequest("the message's part is no number")
    return PartMessage(document["run"], document["part"])


def _own(body: str, members: set[str]) -> dict[str, Any]:
    """A message of ours, of this release or the one before. Raises BadRequest."""
    document = _json(_trimmed(body), "JSON")
    if not isinstance(document, dict) or not members <= document.keys():
        raise BadRequest(f"the message is none of this app's: it has not the members {', '.join(sorted(members))}")
    if document["v"] != VERSION:
        raise BadRequest(f"the message has the version {str(document['v'])[:20]}, which this release does not know")
    if not isinstance(document["run"], str):
        raise BadRequest("the message's run is no text")
    return document


def read_refresh(body: str, known: Container[str]) -> RefreshMessage:
    """`{"workflow": "churn", "whenActive"?: "queue"}` or the bare name, plain or Base64; `known` are the workflows'
    names in lower case. Raises BadRequest for anything else."""
    text = _refresh_text(body, known)
    if _NAME.fullmatch(text):
        return RefreshMessage(text)
    document = {name: value for name, value in _object(text).items() if value is not None}
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
