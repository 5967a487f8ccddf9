"""Tables and queues: their limits, and what Event Grid puts into a queue. What is made here is removed again."""

import base64
import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from uuid import uuid4

from azure.core.exceptions import HttpResponseError
from azure.data.tables import TableClient
from azure.storage.queue import QueueClient

from infra.verify.checks import Check, CheckFailed, Finding, confirmed_if, observed
from infra.verify.target import Target

EVENTS_QUEUE = "aml-events"
_LONGEST_KEY = 512
_KEYS = (512, 1023, 1024, 1025)
_COMPARISONS = (15, 16, 50, 100)
_PAGE = 1_000
_BATCH = 100


@contextmanager
def scratch_table(target: Target) -> Iterator[TableClient]:
    with target.tables() as service:
        table = service.create_table(f"verify{uuid4().hex[:12]}")
        try:
            yield table
        finally:
            service.delete_table(table.table_name)


@contextmanager
def scratch_queue(target: Target) -> Iterator[QueueClient]:
    with target.queues() as service:
        queue = service.create_queue(f"verify-{uuid4().hex[:12]}")
        try:
            yield queue
        finally:
            queue.delete_queue()


def _is_taken(call: Callable[[], object]) -> bool:
    """Whether the service takes it; refusing is an answer too."""
    try:
        call()
    except HttpResponseError as error:
        if error.status_code is None or error.status_code >= 500:
            raise
        return False
    return True


def key_length(target: Target) -> Finding:
    with scratch_table(target) as table:
        taken = {
            length: _is_taken(lambda length=length: table.create_entity(_row("k" * length)))  # type: ignore[misc]
            for length in _KEYS
        }
    return confirmed_if(taken[_LONGEST_KEY], f"taken: {', '.join(f'{n} {taken[n]}' for n in _KEYS)}")


def comparisons(target: Target) -> Finding:
    with scratch_table(target) as table:
        taken = {count: _is_taken(lambda count=count: _ask(table, count)) for count in _COMPARISONS}  # type: ignore[misc]
    return confirmed_if(taken[15], f"taken: {', '.join(f'{n} {taken[n]}' for n in _COMPARISONS)}")


def _ask(table: TableClient, count: int) -> None:
    list(table.query_entities(" or ".join(f"RowKey eq '{number}'" for number in range(count))))


def page_size(target: Target) -> Finding:
    with scratch_table(target) as table:
        for start in range(0, _PAGE + 1, _BATCH):
            rows = [_row(f"{number:05}") for number in range(start, min(start + _BATCH, _PAGE + 1))]
            table.submit_transaction([("create", row) for row in rows])
        sizes = [len(list(page)) for page in table.list_entities(results_per_page=_PAGE).by_page()]
    return confirmed_if(max(sizes) <= _PAGE and sum(sizes) == _PAGE + 1, f"pages of {', '.join(map(str, sizes))}")


def _row(key: str) -> dict[str, str]:
    return {"PartitionKey": "verify", "RowKey": key}


def visibility(target: Target) -> Finding:
    with scratch_queue(target) as queue:
        queue.send_message("verify")
        message = queue.receive_message()
        if message is None or message.next_visible_on is None or message.inserted_on is None:
            raise CheckFailed("the message did not come back")
        hidden = message.next_visible_on - message.inserted_on
    return confirmed_if(timedelta(seconds=28) <= hidden <= timedelta(seconds=40), f"hidden for {hidden.seconds} s")


def time_to_live(target: Target) -> Finding:
    with scratch_queue(target) as queue:
        taken = _is_taken(lambda: queue.send_message("verify", time_to_live=-1))
        message = queue.peek_messages()[0] if taken else None
    return confirmed_if(taken, f"it expires on {message.expires_on:%Y-%m-%d}" if message else "refused")


def events(target: Target) -> Finding:
    """Looks without taking: the app's own messages stay where they are."""
    with target.queues() as service, service.get_queue_client(EVENTS_QUEUE) as queue:
        messages = queue.peek_messages(max_messages=32)
    if not messages:
        raise CheckFailed(f"{EVENTS_QUEUE} is empty: stop the app (az functionapp stop), run a job, and look again")
    texts = [str(message.content) for message in messages]
    found = [event for text in texts for event in _events(text)]
    return observed("; ".join((_encodings(texts), _values(found, "runStatus"), _values(found, "runType"))))


def _encodings(texts: list[str]) -> str:
    return f"{sum(not text.lstrip().startswith(('{', '[')) for text in texts)} of {len(texts)} in Base64"


def _values(found: list[dict[str, object]], member: str) -> str:
    return f"{member}: {', '.join(sorted({str(event.get(member)) for event in found}))}"


def _events(text: str) -> list[dict[str, object]]:
    plain = text if text.lstrip().startswith(("{", "[")) else base64.b64decode(text).decode()
    document = json.loads(plain)
    return [event["data"] for event in (document if isinstance(document, list) else [document]) if "data" in event]


CHECKS = (
    Check(
        "table-keys",
        f"a key of a row may have {_LONGEST_KEY} characters; the limit is 1 KiB or 1,024 characters",
        "rows with long keys could not be written: shared/entities/keys.py",
        key_length,
        needs=("data_storage",),
        writes=True,
    ),
    Check(
        "table-comparisons",
        "a filter may hold 15 comparisons",
        "queries of more would be refused: shared/storage",
        comparisons,
        needs=("data_storage",),
        writes=True,
    ),
    Check(
        "table-pages",
        f"a page of a query has at most {_PAGE:,} rows, and goes on where it ended",
        "readers' pages would have gaps: shared/storage/plane.py",
        page_size,
        needs=("data_storage",),
        writes=True,
    ),
    Check(
        "queue-visibility",
        "a message that is taken without a word stays hidden for 30 s",
        "nothing in the app, which is given messages by the host; a script of yours may rest on it",
        visibility,
        needs=("host_storage",),
        writes=True,
    ),
    Check(
        "queue-lifetime",
        "a message may live for ever (-1)",
        "nothing yet: messages of the app live for the seven days that are the default",
        time_to_live,
        needs=("host_storage",),
        writes=True,
    ),
    Check(
        "events",
        "how Event Grid encodes messages in a queue, and which values runStatus and runType have, is not known",
        "nothing: shared/workflows/messages.py reads both encodings, and takes an event as a reason to look at the job",
        events,
        needs=("host_storage",),
    ),
)
