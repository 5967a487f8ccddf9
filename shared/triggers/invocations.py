"""One call of a function, as telemetry sees it: its span, in the trace that the host or the message names.

The host hands its own span over in the call's context, which the worker passes to a function that has a parameter
`context`. So a rim takes one, and hides it from the handler.
"""

import inspect
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import azure.functions as func

from shared.loading import at_first_use
from shared.signals import Attributes
from shared.tracing import Span, SpanKind, Values, carrying, received, span

with at_first_use():
    from shared import app


def start_telemetry() -> None:
    """Before a process's first span."""
    app.start_telemetry()


def takes_context(rim: Callable[..., Any], handler: Callable[..., Any]) -> None:
    """`rim` is called with the parameters of `handler`, and `context` beside them."""
    declared = inspect.signature(handler)
    context = inspect.Parameter("context", inspect.Parameter.KEYWORD_ONLY, annotation=func.Context)
    rim.__signature__ = declared.replace(parameters=[*declared.parameters.values(), context])  # type: ignore[attr-defined]
    rim.__annotations__ = {**handler.__annotations__, "context": func.Context}


@contextmanager
def invocation(
    name: str,
    trigger: str,
    context: func.Context | None,
    *,
    parent: str | None = None,
    trace: str | None = None,
    kind: SpanKind = SpanKind.INTERNAL,
    values: Values | None = None,
) -> Iterator[Span]:
    """The call as a span below the host's own. `trigger`: as OpenTelemetry calls it. `parent`: whose span it is where the host
    names none. `trace`: to which it belongs instead, with a link to the host's."""
    start_telemetry()
    with (
        received(_parent_of(context) or parent),
        carrying(trace),
        span(name, {Attributes.TRIGGER: trigger, **(values or {})}, kind=kind) as call,
    ):
        yield call


def _parent_of(context: func.Context | None) -> str | None:
    return context.trace_context.trace_parent or None if context is not None else None
