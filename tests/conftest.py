"""What every folder of tests may ask for: running processes, started at first use and shared by the session."""

import pytest
from hypothesis import settings

# A loaded machine is no failure of what is tested; pytest's own timeout holds.
settings.register_profile("bridge", deadline=None)
settings.load_profile("bridge")

pytest_plugins = [
    "tests.support.azurite",
    "tests.support.bridge",
    "tests.support.workshop",
    "tests.storage.accounts",
]

_LONG = ("stack", "infra", "upgrade", "openapi", "triggers", "telemetry", "devhost", "seed", "odata", "samples")
"""The folders whose tests wait for processes."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The long files first, so that no worker is at one of them when the others have ended. A file's tests stay together."""
    ranks = {folder: rank for rank, folder in enumerate(_LONG)}
    items.sort(key=lambda item: ranks.get(item.path.parent.name, len(ranks)))
