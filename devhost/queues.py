"""Queue triggers and queue outputs on Azure Storage."""

import asyncio
import logging
import os
import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from azure.core.exceptions import AzureError, HttpResponseError, ResourceExistsError, ResourceNotFoundError
from azure.storage.queue.aio import QueueClient

from devhost.calls import Caller
from devhost.functions import Function, QueueOutput, QueueTrigger
from devhost.messages import (
    Message,
    UndecodableError,
    decode,
    details_of,
    encode,
    metadata_of,
    split_output,
)
from devhost.protos import TypedData
from devhost.settings import QueueOptions
from devhost.waiting import first_of

log = logging.getLogger("Host.Triggers.Queue")

LEASE = 600.0  # seconds a message stays hidden while its call runs; renewed at half
FIRST_WAIT = 0.1
# Nothing newer is asked of storage, so an older Azurite answers too.
API_VERSION = "2021-12-02"

# Two, 0.3 s apart: the SDK's own wait half a minute, and a listener looks again anyway.
RETRIES: dict[str, Any] = {
    "retry_total": 2,
    "initial_backoff": 0.3,
    "increment_base": 0,
    "random_jitter_range": 0,
}

Place = tuple[str, str]  # account and queue


def open_queue(connection: str, name: str) -> QueueClient:
    return QueueClient.from_connection_string(
        connection, name, api_version=API_VERSION, connection_timeout=5, **RETRIES
    )


def place_of(client: QueueClient) -> Place:
    return (str(client.primary_endpoint), str(client.queue_name))


class Wakes:
    """Which listeners of this host to wake when it puts a message into their queue."""

    def __init__(self) -> None:
        self._events: dict[Place, asyncio.Event] = {}

    def event(self, place: Place) -> asyncio.Event:
        return self._events.setdefault(place, asyncio.Event())

    def wake(self, place: Place) -> None:
        if place in self._events:
            self._events[place].set()


class QueueOutputs:
    """Puts what functions return or set, and makes the queue if it is missing."""

    def __init__(
        self,
        open_output: Callable[[QueueOutput], QueueClient],
        options: QueueOptions,
        wakes: Wakes,
    ) -> None:
        self._open = open_output
        self._options = options
        self._wakes = wakes
        self._clients: dict[QueueOutput, QueueClient] = {}

    async def put(self, output: QueueOutput, value: TypedData) -> None:
        client = self._clients.get(output) or self._clients.setdefault(output, self._open(output))
        for content in split_output(value):
            await send(client, encode(content, self._options.message_encoding))
        self._wakes.wake(place_of(client))

    async def close(self) -> None:
        for client in self._clients.values():
            await client.close()


async def send(client: QueueClient, text: str) -> None:
    try:
        await client.send_message(text)
    except ResourceNotFoundError:
        try:
            await client.create_queue()
        except ResourceExistsError:
            log.debug("'%s' was made in the meantime", client.queue_name)
        await client.send_message(text)


@dataclass(frozen=True)
class Limits:
    batch: int
    threshold: int  # fetch again when no more than these are in flight
    longest_wait: float
    first_wait: float = FIRST_WAIT
    lease: float = LEASE

    @classmethod
    def of(cls, options: QueueOptions, processors: int | None = None) -> "Limits":
        half = options.batch_size // 2 * (processors or os.cpu_count() or 1)
        threshold = half if options.new_batch_threshold is None else options.new_batch_threshold
        return cls(options.batch_size, threshold, options.max_polling_interval.total_seconds())

    def waits(self) -> Iterator[float]:
        return polling_waits(self.first_wait, self.longest_wait)


class Listener:
    """One queue-triggered function."""

    def __init__(
        self,
        function: Function,
        caller: Caller,
        queue: QueueClient,
        poison: QueueClient | None,
        options: QueueOptions,
        limits: Limits,
        wakes: Wakes,
    ) -> None:
        if not isinstance(function.trigger, QueueTrigger):
            raise TypeError(f"{function.name} has no queue")
        self._function = function
        self._caller = caller
        self._queue = queue
        self._poison = poison
        self._options = options
        self._limits = limits
        self._wakes = wakes
        self._woken = wakes.event(place_of(queue))
        self._in_flight: set[asyncio.Task[None]] = set()
        self._away = False  # whether storage did not answer last time

    async def run(self, stop: asyncio.Event) -> None:
        """Until `stop`; messages in flight go on, see `drain`."""
        waits = self._limits.waits()
        while not stop.is_set():
            self._woken.clear()
            messages = await self._receive()
            for message in messages:
                task = asyncio.create_task(self._process(message))
                self._in_flight.add(task)
                task.add_done_callback(self._in_flight.discard)
            if messages:
                waits = self._limits.waits()
                await self._room(stop)
            else:
                await first_of(self._woken.wait(), stop.wait(), timeout=next(waits))

    async def _room(self, stop: asyncio.Event) -> None:
        while len(self._in_flight) > self._limits.threshold and not stop.is_set():
            ends = asyncio.wait(self._in_flight, return_when=asyncio.FIRST_COMPLETED)
            await first_of(ends, stop.wait())

    async def drain(self, patience: float) -> None:
        """Wait for the messages in flight; what is not done by then comes again when its lease ends."""
        if self._in_flight:
            _, late = await asyncio.wait(self._in_flight, timeout=patience)
            for task in late:
                task.cancel()
        await self._queue.close()
        if self._poison:
            await self._poison.close()

    async def run_by_hand(self, text: str) -> None:
        now = datetime.now(UTC)
        message = Message("", "", text, 0, now, now, now)
        await self._caller.call(self._function, TypedData(string=text), metadata=metadata_of(message, text))

    async def _receive(self) -> list[Message]:
        try:
            found = self._queue.receive_messages(
                messages_per_page=self._limits.batch,
                max_messages=self._limits.batch,
                visibility_timeout=int(self._limits.lease),
            )
            messages = [message_from(each) async for each in found]
        except ResourceNotFoundError:
            messages = []  # not made yet; the trigger does not make it
        except AzureError as error:
            if not self._away:
                log.error("'%s' cannot be read, still trying: %s", self._queue.queue_name, type(error).__name__)
            self._away = True
            return []
        if self._away:
            log.info("'%s' can be read again", self._queue.queue_name)
        self._away = False
        return messages

    async def _process(self, message: Message) -> None:
        held = Lease(self._queue, message, self._limits.lease)
        renewal = asyncio.create_task(held.keep())
        try:
            await self._settle(held, message)
        except Exception:
            log.exception("Message '%s' of '%s' is not settled", message.id, self._queue.queue_name)
        finally:
            renewal.cancel()

    async def _settle(self, held: "Lease", message: Message) -> None:
        if message.dequeue_count > self._options.max_dequeue_count:
            await self._to_poison(held, message)
            return
        try:
            body = decode(message.text, self._options.message_encoding)
        except UndecodableError:
            log.error("Message '%s' is not Base64: to the poison queue, without a call", message.id)
            await self._to_poison(held, message)
            return
        if await self._call(message, body):
            await held.delete()
        elif message.dequeue_count >= self._options.max_dequeue_count:
            log.error(
                "Message has reached MaxDequeueCount of %d. Moving message to queue '%s'.",
                self._options.max_dequeue_count,
                self._poison.queue_name if self._poison else "(none)",
            )
            await self._to_poison(held, message)
        else:
            await held.release(self._options.visibility_timeout.total_seconds())

    async def _call(self, message: Message, body: bytes) -> bool:
        try:
            text = body.decode("utf-8")
        except UnicodeDecodeError as error:
            log.error("Executed 'Functions.%s' (Failed): message '%s': %s", self._function.name, message.id, error)
            return False
        outcome = await self._caller.call(
            self._function,
            TypedData(string=text),
            f"New queue message detected on '{self._queue.queue_name}'.",
            metadata=metadata_of(message, text),
            details=details_of(message),
        )
        return outcome.failure is None

    async def _to_poison(self, held: "Lease", message: Message) -> None:
        """Where there is no poison queue the message only stays hidden until its lease ends."""
        if self._poison is None:
            return
        await send(self._poison, message.text)
        self._wakes.wake(place_of(self._poison))
        await held.delete()


class Lease:
    """Our hold on a received message: its pop receipt changes with each renewal."""

    def __init__(self, queue: QueueClient, message: Message, seconds: float) -> None:
        self._queue = queue
        self._id = message.id
        self._receipt = message.pop_receipt
        self._seconds = seconds
        self._lock = asyncio.Lock()

    async def keep(self) -> None:
        while True:
            await asyncio.sleep(self._seconds / 2)
            try:
                await self._hide(self._seconds)
            except AzureError as error:
                log.warning("Message '%s' is not held any longer: %s", self._id, type(error).__name__)

    async def delete(self) -> None:
        async with self._lock:
            try:
                await self._queue.delete_message(self._id, self._receipt)
            except HttpResponseError as error:
                log.debug("Message '%s' is gone already: %s", self._id, error.reason)

    async def release(self, hidden_for: float) -> None:
        try:
            await self._hide(hidden_for)
        except HttpResponseError as error:
            log.debug("Message '%s' is gone already: %s", self._id, error.reason)

    async def _hide(self, seconds: float) -> None:
        async with self._lock:
            updated = await self._queue.update_message(self._id, self._receipt, visibility_timeout=int(seconds))
            self._receipt = updated.pop_receipt or self._receipt


def polling_waits(first: float, longest: float, chance: Callable[[], float] = random.random) -> Iterator[float]:
    """Randomized exponential: `first`, then that and twice as much more each time, give or take a fifth."""
    yield min(first, longest)
    grown = first
    while True:
        wait = first + grown * (0.8 + 0.4 * chance())
        yield min(wait, longest)
        grown = min(grown * 2, longest)


def message_from(received: Any) -> Message:
    return Message(
        id=received.id,
        pop_receipt=received.pop_receipt,
        text=received.content or "",
        dequeue_count=received.dequeue_count or 0,
        inserted=received.inserted_on,
        expires=received.expires_on,
        next_visible=received.next_visible_on,
    )
