"""Who is told that a run has ended or is held? Whoever reads the queue `run-events`, and the address that its workflow names.

Both may be told twice, under the same id. Neither delays the run: what is to be told is written down with the run's end, and
told by a step of its own; an address that does not answer is tried again by messages of the queue `run-notify`.
"""

import hashlib
import hmac
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from logging import WARNING, getLogger
from urllib.parse import urlsplit

from shared.errors import InvalidDefinition, NotificationFailed
from shared.logs import log_event
from shared.wire import json_bytes
from shared.workflows.definition import Notify, stored_workflow
from shared.workflows.facts import Fact, Noted
from shared.workflows.messages import NotifyMessage
from shared.workflows.poison import Cause, PoisonStore, keep
from shared.workflows.queues import NOTIFY_QUEUE
from shared.workflows.refreshing import RunStore
from shared.workflows.runs import Run, TimelineEntry, render_run, rfc3339

VERSION = 1
"""Of what is told, in the queue and to the address."""
DELAYS = tuple(timedelta(seconds=seconds) for seconds in (10, 30, 90, 270, 810, 2430, 3600, 3600, 3600))
"""Before the second attempt, the third, and so on; after these it is given up."""
_LONGEST = timedelta(hours=24)

logger = getLogger("bridge.notifications")

type SendEvent = Callable[[str], Awaitable[None]]
"""Into the queue `run-events`. Raises StorageUnavailable."""
type SendNotify = Callable[[NotifyMessage, float], Awaitable[None]]
"""Asks for an attempt, in so many seconds. Raises StorageUnavailable."""
type Post = Callable[[str, Mapping[str, str], bytes], Awaitable[None]]
"""To an address, with headers and a body. Raises NotificationFailed for any answer but a success."""
type SecretOf = Callable[[str], str | None]
"""The app setting of this name."""
type Record = Callable[[str, Sequence[Fact]], Awaitable[Run | None]]


def event_id(run: str, place: int) -> str:
    """Of what stands at this place in the run's timeline: the same however often it is told."""
    return f"{run}-{place}"


def run_event(run: Run, place: int) -> str:
    """The message in `run-events`. None of its members has a name that the Functions host takes for its own (`id`)."""
    entry = run.timeline[place]
    event = {
        "v": VERSION,
        "event": event_id(run.id, place),
        "run": run.id,
        "workflow": run.workflow,
        "status": entry.status,
        "entity": run.definition.get("outputEntity"),
        "snapshot": run.snapshot,
        "at": rfc3339(entry.at),
    }
    return json_bytes(event).decode()


def notification(run: Run, place: int) -> bytes:
    """The body that the address gets: the run as `GET` gives it at this moment."""
    entry = run.timeline[place]
    body = {
        "v": VERSION,
        "id": event_id(run.id, place),
        "type": f"run.{entry.status}",
        "run": render_run(run),
        "workflow": run.workflow,
        "at": rfc3339(entry.at),
    }
    return json_bytes(body)


def signed(body: bytes, secret: str, now: datetime) -> dict[str, str]:
    """The headers that prove who sent it, and when: HMAC-SHA256 of `timestamp.body`, the timestamp in Unix seconds."""
    timestamp = str(int(now.timestamp()))
    digest = hmac.new(secret.encode(), timestamp.encode() + b"." + body, hashlib.sha256).hexdigest()
    return {"x-bridge-timestamp": timestamp, "x-bridge-signature": f"v1={digest}"}


def wanted(run: Run, entry: TimelineEntry) -> Notify | None:
    """Whom the run's workflow wants told of it; nobody where this release cannot read the workflow: that has failed the run."""
    try:
        notify = stored_workflow(run.definition).notify
    except InvalidDefinition:
        return None
    return notify if notify is not None and entry.status.value in tuple(notify.on) else None


class Announcer:
    """Tells what a run has not told yet. May be repeated."""

    def __init__(self, *, event: SendEvent, notify: SendNotify) -> None:
        self._event = event
        self._notify = notify

    async def tell(self, run: Run) -> None:
        """Raises StorageUnavailable."""
        for place in run.announcing:
            await self._event(run_event(run, place))
            if wanted(run, run.timeline[place]) is not None:
                await self._notify(NotifyMessage(run.id, place), 0)


class Notifier:
    """Does one attempt of a notification, and sees to the next."""

    def __init__(
        self,
        store: RunStore,
        record: Record,
        poison: PoisonStore,
        *,
        post: Post,
        secret_of: SecretOf,
        send: SendNotify,
        now: Callable[[], datetime],
    ) -> None:
        self._store = store
        self._record = record
        self._poison = poison
        self._post = post
        self._secret_of = secret_of
        self._send = send
        self._now = now

    async def deliver(self, message: NotifyMessage) -> None:
        """Raises StorageUnavailable. A run that is gone is told to nobody."""
        stored = await self._store.get(message.run)
        if stored is None or not 0 <= message.place < len(stored.run.timeline):
            return
        run = stored.run
        notify = wanted(run, run.timeline[message.place])
        if notify is None:
            return
        try:
            await self._attempt(run, message, notify)
        except NotificationFailed as failed:
            await self._failed(run, replace(message, since=message.since or self._now()), failed)

    async def note(self, message: NotifyMessage, reason: str) -> None:
        """On the run: it was not told. Raises StorageUnavailable."""
        stored = await self._store.get(message.run)
        if stored is not None and 0 <= message.place < len(stored.run.timeline):
            status = stored.run.timeline[message.place].status
            await self._record(message.run, [Noted(f"the notification run.{status} was given up: {reason}")])

    async def _attempt(self, run: Run, message: NotifyMessage, notify: Notify) -> None:
        secret = self._secret_of(notify.secret_setting)
        if not secret:
            raise NotificationFailed(
                f"the app setting {notify.secret_setting} has no usable value: set it to the secret that the receiver knows; "
                "of a Key Vault reference, see that it is resolved"
            )
        body = notification(run, message.place)
        delivery = event_id(run.id, message.place)
        headers = {"x-bridge-delivery": delivery, "x-bridge-attempt": str(message.attempt)}
        await self._post(notify.url, headers | signed(body, secret, self._now()), body)
        log_event(logger, "run_told", run=run.id, delivery=delivery, attempt=message.attempt, host=_host(notify.url))

    async def _failed(self, run: Run, message: NotifyMessage, failed: NotificationFailed) -> None:
        log_event(logger, "run_not_told", WARNING, run=run.id, attempt=message.attempt, cause=failed.message)
        since = message.since or self._now()
        if failed.is_final or message.attempt > len(DELAYS) or self._now() - since >= _LONGEST:
            await self._give_up(message, failed)
            return
        delay = DELAYS[message.attempt - 1]
        await self._send(replace(message, attempt=message.attempt + 1), delay.total_seconds())

    async def _give_up(self, message: NotifyMessage, failed: NotificationFailed) -> None:
        """A person finds it among the poison messages with its cause, and may send it anew from there."""
        times = "once" if message.attempt == 1 else f"{message.attempt} times"
        reason = f"tried {times}, and {failed.message}"
        await self.note(message, reason)
        body, now = NotifyMessage(message.run, message.place).text(), self._now()
        await self._poison.note_cause(NOTIFY_QUEUE, body, Cause(failed.code, reason, now))
        await keep(NOTIFY_QUEUE, body, store=self._poison, now=now)


def _host(url: str) -> str:
    """All that is told of an address elsewhere: the rest of it may be a secret."""
    return urlsplit(url).hostname or ""
