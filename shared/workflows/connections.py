"""A connection: a display name, a tenant, a workspace, and somebody's consent that data may leave for it."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from shared.times import rfc3339

CONSENT_VERSION = "2026-12-01"
CONSENT_TEXT = (
    "Data is transferred between this app's storage and the Azure Machine Learning workspace named in the connection, in "
    "that workspace's region. Whoever agrees confirms that the workspace, its compute and its storage process this data in "
    "the manner and at the place that the laws and rules for it demand; that remains their organization's duty."
)


@dataclass(frozen=True, slots=True)
class Consent:
    """Who agreed, when, and to which text."""

    by: str
    """The signed-in principal, or the name of the key that was used."""
    at: datetime
    version: str


@dataclass(frozen=True, slots=True)
class Connection:
    name: str
    tenant: str
    workspace: str
    """The canonical ARM id."""
    location: str
    consent: Consent
    etag: str
    version: str = ""
    """The store's mark for a conditional write."""

    def render(self) -> dict[str, Any]:
        return {
            "name": self.name,
            "tenant": self.tenant,
            "workspace": self.workspace,
            "location": self.location,
            "consent": True,
            "consentGiven": {
                "by": self.consent.by,
                "at": rfc3339(self.consent.at),
                "version": self.consent.version,
            },
        }


def render_consent() -> dict[str, str]:
    """What `GET /api/consent` answers."""
    return {"version": CONSENT_VERSION, "text": CONSENT_TEXT}


def names(connections: Sequence[Connection]) -> list[str]:
    return [connection.name for connection in connections]
