"""Who is told of a run, what, how it is signed, and how often it is tried."""

import hashlib
import hmac
import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import Any

import pytest

from shared.errors import NotificationFailed
from shared.workflows.facts import CancelRequested, Noted, TimePassed
from shared.workflows.lifecycle import HELD_FOR, apply
from shared.workflows.messages import NotifyMessage
from shared.workflows.notifications import DELAYS, Announcer, Notifier, notification, run_event, signed
from shared.workflows.poison import poison_id
from shared.workflows.queues import NOTIFY_QUEUE
from shared.workflows.runs import Run, RunStatus, Trigger, TriggerKind, new_run, new_run_id, render_run
from tests.workflows.poison_fakes import MemoryPoison
from tests.workflows.run_fakes import MemoryRuns
from tests.workflows.run_world import NOON, churn

NOTIFY = {"url": "https://hooks.contoso.com/secret-path", "secret": "@appsetting('NOTIFY_CHURN')"}
SECRET = "s3cret"


def canceled(**notify: Any) -> Run:
    document = churn(notify={**NOTIFY, **notify})
    run = new_run(new_run_id("churn", NOON), document, Trigger(TriggerKind.HTTP), NOON)
    return apply(run, CancelRequested(), NOON)


@dataclass
class Receiver:
    """What it answers is what a test says: an error, or None for a success."""

    answers: list[NotificationFailed | None] = field(default_factory=list)
    got: list[tuple[str, Mapping[str, str], bytes]] = field(default_factory=list)

    async def post(self, url: str, headers: Mapping[str, str], body: bytes) -> None:
        self.got.append((url, headers, body))
        answer = self.answers.pop(0) if self.answers else None
        if answer is not None:
            raise answer


@dataclass
class Desk:
    """A run that has ended, and a notifier beside it."""

    run: Run
    receiver: Receiver = field(default_factory=Receiver)
    secrets: dict[str, str] = field(default_factory=lambda: {"NOTIFY_CHURN": SECRET})
    runs: MemoryRuns = field(default_factory=MemoryRuns)
    poison: MemoryPoison = field(default_factory=MemoryPoison)
    sent: list[tuple[NotifyMessage, float]] = field(default_factory=list)
    now: Any = NOON

    def __post_init__(self) -> None:
        self.runs.runs[self.run.id] = (self.run, "1")

    async def deliver(self, message: NotifyMessage) -> None:
        notifier = Notifier(
            self.runs,
            self._record,
            self.poison,
            post=self.receiver.post,
            secret_of=self.secrets.get,
            send=self._send,
            now=lambda: self.now,
        )
        await notifier.deliver(message)

    async def _record(self, run: str, facts: Any) -> Run:
        known, version = self.runs.runs[run]
        for fact in facts:
            known = apply(known, fact, self.now)
        self.runs.runs[run] = (known, version)
        return known

    async def _send(self, message: NotifyMessage, delay: float) -> None:
        self.sent.append((message, delay))

    @property
    def notes(self) -> list[str | None]:
        return [entry.note for entry in self.runs.runs[self.run.id][0].timeline[2:]]


def first(run: Run) -> NotifyMessage:
    return NotifyMessage(run.id, run.announcing[0])


@pytest.mark.parametrize(
    ("on", "is_told"), [(None, True), (["canceled"], True), (["succeeded", "failed", "held"], False)]
)
async def test_everybody_is_told_in_the_queue_and_the_address_of_what_its_workflow_names(
    on: list[str] | None, is_told: bool
) -> None:
    run = canceled(**({"on": on} if on else {}))
    events: list[str] = []
    asked: list[NotifyMessage] = []

    async def event(text: str) -> None:
        events.append(text)

    async def notify(message: NotifyMessage, delay: float) -> None:
        asked.append(message)

    await Announcer(event=event, notify=notify).tell(run)

    assert [json.loads(text) for text in events] == [
        {
            "v": 1,
            "event": f"{run.id}-1",
            "run": run.id,
            "workflow": "churn",
            "status": "canceled",
            "entity": "CustomerValue",
            "snapshot": None,
            "at": "2026-11-21T12:00:00.000Z",
        }
    ]
    assert asked == ([NotifyMessage(run.id, 1)] if is_told else [])


def test_an_event_has_no_member_that_the_functions_host_takes_for_its_own() -> None:
    run = canceled()
    own = {"id", "dequeuecount", "insertiontime", "expirationtime", "nextvisibletime", "popreceipt", "queuetrigger"}

    assert not {name.lower() for name in json.loads(run_event(run, 1))} & own


def test_a_notification_holds_the_run_as_the_api_gives_it() -> None:
    run = canceled()

    body = json.loads(notification(run, 1))

    assert body.pop("run") == json.loads(json.dumps(render_run(run)))
    assert body == {
        "v": 1,
        "id": f"{run.id}-1",
        "type": "run.canceled",
        "workflow": "churn",
        "at": "2026-11-21T12:00:00.000Z",
    }


def test_the_signature_is_of_time_and_body() -> None:
    headers = signed(b'{"v":1}', SECRET, NOON)

    digest = hmac.new(b"s3cret", b'1795262400.{"v":1}', hashlib.sha256).hexdigest()
    assert headers == {"x-bridge-timestamp": "1795262400", "x-bridge-signature": f"v1={digest}"}
    assert signed(b'{"v":2}', SECRET, NOON) != headers


async def test_a_success_ends_it_and_leaves_nothing() -> None:
    desk = Desk(canceled())

    await desk.deliver(first(desk.run))

    [(url, headers, body)] = desk.receiver.got
    assert (url, headers["x-bridge-delivery"]) == (NOTIFY["url"], f"{desk.run.id}-1")
    assert signed(body, SECRET, NOON).items() <= dict(headers).items()
    assert (desk.sent, desk.notes, await desk.poison.list()) == ([], [], [])


async def test_a_failure_is_tried_again_later_and_later_under_the_same_id_until_it_is_given_up() -> None:
    desk = Desk(canceled(), Receiver([NotificationFailed("hooks.contoso.com answered 500")] * 20))
    message, delays = first(desk.run), []

    while True:
        await desk.deliver(message)
        if not desk.sent:
            break
        message, delay = desk.sent.pop()
        delays.append(timedelta(seconds=delay))
        desk.now += delays[-1]

    assert delays == list(DELAYS)
    assert sorted(delays) == delays
    assert (delays[0], delays[-1]) == (timedelta(seconds=10), timedelta(hours=1))
    assert {headers["x-bridge-delivery"] for _, headers, _ in desk.receiver.got} == {f"{desk.run.id}-1"}
    assert [headers["x-bridge-attempt"] for _, headers, _ in desk.receiver.got] == [str(n) for n in range(1, 11)]
    [note] = desk.notes
    assert note is not None
    assert "run.canceled was given up: tried 10 times, and hooks.contoso.com answered 500" in note
    [poison] = await desk.poison.list()
    assert (poison.queue, poison.body) == (NOTIFY_QUEUE, first(desk.run).text())
    assert poison.cause is not None
    assert poison.cause.code == "NotificationFailed"
    assert poison.id == poison_id(NOTIFY_QUEUE, first(desk.run).text())


async def test_nothing_is_tried_for_more_than_a_day() -> None:
    desk = Desk(canceled(), Receiver([NotificationFailed("away")]))
    desk.now = NOON + timedelta(hours=24)

    await desk.deliver(replace(first(desk.run), attempt=3, since=NOON))

    assert (desk.sent, len(desk.notes)) == ([], 1)


async def test_a_receiver_that_is_gone_is_not_asked_again() -> None:
    desk = Desk(canceled(), Receiver([NotificationFailed("answered 410", is_final=True)]))

    await desk.deliver(first(desk.run))

    assert (desk.sent, len(desk.notes)) == ([], 1)


async def test_without_its_secret_nothing_is_sent_and_the_setting_is_named() -> None:
    desk = Desk(canceled(), secrets={"OTHER": SECRET})

    await desk.deliver(replace(first(desk.run), attempt=10, since=NOON))

    assert desk.receiver.got == []
    assert "the app setting NOTIFY_CHURN has no usable value" in (desk.notes[0] or "")


@pytest.mark.parametrize("message", [NotifyMessage("brg-x-20261121T120000-aaaaaa", 1), NotifyMessage("", 7)])
async def test_a_run_or_a_place_that_is_not_there_is_told_to_nobody(message: NotifyMessage) -> None:
    desk = Desk(canceled())

    await desk.deliver(message if message.run else replace(message, run=desk.run.id))

    assert (desk.receiver.got, desk.sent) == ([], [])


async def test_what_is_noted_moves_neither_a_run_nor_its_times_and_is_noted_once() -> None:
    desk = Desk(canceled(), Receiver([NotificationFailed("gone", is_final=True)] * 2))

    await desk.deliver(first(desk.run))
    await desk.deliver(first(desk.run))

    noted = desk.runs.runs[desk.run.id][0]
    assert len(desk.notes) == 1
    assert (noted.status, noted.updated_at, noted.entered_at) == (RunStatus.CANCELED, NOON, NOON)


def test_a_note_on_a_held_run_does_not_lengthen_its_week() -> None:
    run = canceled().with_status(RunStatus.HELD, NOON)
    noted = apply(run, Noted("not told"), NOON + timedelta(days=6))

    assert noted.entered_at == NOON
    assert apply(noted, TimePassed(timedelta()), NOON + HELD_FOR).status is RunStatus.CANCELED


def test_each_end_and_each_hold_is_news() -> None:
    run = replace(canceled(), status=RunStatus.IMPORTING, announcing=(), timeline=())

    moved = run
    for status in (RunStatus.HELD, RunStatus.PUBLISHING, RunStatus.HELD, RunStatus.PUBLISHING, RunStatus.SUCCEEDED):
        moved = moved.with_status(status, NOON)

    assert moved.announcing == (0, 2, 4)
    assert not moved.is_settled
