"""What became of a message that could not be handled? It is kept with its cause until somebody sends it again.

The host puts it into `<queue>-poison` after its last attempt, and says nothing of why; the attempts noted that before.
"""

import hashlib
import re
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Protocol

from shared.errors import BridgeError, Conflict, NotFound
from shared.times import rfc3339

_LONGEST_SHOWN = 200
_ID = re.compile(r"[0-9a-f]{32}")
_NO_XML = re.compile("[^\t\n\r -\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
"""Characters that XML 1.0 does not know, and so no queue takes."""

UNKNOWN = "CauseUnknown"
_WITHOUT_CAUSE = (
    "no attempt left a cause: either the Functions host could not hand the message over (its JSON has members that the "
    "host takes for its own, such as id or dequeueCount, or its bytes are no text), or the process ended in the middle "
    "of it; rename such members and send it anew, or redrive it as it is"
)


@dataclass(frozen=True, slots=True)
class Cause:
    """Why an attempt failed."""

    code: str
    message: str
    at: datetime


@dataclass(frozen=True, slots=True)
class PoisonMessage:
    id: str
    queue: str
    """Where it was sent to, without `-poison`."""
    body: str
    cause: Cause | None
    """Of the last attempt that left one."""
    first_at: datetime
    last_at: datetime
    count: int = 1
    """How often it became poison."""

    def again(self, later: "PoisonMessage") -> "PoisonMessage":
        """The same message, delivered once more."""
        return replace(
            self,
            cause=later.cause or self.cause,
            first_at=min(self.first_at, later.first_at),
            last_at=max(self.last_at, later.last_at),
            count=self.count + later.count,
        )

    def render(self) -> dict[str, Any]:
        """Of the body the first 200 characters and never more: one that cannot be read is why it is here."""
        return {
            "id": self.id,
            "queue": self.queue,
            "code": self.cause.code if self.cause else UNKNOWN,
            "message": self.cause.message if self.cause else _WITHOUT_CAUSE,
            "firstAt": rfc3339(self.first_at, "milliseconds"),
            "lastAt": rfc3339(self.last_at, "milliseconds"),
            "count": self.count,
            "body": self.body[:_LONGEST_SHOWN],
        }


class PoisonStore(Protocol):
    """Every method raises StorageUnavailable."""

    async def note_cause(self, queue: str, body: str, cause: Cause) -> None:
        """In place of the one that an earlier attempt left."""

    async def cause_of(self, queue: str, body: str) -> Cause | None: ...

    async def add(self, message: PoisonMessage) -> None:
        """Keep it; one that is there already is the same, once `again`."""

    async def list(self) -> Sequence[PoisonMessage]:
        """The newest first."""

    async def get(self, message_id: str) -> PoisonMessage | None: ...

    async def delete(self, message_id: str) -> None:
        """The message and its cause; what is not there is deleted already."""

    async def drop_before(self, moment: datetime) -> int:
        """Forget messages that last became poison before `moment`, and causes noted before it; how many went."""


class Sender(Protocol):
    async def send(self, queue: str, text: str) -> None: ...


type Poisoned = Callable[[str, str, Cause | None], Awaitable[None]]
"""Is told queue, body and cause of every message that became poison; more than once, if need be."""


def poison_id(queue: str, body: str) -> str:
    """The same for the same body in the same queue, so that a delivery that is repeated is no second message."""
    return hashlib.sha256(f"{queue}\n{body}".encode("utf-8", "surrogatepass")).hexdigest()[:32]


def cause_of_error(error: Exception, at: datetime) -> Cause:
    """Only our own errors are worded for people; the text of any other may hold anything."""
    if isinstance(error, BridgeError):
        return Cause(error.code, error.message, at)
    return Cause(
        BridgeError.code,
        f"something failed in this app that should not ({type(error).__name__}): its log has the place, at the event "
        "queue_message_failed; redrive the message when that is mended",
        at,
    )


async def keep(queue: str, body: str, *, store: PoisonStore, now: datetime) -> PoisonMessage:
    """Join a message that became poison with its cause. Raises StorageUnavailable."""
    cause = await store.cause_of(queue, body)
    message = PoisonMessage(poison_id(queue, body), queue, body, cause, first_at=now, last_at=now)
    await store.add(message)
    return message


async def redrive(message_id: str, *, store: PoisonStore, queues: Sender) -> PoisonMessage:
    """Send it to its queue again, then forget it. Raises NotFound, Conflict, StorageUnavailable."""
    message = await store.get(message_id) if _ID.fullmatch(message_id) else None
    if message is None:
        raise NotFound(
            f"there is no poison message {message_id[:40]!r}: GET /api/poison lists those there are; one that was sent "
            "again, or is past its retention, is no longer among them",
            target="id",
        )
    if _NO_XML.search(message.body):
        raise Conflict(
            f"the message {message.id} holds characters that no queue takes as they are; send what it means anew, in "
            f"Base64, to the queue {message.queue}",
            target="id",
        )
    # In this order: a process that dies in between leaves a message twice, not none.
    await queues.send(message.queue, message.body)
    await store.delete(message.id)
    return message
