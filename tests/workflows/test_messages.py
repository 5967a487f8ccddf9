"""Queue messages, from anybody and in any wrapping."""

import base64
import json
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.errors import BadRequest, NewerVersion, OlderVersion
from shared.workflows.messages import (
    JobHint,
    NotifyMessage,
    PartMessage,
    RefreshMessage,
    WhenActive,
    advance_message,
    part_message,
    read_advance,
    read_events,
    read_notify,
    read_part,
    read_refresh,
    read_trace,
)

KNOWN = frozenset({"churn", "churns", "abcd", "y2h1cm4x"})


def encoded(text: str, encoding: str = "utf-8") -> str:
    return base64.b64encode(text.encode(encoding)).decode()


QUEUED = RefreshMessage("churn", WhenActive.QUEUE)
READ = [
    ("churn", RefreshMessage("churn")),
    (" churn\r\n", RefreshMessage("churn")),
    ("\ufeffchurn", RefreshMessage("churn")),
    ("CHURN", RefreshMessage("CHURN")),
    (encoded("churn"), RefreshMessage("churn")),
    (encoded("\ufeffchurn\n"), RefreshMessage("churn")),
    ('{"workflow": "churn"}', RefreshMessage("churn")),
    ('{"workflow": "churn", "whenActive": null}', RefreshMessage("churn")),
    ('\ufeff\n{"workflow": "churn", "whenActive": "queue"}', QUEUED),
    (encoded('{"workflow": "churn", "whenActive": "queue"}'), QUEUED),
    (encoded('\ufeff{"workflow": "churn", "whenActive": "queue"}'), QUEUED),
    ("\n".join(encoded('{"workflow": "churn", "whenActive": "queue"}').partition("b")), QUEUED),
    # No padding: letters and digits alone, as in a name.
    (encoded('{"workflow":"churns"}'), RefreshMessage("churns")),
    # Valid Base64, and names.
    ("abcd", RefreshMessage("abcd")),
    ("Y2h1cm4x", RefreshMessage("Y2h1cm4x")),
    # A name that nobody has: whoever looks it up can say so.
    ("nobody", RefreshMessage("nobody")),
]


@pytest.mark.parametrize(("body", "message"), READ)
def test_a_refresh_is_read(body: str, message: RefreshMessage) -> None:
    assert read_refresh(body, KNOWN) == message


REFUSED = [
    ("", "not JSON"),
    ("two words", "not JSON"),
    ("9lives", "not JSON"),
    ("{", "not JSON"),
    ('{"workflow": NaN}', "not JSON"),
    ("[]", "no object"),
    ('["churn"]', "no object"),
    ("{}", "workflow is missing"),
    ('{"workflow": 5}', "workflow is missing"),
    ('{"workflow": "a b"}', "workflow is missing"),
    ('{"workflow": "churn", "when": 1}', "unknown member 'when'"),
    ('{"workflow": "churn", "whenActive": "later"}', "whenActive is one of return, queue, fail"),
    ('{"workflow": "churn", "whenActive": []}', "whenActive is one of"),
    (encoded("{"), "not JSON"),
    (base64.b64encode(b"\xff\xfe\x00").decode(), "not JSON"),
]


@pytest.mark.parametrize(("body", "cause"), REFUSED)
def test_nonsense_is_refused_with_its_cause(body: str, cause: str) -> None:
    with pytest.raises(BadRequest, match=cause.replace("[", r"\[")):
        read_refresh(body, KNOWN)


@given(st.text())
def test_any_text_is_a_message_or_a_bad_request(body: str) -> None:
    for read in (lambda text: read_refresh(text, KNOWN), read_events):
        try:
            read(body)
        except BadRequest as error:
            assert len(error.message) < 300  # noqa: PT017


EVENT_GRID = {
    "id": "1",
    "topic": "/subscriptions/s/workspaces/ws1",
    "subject": "experiments/e/runs/brg-1",
    "eventType": "Microsoft.MachineLearningServices.RunStatusChanged",
    "eventTime": "2026-11-21T03:10:00Z",
    "data": {"experimentName": "aml-bridge", "runId": "brg-1", "runStatus": "failed"},
    "dataVersion": "",
    "metadataVersion": "1",
}
CLOUD_EVENT = {
    "specversion": "1.0",
    "id": "2",
    "source": "/subscriptions/s/workspaces/ws1",
    "type": "Microsoft.MachineLearningServices.RunCompleted",
    "time": "2026-11-21T03:10:00Z",
    "data": {"experimentName": "aml-bridge", "runId": "brg-1"},
}


@pytest.mark.parametrize("event", [EVENT_GRID, CLOUD_EVENT], ids=["event-grid", "cloud-events"])
@pytest.mark.parametrize("in_array", [False, True])
@pytest.mark.parametrize("wrap", [str, encoded, lambda text: "\ufeff" + text, lambda text: encoded("\ufeff" + text)])
def test_an_event_is_a_hint(event: dict[str, Any], in_array: bool, wrap: Any) -> None:
    assert read_events(wrap(json.dumps([event] if in_array else event))) == [JobHint("brg-1")]


@pytest.mark.parametrize("data", [{}, {"runId": 5}, {"runId": ""}, None, "text", {"modelName": "m"}])
def test_an_event_about_something_else_is_no_hint(data: Any) -> None:
    assert read_events(json.dumps([{**EVENT_GRID, "data": data}, CLOUD_EVENT])) == [JobHint("brg-1")]


@pytest.mark.parametrize("body", ["", "churn", "5", '"text"', "[5]", "[[]]", "null", "{", encoded("churn"), "%%%"])
def test_what_is_no_event_is_refused(body: str) -> None:
    with pytest.raises(BadRequest, match="the message is"):
        read_events(body)


# Our own


RUN = "brg-churn-20261121T120000-abcdef"
HOSTS_OWN = {"id", "insertionTime", "expirationTime", "popReceipt", "nextVisibleTime", "dequeueCount", "queueTrigger"}


def test_what_is_sent_is_read() -> None:
    assert read_advance(advance_message(RUN)) == RUN
    assert read_part(part_message(RUN, 7)) == PartMessage(RUN, 7)


TRACE = f"00-{'a' * 32}-{'1' * 16}-01"


@pytest.mark.parametrize("trace", [TRACE, None])
def test_a_message_names_the_trace_of_its_run_where_there_is_one(trace: str | None) -> None:
    for body in (advance_message(RUN, trace), part_message(RUN, 7, trace)):
        assert read_trace(body) == trace
    assert read_advance(advance_message(RUN, trace)) == RUN
    assert read_part(part_message(RUN, 7, trace)) == PartMessage(RUN, 7)


@pytest.mark.parametrize("body", ["", "churn", "[]", '{"traceparent": 7}', f'{{"v": 1, "run": "{RUN}"}}', "{"])
def test_what_names_no_trace_has_none(body: str) -> None:
    assert read_trace(body) is None


@pytest.mark.parametrize(
    "body", [advance_message(RUN, TRACE), part_message(RUN, 7, TRACE), NotifyMessage(RUN, 4).text(TRACE)]
)
def test_a_message_has_its_version_and_no_name_that_the_host_takes_for_its_own(body: str) -> None:
    document = json.loads(body)

    assert document["v"] == 1
    assert not {name.lower() for name in document} & {name.lower() for name in HOSTS_OWN}


@pytest.mark.parametrize("read", [read_advance, read_part, read_notify])
def test_a_message_of_the_release_before_is_read_and_a_newer_one_is_not_taken_for_a_broken_one(
    read: Callable[[str], object],
) -> None:
    body = '{"v": %s, "run": "r", "part": 0, "place": 3}'

    assert read(body % 0) == read(body % 1)
    with pytest.raises(NewerVersion, match="upgrade this app"):
        read('{"v": 2, "job": "its members are not known"}')
    with pytest.raises(OlderVersion, match="the release in between first"):
        read(body % -1)
    with pytest.raises(BadRequest, match="no number"):
        read(body % '"2"')


def test_a_request_may_say_its_version_and_a_newer_one_waits_for_who_knows_it() -> None:
    for version in (0, 1):
        assert read_refresh(f'{{"v": {version}, "workflow": "churn"}}', KNOWN) == RefreshMessage("churn")
    with pytest.raises(NewerVersion):
        read_refresh('{"v": 2, "workflow": "churn", "why": "x"}', KNOWN)
    with pytest.raises(BadRequest, match="no number"):
        read_refresh('{"v": "1", "workflow": "churn"}', KNOWN)


def test_an_attempt_at_a_notification_goes_through_the_queue_and_back() -> None:
    first = NotifyMessage(RUN, 4)
    later = NotifyMessage(RUN, 4, 3, datetime(2026, 11, 21, tzinfo=UTC))

    assert (read_notify(first.text()), read_notify(later.text())) == (first, later)


def test_members_that_a_later_release_adds_are_no_matter() -> None:
    assert read_advance(f'{{"v": 1, "run": "{RUN}", "why": "x"}}') == RUN
    assert read_part(f'{{"v": 1, "run": "{RUN}", "part": 0, "why": "x"}}') == PartMessage(RUN, 0)


REFUSED_OURS = [
    ("", "not JSON"),
    ("churn", "not JSON"),
    ("[]", "none of this app's"),
    ('"text"', "none of this app's"),
    ("{}", "none of this app's"),
    ('{"v": 1}', "none of this app's: it has not the members .*run"),
    ('{"v": "1", "run": "r", "part": 0}', "version is no number"),
    ('{"v": 1, "run": 5, "part": 0}', "the message's run is no text"),
    ('{"v": 1, "run": null, "part": 0}', "the message's run is no text"),
]
REFUSED_PARTS = [
    ('{"v": 1, "run": "r"}', "it has not the members part, run, v"),
    *(
        (f'{{"v": 1, "run": "r", "part": {part}}}', "part is no number")
        for part in ('"0"', "0.5", "true", "null", "[]")
    ),
]


@pytest.mark.parametrize(("body", "cause"), REFUSED_OURS)
def test_what_is_no_message_of_ours_is_refused(body: str, cause: str) -> None:
    for read in (read_advance, read_part):
        with pytest.raises(BadRequest, match=cause):
            read(body)


@pytest.mark.parametrize(("body", "cause"), REFUSED_PARTS)
def test_what_names_no_part_is_refused(body: str, cause: str) -> None:
    with pytest.raises(BadRequest, match=cause):
        read_part(body)
