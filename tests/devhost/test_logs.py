"""The console: categories, levels and the one format."""

import io
import logging
from collections.abc import Iterator

import pytest

from devhost.logs import Category, Line


@pytest.fixture
def console() -> Iterator[tuple[logging.Handler, io.StringIO]]:
    stream = io.StringIO()
    handler = logging.StreamHandler(stream)
    handler.setFormatter(Line())
    yield handler, stream
    handler.close()


def record(name: str, level: int) -> logging.LogRecord:
    return logging.LogRecord(name, level, "", 0, "text", None, None)


LEVELS = {"default": "Warning", "Function": "Information", "Function.noisy": "Error", "Host.Results": "None"}


@pytest.mark.parametrize(
    ("name", "level", "shown"),
    [
        ("Function.quiet", logging.INFO, True),
        ("Function.noisy", logging.WARNING, False),
        ("Function.noisy", logging.ERROR, True),
        ("Function.noisyneighbour", logging.INFO, True),
        ("Host.Startup", logging.INFO, False),
        ("Host.Startup", logging.WARNING, True),
        ("Host.Results", logging.CRITICAL, False),
        ("some.library", logging.INFO, False),
    ],
)
def test_the_longest_category_of_host_json_sets_the_level(name: str, level: int, shown: bool) -> None:
    assert bool(Category(LEVELS, {}, logging.NOTSET).filter(record(name, level))) is shown


def test_quiet_is_warnings_whatever_host_json_says() -> None:
    quiet = Category({"default": "Information"}, {}, logging.WARNING)

    assert not quiet.filter(record("Function.x", logging.INFO))
    assert quiet.filter(record("Function.x", logging.WARNING))


def test_a_line_has_time_level_category_and_text(console: tuple[logging.Handler, io.StringIO]) -> None:
    handler, stream = console
    handler.addFilter(Category({}, {}, logging.NOTSET))
    line = record("Host.Startup", logging.ERROR)
    line.created, line.msecs = 1_700_000_000.25, 250

    handler.handle(line)

    assert stream.getvalue() == "22:13:20.250Z fail Host.Startup: text\n"
