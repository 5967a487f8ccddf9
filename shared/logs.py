"""Log lines are events with fields: no payload, no key, no customer id.

Beside the fields that it is given, each names what it was said in: the request, the run and the trace, where there are.
"""

import logging
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

from shared.tracing import trace_id

_bound: ContextVar[Mapping[str, object]] = ContextVar("bound", default={})  # noqa: B039  # never changed, only replaced


@contextmanager
def bound(**fields: object) -> Iterator[None]:
    """Each line that is logged in it has these fields too."""
    token = _bound.set({**_bound.get(), **fields})
    try:
        yield
    finally:
        _bound.reset(token)


def log_event(logger: logging.Logger, event: str, level: int = logging.INFO, **fields: object) -> None:
    """`event name=value …`, in the order given, then what is bound, then the trace; None is left out."""
    if not logger.isEnabledFor(level):
        return
    told: dict[str, Any] = {**fields, **{name: value for name, value in _bound.get().items() if name not in fields}}
    shown = "".join(f" {name}={_quoted(str(value))}" for name, value in told.items() if value is not None)
    trace = trace_id()
    logger.log(level, "%s%s%s", event, shown, f" trace={trace}" if trace else "")


def place_of(error: BaseException) -> str:
    """Where it was raised: file and line, no values."""
    traceback = error.__traceback__
    while traceback is not None and traceback.tb_next is not None:
        traceback = traceback.tb_next
    return f"{traceback.tb_frame.f_code.co_filename}:{traceback.tb_lineno}" if traceback else "unknown"


def _quoted(text: str) -> str:
    return repr(text) if " " in text else text
