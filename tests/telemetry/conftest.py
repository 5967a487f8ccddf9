"""What the tests of the seam share."""

from collections.abc import Iterator

import pytest

from shared import tracing
from tests.telemetry.fakes import MemoryRecorder


@pytest.fixture
def recorder() -> Iterator[MemoryRecorder]:
    made = MemoryRecorder()
    tracing.install(made)
    try:
        yield made
    finally:
        tracing.install(None)
