"""The composition root: everything a trigger calls, built once a process at first use, and handed in.

The only maker of clients. SDKs are imported where they are first needed, so that a cold start pays for none of them.
"""

import logging
import os
from collections.abc import Mapping
from functools import lru_cache
from typing import Any
from uuid import uuid4

from shared import tracing
from shared.errors import ConfigurationError
from shared.logs import log_event
from shared.services.doctor import DoctorServices
from shared.services.operations import OperationServices
from shared.services.ownership import OwnershipServices

VERSION = "0.1.0"


class Services(DoctorServices, OperationServices, OwnershipServices):
    """What the triggers call."""


@lru_cache(maxsize=1)
def start_telemetry() -> None:
    """Before the process's first span. Where no exporter is configured, nothing of OpenTelemetry is loaded."""
    from shared.settings import Settings

    try:
        settings = Settings.from_environment(os.environ)
    except ConfigurationError:
        return  # every function answers with it
    if not settings.has_telemetry:
        return
    try:
        from shared.telemetry.exporting import make_recorder
    except ImportError as error:  # a package that lacks it serves without
        log_event(logging.getLogger("bridge.telemetry"), "telemetry_lost", logging.ERROR, error=type(error).__name__)
        return
    tracing.install(make_recorder(settings, version=VERSION, instance=uuid4().hex[:12]))


@lru_cache(maxsize=1)
def get_services() -> Services:
    """The process's services. Raises ConfigurationError."""
    # The SDKs log the address of every request, which names rows.
    logging.getLogger("azure").setLevel(logging.WARNING)
    return Services(os.environ)


async def examine(query: Mapping[str, str], address: str) -> dict[str, Any]:
    """The doctor's report, also where a setting cannot be used, and so there are no services. `address`: where the app
    was called. Raises BadRequest, NotFound for what the query asks."""
    from shared.services.doctor import examine

    report = await examine(os.environ, get_services, query, address)
    return report.render()
