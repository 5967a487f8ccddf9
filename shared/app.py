"""The composition root: everything a trigger calls, built once a process at first use, and handed in.

The only maker of clients. SDKs are imported where they are first needed, so that a cold start pays for none of them.
"""

import logging
import os
from functools import lru_cache

from shared.services.skills import SkillServices
from shared.services.workflows import WorkflowServices

VERSION = "0.1.0"


class Services(SkillServices, WorkflowServices):
    """What the triggers call."""


@lru_cache(maxsize=1)
def get_services() -> Services:
    """The process's services. Raises ConfigurationError."""
    # The SDKs log the address of every request, which names rows.
    logging.getLogger("azure").setLevel(logging.WARNING)
    return Services(os.environ)
