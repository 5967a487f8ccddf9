"""The listeners of an app: one for each timer and queue trigger."""

import asyncio
from collections.abc import Coroutine, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from devhost.calls import Caller
from devhost.connections import connection_string, queue_name
from devhost.errors import StartError
from devhost.functions import Function, QueueTrigger, TimerTrigger
from devhost.messages import poison_name
from devhost.ncrontab import Schedule, parse_schedule
from devhost.queues import Limits, Listener, Wakes, open_queue
from devhost.settings import Settings, resolve, time_zone
from devhost.statuses import Statuses
from devhost.timers import Clock, Timer


@dataclass(frozen=True)
class Triggers:
    timers: Mapping[str, Timer]
    listeners: Mapping[str, Listener]

    def loops(self, settings: Settings, stop: asyncio.Event) -> list[Coroutine[Any, Any, None]]:
        """One for each that is not disabled; they end once `stop` is set."""
        parts: Mapping[str, Timer | Listener] = {**self.timers, **self.listeners}
        return [part.run(stop) for name, part in parts.items() if not settings.disabled(name)]

    async def run_by_hand(self, function: Function, given: str) -> None:
        if function.name in self.timers:
            await self.timers[function.name].run_by_hand()
        else:
            await self.listeners[function.name].run_by_hand(given)

    async def drain(self, patience: float) -> None:
        await asyncio.gather(*(listener.drain(patience) for listener in self.listeners.values()))


def make_triggers(
    functions: Sequence[Function], settings: Settings, caller: Caller, statuses: Statuses, wakes: Wakes
) -> Triggers:
    clock = Clock(time_zone(settings.env), lambda: datetime.now(UTC))
    return Triggers(
        timers={
            function.name: Timer(function, schedule_of(function, function.trigger, settings), caller, statuses, clock)
            for function in functions
            if isinstance(function.trigger, TimerTrigger)
        },
        listeners={
            function.name: make_listener(function, function.trigger, settings, caller, wakes)
            for function in functions
            if isinstance(function.trigger, QueueTrigger)
        },
    )


def schedule_of(function: Function, trigger: TimerTrigger, settings: Settings) -> Schedule:
    try:
        return parse_schedule(resolve(trigger.schedule, settings.env))
    except ValueError as error:
        raise StartError(f"function '{function.name}': schedule: {error}") from error


def make_listener(
    function: Function, trigger: QueueTrigger, settings: Settings, caller: Caller, wakes: Wakes
) -> Listener:
    options = settings.host.extensions.queues
    connection = connection_string(trigger.connection, settings.env)
    name = queue_name(trigger.queue_name, settings.env)
    poison = poison_name(name)
    return Listener(
        function,
        caller,
        open_queue(connection, name),
        open_queue(connection, poison) if poison else None,
        options,
        Limits.of(options),
        wakes,
    )
