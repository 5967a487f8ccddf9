"""What every folder of tests may ask for: running processes, started at first use and shared by the session."""

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
