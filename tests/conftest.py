"""What every folder of tests may ask for: running processes, started at first use and shared by the session."""

pytest_plugins = ["tests.support.azurite", "tests.support.bridge"]
