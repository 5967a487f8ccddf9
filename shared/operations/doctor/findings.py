"""What does a check find? One line of the report: its name, whom it is about, how it stands, and what mends it."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any


class Status(StrEnum):
    OK = "ok"
    WARNING = "warning"
    """It works, and somebody should look."""
    FAILED = "failed"
    SKIPPED = "skipped"
    """Not looked at: what it needs failed, or it does not apply."""


class Group(StrEnum):
    """The subjects, in the order of the report; what `?only=` chooses from."""

    SETTINGS = "settings"
    IDENTITY = "identity"
    STORAGE = "storage"
    QUEUES = "queues"
    TIMERS = "timers"
    CONNECTIONS = "connections"
    WORKFLOWS = "workflows"
    SKILLS = "skills"


class Check(StrEnum):
    """Every check there is, by its subject. `docs/doctor.md` explains each."""

    SETTING_VALUE = "settings.value"
    SETTING_CONFLICT = "settings.conflict"

    IDENTITY_MANAGEMENT = "identity.management"
    IDENTITY_MACHINE_LEARNING = "identity.machineLearning"
    IDENTITY_STORAGE = "identity.storage"

    STORAGE_READ = "storage.read"
    STORAGE_WRITE = "storage.write"
    STORAGE_OWNER = "storage.owner"

    QUEUE_EXISTS = "queues.exists"
    QUEUE_DEPTH = "queues.depth"
    QUEUE_POISON = "queues.poison"

    TIMER_TICK = "timers.scheduleTick"
    TIMER_SWEEP = "timers.sweep"

    CONNECTION_STORED = "connections.stored"
    CONNECTION_WORKSPACE = "connections.workspace"
    CONNECTION_LEGACY = "connections.v1Legacy"
    CONNECTION_TENANT = "connections.tenant"
    CONNECTION_LOCATION = "connections.location"
    CONNECTION_CONSENT = "connections.consent"
    CONNECTION_NETWORK = "connections.network"
    CONNECTION_RIGHT = "connections.right"
    CONNECTION_PIPELINES = "connections.pipelines"
    CONNECTION_DATASTORES = "connections.datastores"

    WORKFLOW_STORED = "workflows.stored"
    WORKFLOW_PIPELINE = "workflows.pipeline"
    WORKFLOW_DATASTORE = "workflows.datastore"
    WORKFLOW_OUTPUT = "workflows.output"
    WORKFLOW_DATA = "workflows.requiredData"
    WORKFLOW_ENTITY = "workflows.entity"
    WORKFLOW_RUN = "workflows.lastRun"
    WORKFLOW_NOTIFY = "workflows.notify"

    SKILL_STORED = "skills.stored"
    SKILL_ADDRESS = "skills.address"
    SKILL_KEY = "skills.key"
    SKILL_ENDPOINT = "skills.endpoint"
    SKILL_ANSWER = "skills.answer"
    SKILL_RIGHT = "skills.right"
    SKILL_DEPLOYMENT = "skills.deployment"
    SKILL_CAPACITY = "skills.capacity"
    SKILL_BATCH = "skills.batchSize"

    @property
    def group(self) -> Group:
        return Group(self.partition(".")[0])


@dataclass(frozen=True, slots=True)
class Finding:
    check: Check
    subject: str
    """A connection's, workflow's or skill's name, a setting, a queue; with what of it, after a colon."""
    status: Status
    message: str
    cure: str | None = None
    command: str | None = None
    """For a shell: it mends what failed, or shows what to mend."""

    def render(self) -> dict[str, str]:
        found = {
            "name": str(self.check),
            "subject": self.subject,
            "status": str(self.status),
            "message": self.message,
        }
        return (
            found
            | ({} if self.cure is None else {"cure": self.cure})
            | ({} if self.command is None else {"command": self.command})
        )


def ok(check: Check, subject: str, message: str) -> Finding:
    return Finding(check, subject, Status.OK, message)


def warning(check: Check, subject: str, message: str, cure: str, command: str | None = None) -> Finding:
    return Finding(check, subject, Status.WARNING, message, cure, command)


def failed(check: Check, subject: str, message: str, cure: str, command: str) -> Finding:
    """No failure without its command."""
    return Finding(check, subject, Status.FAILED, message, cure, command)


def skipped(check: Check, subject: str, message: str) -> Finding:
    return Finding(check, subject, Status.SKIPPED, message)


def skipped_all(checks: Sequence[Check], subject: str, message: str) -> list[Finding]:
    return [skipped(check, subject, message) for check in checks]


@dataclass(frozen=True, slots=True)
class Report:
    """What `GET /api/doctor` answers."""

    findings: Sequence[Finding]
    seconds: float

    @property
    def status(self) -> Status:
        """The worst there is. What was skipped says nothing by itself: why it was stands beside it."""
        found = {finding.status for finding in self.findings}
        return next((status for status in (Status.FAILED, Status.WARNING) if status in found), Status.OK)

    def render(self) -> dict[str, Any]:
        return {
            "status": str(self.status),
            "checks": [finding.render() for finding in _in_order(self.findings)],
            "durationMs": round(self.seconds * 1000),
        }


def _in_order(findings: Collection[Finding]) -> list[Finding]:
    """By group; within one, the subjects together, each in the order in which it was looked at."""
    groups = list(Group)
    return sorted(findings, key=lambda finding: groups.index(finding.check.group))
