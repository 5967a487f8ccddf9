"""The seam: what is a span's parent, what is carried where, and what happens while nothing is installed."""

import asyncio
import logging
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared import tracing
from shared.errors import NotFound
from shared.logs import bound, log_event
from shared.signals import SCORING_CALLS, SCORING_WINDOW, Attributes
from shared.tracing import Measurements, carried, carrying, received, span, trace_id
from tests.telemetry.fakes import MemoryRecorder

HOST = f"00-{'a' * 32}-{'1' * 16}-01"
RUN = f"00-{'b' * 32}-{'2' * 16}-01"
NOON = datetime(2026, 11, 21, 12, tzinfo=UTC)
logger = logging.getLogger("bridge.test")


def test_a_span_belongs_below_the_one_around_it(recorder: MemoryRecorder) -> None:
    with received(HOST), span("outer"), span("inner"):
        pass

    outer, inner = recorder.spans
    assert (outer.parent, inner.parent) == (HOST, outer.traceparent)
    assert (outer.ended, inner.ended) == (1, 1)


def test_after_a_span_the_one_around_it_is_current_again(recorder: MemoryRecorder) -> None:
    with span("outer") as outer:
        with span("inner"):
            pass
        assert tracing.current() is outer


async def test_tasks_begin_below_the_span_that_made_them(recorder: MemoryRecorder) -> None:
    async def work() -> None:
        with span("work"):
            await asyncio.sleep(0)

    with span("batch") as batch:
        async with asyncio.TaskGroup() as group:
            group.create_task(work())
            group.create_task(work())

    assert [made.parent for made in recorder.spans[1:]] == [batch.traceparent] * 2


def test_what_belongs_to_another_trace_begins_there_with_a_link_to_what_woke_it(recorder: MemoryRecorder) -> None:
    with received(HOST), carrying(RUN), span("step"), span("call"):
        pass

    step, call = recorder.spans
    assert (step.parent, step.links) == (RUN, [HOST])
    assert (call.parent, call.links) == (step.traceparent, [])


@pytest.mark.parametrize(
    "text", [None, "", "x", f"00-{'0' * 32}-{'1' * 16}-01", f"00-{'a' * 32}-{'0' * 16}-01", HOST[1:]]
)
def test_what_is_no_traceparent_counts_as_none(recorder: MemoryRecorder, text: str | None) -> None:
    with received(text), carrying(text), span("first"):
        assert carried() is None

    assert recorder.spans[0].parent is None


@given(st.text())
def test_no_text_breaks_the_reading_of_a_trace(text: str) -> None:
    with received(text), carrying(text):
        assert trace_id() is None or tracing.is_traceparent(text)


@pytest.mark.parametrize(
    ("error", "told"),
    [(NotFound("a secret"), "NotFound"), (ValueError("a secret"), "ValueError")],
    ids=["ours", "other"],
)
def test_an_error_is_told_by_its_code_and_never_by_its_text(
    recorder: MemoryRecorder, error: Exception, told: str
) -> None:
    with pytest.raises(type(error)), span("failing"):
        raise error

    assert (recorder.spans[0].error, recorder.spans[0].ended) == (told, 1)
    assert "secret" not in repr(recorder.spans)


def test_what_was_noticed_at_its_end_has_the_parent_it_is_given(recorder: MemoryRecorder) -> None:
    with received(HOST):
        tracing.tell("waited", {}, NOON, NOON, parent=RUN)

    assert (recorder.spans[0].parent, recorder.spans[0].ended) == (RUN, 1)


# Off


def test_off_the_hosts_trace_goes_on_unchanged() -> None:
    with received(HOST), span("outer") as outer, span("inner") as inner:
        outer.set(Attributes.RUN, "r")
        inner.fail("code")
        assert (outer.traceparent, inner.traceparent) == (HOST, HOST)
        assert trace_id() == "a" * 32


def test_off_nothing_is_measured() -> None:
    def measure() -> Measurements:
        raise AssertionError("nobody asks")

    tracing.observe(SCORING_WINDOW, measure)
    tracing.count(SCORING_CALLS)
    tracing.record(SCORING_CALLS, 1)
    tracing.tell("waited", {}, NOON, NOON, parent=None)

    assert not tracing.is_on()


def test_off_an_error_goes_through() -> None:
    with pytest.raises(ValueError, match="this one"), span("failing"):
        raise ValueError("this one")


# Log lines


def test_a_line_names_what_it_was_said_in(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    with received(HOST), bound(request="r-1", run=None):
        log_event(logger, "part_imported", part=3, records=None)
        with carrying(RUN), bound(run="brg-1"):
            log_event(logger, "step_failed", run="brg-2")

    assert caplog.messages == [
        f"part_imported part=3 request=r-1 trace={'a' * 32}",
        f"step_failed run=brg-2 request=r-1 trace={'b' * 32}",
    ]


def test_outside_of_everything_a_line_has_its_own_fields_alone(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    log_event(logger, "swept", what="two words")

    assert caplog.messages == ["swept what='two words'"]
