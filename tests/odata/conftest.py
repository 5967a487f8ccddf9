"""A data plane that asks for a reader key, with an entity that clients read whole."""

import json
from collections.abc import Iterator
from dataclasses import dataclass

import pytest

from tests.devhost.running import Host, hosting
from tests.odata.orders import ENTITY, parquet
from tests.support.bridge import JSON, ROOT, settings
from tests.support.entities import publish_files

_HOST_KEY = "sentinel-host-key"


@dataclass(frozen=True)
class Guarded:
    host: Host
    key: str
    """A reader's."""

    @property
    def root(self) -> str:
        return f"http://127.0.0.1:{self.host.port}/api/data"


@pytest.fixture(scope="session")
def guarded(azurite: str, simulated: str) -> Iterator[Guarded]:
    publish_files(azurite, ENTITY, {"out.parquet": parquet()}, primary="order")
    with hosting(ROOT, **settings(azurite, simulated), BRIDGE_AUTH="on", BRIDGE_KEY=_HOST_KEY) as host:
        body = json.dumps({"name": "odata-clients"}).encode()
        made = host.call("POST", "/api/reader-keys", body, {**JSON, "x-functions-key": _HOST_KEY})
        assert made.status == 201, made.body
        yield Guarded(host, str(made.json["key"]))
