"""Spans and metrics as the rooms and edges tell them; nothing happens with them until a recorder is installed.

Off, a span costs a function call and carries on the trace that the host began, so that log lines and messages name it all
the same. `shared.telemetry` has the recorder, and is the only place that knows OpenTelemetry.

Source: W3C Trace Context, `traceparent`.
"""

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from contextvars import ContextVar, Token
from datetime import datetime
from enum import Enum
from typing import Protocol

from shared.signals import Attributes, Metric

type Value = str | int | float | bool
type Values = Mapping[Attributes, Value]
type Measurements = Iterable[tuple[float, Values]]
"""Values of a gauge, with their attributes."""

_TRACEPARENT = re.compile(r"[0-9a-f]{2}-(?!0{32})[0-9a-f]{32}-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}")
_NO_VALUES: Values = {}


class SpanKind(Enum):
    INTERNAL = "internal"
    CLIENT = "client"
    """A call to another service."""
    CONSUMER = "consumer"
    """A queue message is handled."""


class Span(Protocol):
    """What is under way. After its end nothing changes it."""

    @property
    def traceparent(self) -> str | None: ...

    def set(self, name: Attributes, value: Value | None) -> None:
        """None leaves it as it is."""

    def fail(self, code: str) -> None:
        """It went wrong; `code` names how, and is no text from outside."""

    def link(self, traceparent: str | None) -> None:
        """Something in another trace, or earlier in this one, has to do with it."""


class RecordedSpan(Span, Protocol):
    def end(self, at: datetime | None = None) -> None: ...


class Recorder(Protocol):
    """Where spans and metrics go. Must neither wait nor raise."""

    def start(
        self,
        name: str,
        kind: SpanKind,
        *,
        parent: str | None,
        links: Sequence[str],
        values: Values,
        at: datetime | None = None,
    ) -> RecordedSpan: ...

    def count(self, metric: Metric, amount: float, values: Values) -> None: ...

    def record(self, metric: Metric, value: float, values: Values) -> None: ...

    def observe(self, metric: Metric, measure: Callable[[], Measurements]) -> None: ...


class _Remote:
    """The span of another process, or none at all."""

    __slots__ = ("traceparent",)

    def __init__(self, traceparent: str | None = None) -> None:
        self.traceparent = traceparent

    def set(self, name: Attributes, value: Value | None) -> None:
        return

    def fail(self, code: str) -> None:
        return

    def link(self, traceparent: str | None) -> None:
        return


class _Off:
    """The span of a process that records none: whatever was current stays so."""

    __slots__ = ()

    def __enter__(self) -> Span:
        return _current.get()

    def __exit__(self, *raised: object) -> None:
        return


_OFF = _Off()
_current: ContextVar[Span] = ContextVar("span", default=_Remote())  # noqa: B039  # it has nothing that changes
_carried: ContextVar[str | None] = ContextVar("trace", default=None)
_recorder: Recorder | None = None


def install(recorder: Recorder | None) -> None:
    """Once a process, before its first span; None for none."""
    global _recorder  # noqa: PLW0603  # one a process, as OpenTelemetry's own is
    _recorder = recorder


def is_on() -> bool:
    """Whether anything is recorded: what is measured for a metric alone need not be measured otherwise."""
    return _recorder is not None


def current() -> Span:
    """The innermost span, to give it attributes."""
    return _current.get()


def span(
    name: str, values: Values = _NO_VALUES, *, kind: SpanKind = SpanKind.INTERNAL
) -> AbstractContextManager[Span, None]:
    """`with span(...)`: what is done in it. An error that leaves it is told by its code or its type, never by its text."""
    return _OFF if _recorder is None else _Recording(_recorder, name, kind, values)


def tell(name: str, values: Values, began: datetime, ended: datetime, *, parent: str | None) -> None:
    """A span of what was noticed only at its end, as the time in a queue."""
    if _recorder is not None:
        above = parent if is_traceparent(parent) else None
        _recorder.start(name, SpanKind.INTERNAL, parent=above, links=(), values=values, at=began).end(ended)


def count(metric: Metric, values: Values = _NO_VALUES, amount: float = 1) -> None:
    if _recorder is not None:
        _recorder.count(metric, amount, values)


def record(metric: Metric, value: float, values: Values = _NO_VALUES) -> None:
    if _recorder is not None:
        _recorder.record(metric, value, values)


def observe(metric: Metric, measure: Callable[[], Measurements]) -> None:
    """`measure` is asked whenever metrics go out, in a thread of its own."""
    if _recorder is not None:
        _recorder.observe(metric, measure)


@contextmanager
def received(traceparent: str | None) -> Iterator[None]:
    """What follows goes on in a trace that somebody else began; what is no traceparent counts as none."""
    token = _current.set(_Remote(traceparent if is_traceparent(traceparent) else None))
    try:
        yield
    finally:
        _current.reset(token)


@contextmanager
def carrying(trace: str | None) -> Iterator[None]:
    """What follows belongs to this trace, as the steps of a run do whatever woke them: spans begin in it, with a link to what
    is current, and messages name it. None: to none but the current one."""
    token = _carried.set(trace if is_traceparent(trace) else None)
    try:
        yield
    finally:
        _carried.reset(token)


def carried() -> str | None:
    """For a message to name."""
    return _carried.get()


def trace_id() -> str | None:
    """Of what is being done, for log lines."""
    traceparent = _carried.get() or _current.get().traceparent
    return trace_of(traceparent) if traceparent else None


def is_traceparent(text: str | None) -> bool:
    return text is not None and _TRACEPARENT.fullmatch(text) is not None


def trace_of(traceparent: str) -> str:
    """Its trace id."""
    return traceparent[3:35]


def _parent() -> tuple[str | None, Sequence[str]]:
    """Of a span that begins now, and what it links to."""
    here, carried = _current.get().traceparent, _carried.get()
    if carried is None or (here is not None and trace_of(here) == trace_of(carried)):
        return here, ()
    return carried, (here,) if here is not None else ()


class _Recording:
    __slots__ = ("_kind", "_name", "_recorder", "_span", "_token", "_values")

    def __init__(self, recorder: Recorder, name: str, kind: SpanKind, values: Values) -> None:
        self._recorder = recorder
        self._name = name
        self._kind = kind
        self._values = values

    def __enter__(self) -> Span:
        parent, links = _parent()
        self._span = self._recorder.start(self._name, self._kind, parent=parent, links=links, values=self._values)
        self._token: Token[Span] = _current.set(self._span)
        return self._span

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, traceback: object) -> None:
        if error is not None:
            self._span.fail(_code_of(error))
        _current.reset(self._token)
        self._span.end()


def _code_of(error: BaseException) -> str:
    """Of an error of ours its code, of any other its type."""
    code = getattr(error, "code", None)
    return code if isinstance(code, str) else type(error).__name__
