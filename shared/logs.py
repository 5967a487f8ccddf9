"""Log lines are events with fields: no payload, no key, no customer id."""

import logging


def log_event(logger: logging.Logger, event: str, level: int = logging.INFO, **fields: object) -> None:
    """`event name=value …`, in the order given; None is left out."""
    shown = "".join(f" {name}={_quoted(str(value))}" for name, value in fields.items() if value is not None)
    logger.log(level, "%s%s", event, shown)


def place_of(error: BaseException) -> str:
    """Where it was raised: file and line, no values."""
    traceback = error.__traceback__
    while traceback is not None and traceback.tb_next is not None:
        traceback = traceback.tb_next
    return f"{traceback.tb_frame.f_code.co_filename}:{traceback.tb_lineno}" if traceback else "unknown"


def _quoted(text: str) -> str:
    return repr(text) if " " in text else text
