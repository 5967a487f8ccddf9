"""What is a job? What was asked for, and how far it has come."""

import asyncio
from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any

from simulator.arm.models import Workspace
from simulator.jobs.plans import JobPlan


class Status(StrEnum):
    NOT_STARTED = "NotStarted"
    PREPARING = "Preparing"
    QUEUED = "Queued"
    RUNNING = "Running"
    NOT_RESPONDING = "NotResponding"
    FINALIZING = "Finalizing"
    CANCEL_REQUESTED = "CancelRequested"
    COMPLETED = "Completed"
    FAILED = "Failed"
    CANCELED = "Canceled"


TERMINAL = frozenset({Status.COMPLETED, Status.FAILED, Status.CANCELED})


@dataclass(frozen=True)
class Failure:
    """`step` is the node that failed, if it came that far."""

    message: str
    step: str | None = None


@dataclass
class Job:
    """`properties` as they were sent. `by` is how it came: a PUT of the job, or an endpoint's invocation."""

    workspace: Workspace
    name: str
    properties: dict[str, Any]
    by: str
    plan: JobPlan = field(default_factory=JobPlan)
    status: Status = Status.NOT_STARTED
    timeline: list[tuple[Status, datetime]] = field(default_factory=list)
    failure: Failure | None = None
    advanced: asyncio.Event = field(default_factory=asyncio.Event)
    task: "asyncio.Task[None] | None" = None

    @property
    def id(self) -> str:
        return f"{self.workspace.id}/jobs/{self.name}"

    @property
    def experiment(self) -> str:
        return str(self.properties.get("experimentName") or "Default")

    @property
    def is_over(self) -> bool:
        return self.status in TERMINAL

    def enter(self, status: Status) -> None:
        self.status = status
        self.timeline.append((status, datetime.now(UTC)))

    def since(self, status: Status) -> datetime | None:
        """When it first was in `status`."""
        return next((at for entered, at in self.timeline if entered == status), None)
