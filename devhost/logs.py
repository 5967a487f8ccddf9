"""One console format for the host, the functions and the libraries, and the levels of host.json."""

import logging
import sys
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import TextIO

from azure_functions_runtime import invocation_id_cv

LEVELS = {
    "trace": logging.DEBUG,
    "debug": logging.DEBUG,
    "information": logging.INFO,
    "warning": logging.WARNING,
    "error": logging.ERROR,
    "critical": logging.CRITICAL,
    "none": logging.CRITICAL + 1,
}
MARKS = {
    logging.DEBUG: "dbug",
    logging.WARNING: "warn",
    logging.ERROR: "fail",
    logging.CRITICAL: "crit",
}
# Loggers of ours bear their Azure category; anything else is the app's or a library's.
OURS = ("Host.", "Function.")
# These tell every call at INFO: once a function call, and once a storage request.
CHATTY = ("azure.functions", "azure.core.pipeline.policies.http_logging_policy")


class Running(dict[str, str]):
    """Which function an invocation id belongs to, while it runs."""


class Category(logging.Filter):
    """Gives a record its Azure category and drops it below that category's level."""

    def __init__(self, levels: Mapping[str, str], running: Mapping[str, str], floor: int) -> None:
        super().__init__()
        self._levels = {name.lower(): LEVELS.get(level.lower(), logging.INFO) for name, level in levels.items()}
        self._running = running
        self._floor = floor

    def filter(self, record: logging.LogRecord) -> bool:
        invocation = invocation_id_cv.get()
        function = self._running.get(invocation or "")
        ours = record.name.startswith(OURS)
        category = f"Function.{function}.User" if function and not ours else record.name
        record.category = category
        record.invocation = f" [{invocation[:8]}]" if invocation and function else ""
        return record.levelno >= max(self._floor, self.level_of(category))

    def level_of(self, category: str) -> int:
        """Of the longest name in host.json that `category` begins with."""
        fitting = [name for name in self._levels if (category.lower() + ".").startswith(name + ".")]
        return self._levels[max(fitting, key=len)] if fitting else self._levels.get("default", logging.INFO)


class Line(logging.Formatter):
    def __init__(self) -> None:
        super().__init__("%(asctime)s.%(msecs)03dZ %(mark)s %(category)s%(invocation)s: %(message)s", "%H:%M:%S")

    def format(self, record: logging.LogRecord) -> str:
        record.mark = MARKS.get(record.levelno, "info")
        return super().format(record)

    def formatTime(self, record: logging.LogRecord, datefmt: str | None = None) -> str:  # noqa: N802
        return datetime.fromtimestamp(record.created, UTC).strftime(datefmt or "%H:%M:%S")


def configure(
    levels: Mapping[str, str],
    running: Mapping[str, str],
    *,
    quiet: bool,
    debug: bool = False,
    stream: TextIO | None = None,
) -> None:
    """The root handler, as the worker in Azure has it: INFO and above, or DEBUG if asked for."""
    handler = logging.StreamHandler(stream or sys.stderr)
    handler.setFormatter(Line())
    handler.addFilter(Category(levels, running, logging.WARNING if quiet else logging.NOTSET))
    root = logging.getLogger()
    root.addHandler(handler)
    root.setLevel(logging.DEBUG if debug else logging.INFO)
    for name in CHATTY:
        logging.getLogger(name).setLevel(logging.WARNING)
    for prefix in ("Host", "Function"):  # host.json may ask for these below INFO
        if any(LEVELS.get(level.lower()) == logging.DEBUG for level in levels.values()):
            logging.getLogger(prefix).setLevel(logging.DEBUG)
    logging.getLogger("uvicorn").setLevel(logging.WARNING)
