"""Poison messages and their causes, in memory."""

from collections.abc import Sequence
from datetime import datetime

from shared.workflows.poison import Cause, PoisonMessage, poison_id


class MemoryPoison:
    def __init__(self) -> None:
        self.messages: dict[str, PoisonMessage] = {}
        self.causes: dict[str, Cause] = {}

    async def note_cause(self, queue: str, body: str, cause: Cause) -> None:
        self.causes[poison_id(queue, body)] = cause

    async def cause_of(self, queue: str, body: str) -> Cause | None:
        return self.causes.get(poison_id(queue, body))

    async def add(self, message: PoisonMessage) -> None:
        known = self.messages.get(message.id)
        self.messages[message.id] = known.again(message) if known else message

    async def list(self) -> Sequence[PoisonMessage]:
        return list(self.messages.values())

    async def get(self, message_id: str) -> PoisonMessage | None:
        return self.messages.get(message_id)

    async def delete(self, message_id: str) -> None:
        del self.messages[message_id]

    async def drop_before(self, moment: datetime) -> int:
        old = [message.id for message in self.messages.values() if message.last_at < moment]
        for message_id in old:
            del self.messages[message_id]
        return len(old)
