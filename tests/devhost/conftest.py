from collections.abc import Iterator

import pytest

from tests.devhost import running


@pytest.fixture(scope="session")
def storage() -> Iterator[str]:
    """The connection string of an Azurite of these tests' own."""
    with running.azurite() as connection:
        yield connection
