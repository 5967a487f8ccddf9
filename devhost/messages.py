"""Queue messages as the real host reads and writes them: encoding, trigger metadata, outputs. Pure."""

import base64
import binascii
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Literal

from devhost.protos import TypedData

Encoding = Literal["base64", "none"]

ISO_DATE = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d{1,7})?(?:Z|[+-]\d\d:\d\d)?")


class UndecodableError(ValueError):
    """The message is not in the queue's encoding."""


@dataclass(frozen=True)
class Message:
    id: str
    pop_receipt: str
    text: str  # as it lies in the queue
    dequeue_count: int
    inserted: datetime
    expires: datetime
    next_visible: datetime


def decode(text: str, encoding: Encoding) -> bytes:
    if encoding == "none":
        return text.encode()
    try:
        return base64.b64decode("".join(text.split()), validate=True)
    except (binascii.Error, ValueError) as error:
        raise UndecodableError(str(error)) from error


def encode(content: bytes, encoding: Encoding) -> str:
    return base64.b64encode(content).decode() if encoding == "base64" else content.decode("utf-8", "replace")


def metadata_of(message: Message, body: str) -> dict[str, TypedData]:
    """What the function's QueueMessage is made of, **after** a JSON body's own properties were laid over it.

    The real host does so (azure-functions-python-worker#1373): a body {"id": "x"} is a message with id "x".
    """
    fields: dict[str, TypedData] = {
        "QueueTrigger": TypedData(string=body),
        "Id": TypedData(string=message.id),
        "PopReceipt": TypedData(string=message.pop_receipt),
        "DequeueCount": TypedData(json=str(message.dequeue_count)),
        "ExpirationTime": TypedData(json=json.dumps(stamp(message.expires))),
        "InsertionTime": TypedData(json=json.dumps(stamp(message.inserted))),
        "NextVisibleTime": TypedData(json=json.dumps(stamp(message.next_visible))),
    }
    spelled = {name.lower(): name for name in fields}
    for name, value in properties_of(body).items():
        fields[spelled.setdefault(name.lower(), name)] = value
    return fields


def properties_of(body: str) -> dict[str, TypedData]:
    """The top level of a JSON object, but arrays and nulls; everything else as text."""
    if not looks_like_json(body):
        return {}
    try:
        parsed = json.loads(body)
    except ValueError:
        return {}
    if not isinstance(parsed, dict):
        return {}
    return {
        name: TypedData(json=json.dumps(value, ensure_ascii=False, separators=(",", ":")))
        if isinstance(value, dict)
        else TypedData(string=property_text(value))
        for name, value in parsed.items()
        if value is not None and not isinstance(value, list)
    }


def property_text(value: Any) -> str:
    """A JSON scalar by .NET's rules, dates included: the host's parser takes them for dates."""
    if isinstance(value, str) and ISO_DATE.fullmatch(value):
        try:
            moment = datetime.fromisoformat(value)
        except ValueError:
            return value
        moment = moment.astimezone(UTC) if moment.tzinfo else moment
        return moment.strftime("%m/%d/%Y %H:%M:%S")
    return newtonsoft_text(value)


def split_output(value: TypedData) -> list[bytes]:
    """The messages that one output makes: an array, also as text, is a message an element.

    Text that looks like JSON is parsed and written again, indented, as the real host does; if it only looks
    like JSON, it fails.
    """
    content = value.content
    if isinstance(content, bytes):
        return [content]
    text = content if isinstance(content, str) else str(content)
    if value.kind != "json" and not looks_like_json(text):
        return [text.encode()]
    try:
        parsed = json.loads(text)
    except ValueError as error:
        raise ValueError(f"the value looks like JSON but is not: {error}") from error
    parts = parsed if isinstance(parsed, list) else [parsed]
    return [newtonsoft_text(part).encode() for part in parts]


def looks_like_json(text: str) -> bool:
    bare = text.strip()
    return len(bare) > 1 and bare[0] + bare[-1] in ("{}", "[]")


def newtonsoft_text(value: Any) -> str:
    """What `JToken.ToString()` gives for a parsed JSON value."""
    if isinstance(value, str):
        return value
    if value is None:
        return ""
    if isinstance(value, bool):
        return str(value)
    if isinstance(value, float) and value.is_integer() and abs(value) < 1e15:
        return str(int(value))
    if isinstance(value, (int, float)):
        return repr(value)
    return json.dumps(value, ensure_ascii=False, indent=2)


def stamp(moment: datetime) -> str:
    return moment.astimezone(UTC).isoformat()


def poison_name(queue: str) -> str | None:
    """Where messages end that no function takes; some names leave none."""
    if queue.endswith("-poison") or len(queue) + len("-poison") > 63:
        return None
    return f"{queue}-poison"


def details_of(message: Message) -> Mapping[str, str]:
    return {
        "MessageId": message.id,
        "DequeueCount": str(message.dequeue_count),
        "InsertionTime": stamp(message.inserted),
    }
