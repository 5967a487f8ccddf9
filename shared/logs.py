"""Log lines are events with fields: no payload, no key, no customer id."""

import logging


def log_event(logger: logging.Logger, event: str, level: int = logging.INFO, **fields: object) -> None:
    """`event name=value …`, in the order given; None is left out."""
    shown = "".join(f" {name}={_quoted(str(value))}" for name, value in fields.items() if value is not None)
    logger.log(level, "%s%s", event, shown)


def _quoted(text: str) -> str:
    return repr(text) if " " in text else text
