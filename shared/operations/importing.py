"""An import: what it would change, and changing it, in the order skills, connections, workflows.

All of it is first done to copies in memory, by the catalogs that a PUT goes through: so every fault is found before anything
is written. What is there already as the document says is left alone: a second import changes nothing, and an import that died
half-way is finished by sending it again.
"""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any

from shared.conditions import Conditions
from shared.documents import without_nulls
from shared.errors import BridgeError, ErrorDetail
from shared.operations.configuration import Kind, Resource, Resources, Stored, definition_of, invalid
from shared.operations.differences import Change, changes
from shared.skills.catalog import SkillCatalog, StoredSkill
from shared.skills.definition import REDACTED
from shared.workflows.catalog import StoredWorkflow, WorkflowCatalog
from shared.workflows.connecting import ConnectionCatalog
from shared.workflows.connections import CONSENT_VERSION, Connection
from shared.workflows.definition import READ_ONLY, parse_workflow


class Action(StrEnum):
    CREATE = "create"
    UPDATE = "update"
    UNCHANGED = "unchanged"
    DELETE = "delete"


@dataclass(frozen=True, slots=True)
class Catalogs:
    """Through which resources are saved and deleted."""

    skills: SkillCatalog
    connections: ConnectionCatalog
    workflows: WorkflowCatalog


@dataclass(frozen=True, slots=True)
class Step:
    """What an import does to one resource."""

    kind: Kind
    name: str
    action: Action
    body: Mapping[str, Any] | None = None
    """What is put."""
    etag: str | None = None
    """Of what is replaced or deleted."""
    changes: tuple[Change, ...] = ()

    @property
    def place(self) -> str:
        return f"{self.kind}.{self.name[:100]}"

    def render(self) -> dict[str, Any]:
        shown = {"changes": [change.render() for change in self.changes]} if self.changes else {}
        return {"kind": self.kind.one, "name": self.name, "action": self.action, **shown}


def render_steps(steps: Sequence[Step], *, dry_run: bool) -> dict[str, Any]:
    """What `POST /api/import` answers."""
    counts = {action.value: sum(step.action is action for step in steps) for action in Action}
    return {"dryRun": dry_run, "counts": counts, "resources": [step.render() for step in steps]}


@dataclass(frozen=True, slots=True)
class Import:
    """Who imports, when, and whether what the document does not name goes."""

    by: str
    """Agrees to the consent of new connections."""
    now: datetime
    prune: bool = False


async def plan_import(resources: Resources, stored: Stored, planned: Catalogs, how: Import) -> Sequence[Step]:
    """The steps, in their order. `planned` works on copies of what is `stored`, and has the import in it afterwards.

    Raises InvalidConfiguration with every fault and its place; and what may pass: StorageUnavailable, WorkspaceUnavailable.
    """
    planning = _Planning(stored, planned, how)
    if how.prune:
        await planning.prune(Kind.WORKFLOWS, resources)
    for kind in (Kind.SKILLS, Kind.CONNECTIONS):
        for name, body in sorted(resources.get(kind, {}).items(), key=lambda item: item[0].lower()):
            await planning.put(kind, name, body)
    for name, body in _in_order(resources.get(Kind.WORKFLOWS, {}), stored.workflows):
        await planning.put(Kind.WORKFLOWS, name, body)
    if how.prune:
        await planning.prune(Kind.CONNECTIONS, resources)
        await planning.prune(Kind.SKILLS, resources)
    if planning.faults:
        raise invalid(planning.faults)
    return planning.steps


class _Planning:
    """One import's way through the copies."""

    def __init__(self, stored: Stored, planned: Catalogs, how: Import) -> None:
        self._stored = {kind: stored.of(kind) for kind in Kind}
        self._planned = planned
        self._how = how
        self._moved: dict[str, Connection] = {}
        """Connections as they will be, by name in lower case."""
        self._faulty: set[str] = set()
        """Connections that cannot be saved."""
        self.steps: list[Step] = []
        self.faults: list[ErrorDetail] = []

    async def put(self, kind: Kind, name: str, body: Mapping[str, Any]) -> None:
        former = self._stored[kind].get(name.lower())
        if former is not None and self._is_there(former, body):
            self.steps.append(Step(kind, former.name, Action.UNCHANGED))
            return
        if isinstance(former, StoredWorkflow) and self._keeps_its_pipeline(former, body):
            body = {**body, "pipelineVersion": former.pipeline_version}
        if kind is Kind.WORKFLOWS and str(body.get("connection")).lower() in self._faulty:
            self._check_alone(name, body)
            return
        try:
            saved = await _put(kind, name, body, self._planned, Conditions(), self._how)
        except BridgeError as error:
            if error.retryable:
                raise
            self._fail(kind, name, error)
            return
        if isinstance(saved, Connection):
            self._moved[name.lower()] = saved
        self.steps.append(_step(kind, former, saved, body))

    async def prune(self, kind: Kind, resources: Resources) -> None:
        """What the document does not name goes; of a kind that it does not speak of, nothing."""
        if kind not in resources:
            return
        named = {name.lower() for name in resources[kind]}
        for resource in [found for key, found in self._stored[kind].items() if key not in named]:
            try:
                await _delete(kind, resource.name, self._planned, Conditions())
            except BridgeError as error:
                if error.retryable:
                    raise
                self._fail(kind, resource.name, error)
            self.steps.append(Step(kind, resource.name, Action.DELETE, etag=resource.etag))

    def _is_there(self, former: Resource, body: Mapping[str, Any]) -> bool:
        """Nothing would be saved but what is there: it is left alone, and not checked again."""
        if isinstance(former, Connection):
            same = without_nulls(
                {**body, "tenant": _lower(body.get("tenant")), "workspace": _lower(body.get("workspace"))}
            )
            there = {"tenant": former.tenant.lower(), "workspace": former.workspace.lower(), "consent": True}
            return not changes(there, same) and former.consent.version == CONSENT_VERSION
        if isinstance(former, StoredWorkflow):
            # Not `==`, to which true is 1.
            return not changes(former.document, _document(body)) and self._runs_in_its_workspace(former)
        return False

    def _keeps_its_pipeline(self, former: StoredWorkflow, body: Mapping[str, Any]) -> bool:
        """An edit of anything else moves it to no other version, as with a PATCH."""
        same = all(body.get(name) == former.document.get(name) for name in ("pipeline", "provider", "connection"))
        return same and self._runs_in_its_workspace(former)

    def _runs_in_its_workspace(self, workflow: StoredWorkflow) -> bool:
        """Its pipeline is one of the workspace that its connection will name: another's has to be chosen anew."""
        name = str(workflow.document["connection"]).lower()
        connection = self._moved.get(name) or self._stored[Kind.CONNECTIONS].get(name)
        if not isinstance(connection, Connection) or name in self._faulty:
            return False
        return workflow.pipeline_id.lower().startswith(f"{connection.workspace.lower()}/")

    def _check_alone(self, name: str, body: Mapping[str, Any]) -> None:
        """What can be said of a workflow whose connection cannot be saved."""
        try:
            parse_workflow(body)
        except BridgeError as error:
            self._fail(Kind.WORKFLOWS, name, error)

    def _fail(self, kind: Kind, name: str, error: BridgeError) -> None:
        if kind is Kind.CONNECTIONS:
            self._faulty.add(name.lower())
        place = f"{kind}.{name[:100]}"
        details = error.details or [ErrorDetail(error.code, _without(error.message, error.target), error.target)]
        for detail in details:
            own = detail.target is None or (detail.target == kind.one and kind is not Kind.WORKFLOWS)
            self.faults.append(ErrorDetail(detail.code, detail.message, place if own else f"{place}.{detail.target}"))


def _without(message: str, target: str | None) -> str:
    return message.removeprefix(f"{target}: ") if target else message


def _lower(value: object) -> object:
    return value.lower() if isinstance(value, str) else value


def _document(body: Mapping[str, Any]) -> Any:
    return without_nulls({name: value for name, value in body.items() if name not in READ_ONLY})


def _step(kind: Kind, former: Resource | None, saved: Resource, body: Mapping[str, Any]) -> Step:
    if former is None:
        return Step(kind, saved.name, Action.CREATE, body)
    found = changes(_shown(former), _shown(saved))
    if not found and former.etag != saved.etag:
        found = (Change("key", REDACTED, REDACTED),)  # another literal, and neither of them is shown
    return Step(kind, saved.name, Action.UPDATE if found else Action.UNCHANGED, body, former.etag, found)


def _shown(resource: Resource) -> dict[str, Any]:
    """What may differ, without secrets."""
    told: dict[str, Any] = {}
    if isinstance(resource, StoredWorkflow):
        told = {"pipelineVersion": resource.pipeline_version}
    if isinstance(resource, Connection):
        told = {"consentGiven": {"version": resource.consent.version}}
    return {**definition_of(resource), **told}


def _in_order(
    workflows: Mapping[str, Mapping[str, Any]], stored: Sequence[StoredWorkflow]
) -> Sequence[tuple[str, Mapping[str, Any]]]:
    """By name; but who takes over an entity comes after the one that leaves it to them."""
    waiting = dict(sorted(workflows.items(), key=lambda item: item[0].lower()))
    holders = {item.entity.lower(): item.name.lower() for item in stored}
    ordered: list[tuple[str, Mapping[str, Any]]] = []
    while waiting:
        left = {name.lower() for name in waiting}

        def is_free(name: str, left: set[str] = left) -> bool:
            holder = holders.get(str(waiting[name].get("outputEntity")).lower())
            return holder is None or holder == name.lower() or holder not in left

        # Two that change places wait for each other: the catalog says what is wrong.
        name = next(filter(is_free, waiting), next(iter(waiting)))
        ordered.append((name, waiting.pop(name)))
    return ordered


@dataclass(frozen=True, slots=True)
class Changed:
    """What else follows from a change."""

    skill: Callable[[str], None]
    """It was saved or deleted."""
    workflow_deleted: Callable[[str], Awaitable[object]]
    """Its runs are to end."""


async def apply(steps: Sequence[Step], catalogs: Catalogs, changed: Changed, how: Import) -> None:
    """Do what was planned. May be repeated.

    Raises what a PUT or DELETE raises (PreconditionFailed where somebody was faster), and says then what was done.
    """
    ahead = [step for step in steps if step.action is not Action.UNCHANGED]
    for done, step in enumerate(ahead):
        try:
            await _apply(step, catalogs, changed, how)
        except BridgeError as error:
            raise _half_way(ahead, done, error) from error


async def _apply(step: Step, catalogs: Catalogs, changed: Changed, how: Import) -> None:
    """Only where it is still as it was planned from."""
    conditions = Conditions(if_match=step.etag) if step.etag is not None else Conditions(if_none_match="*")
    if step.body is None:
        await _delete(step.kind, step.name, catalogs, conditions)
    else:
        await _put(step.kind, step.name, step.body, catalogs, conditions, how)
    if step.kind is Kind.SKILLS:
        changed.skill(step.name)
    elif step.kind is Kind.WORKFLOWS and step.body is None:
        await changed.workflow_deleted(step.name)


def _half_way(steps: Sequence[Step], done: int, error: BridgeError) -> BridgeError:
    """The same error, with what was applied and what was not."""
    words = [("Applied", "is done"), ("NotApplied", "was not tried")]
    details = [
        ErrorDetail(error.code, error.message, step.place)
        if index == done
        else ErrorDetail(words[index > done][0], f"{step.action}: {words[index > done][1]}", step.place)
        for index, step in enumerate(steps)
    ]
    message = (
        f"the import ended at {steps[done].place}: {error.message}. {done} of {len(steps)} changes are done (see details); "
        "send the same import again, and it does the rest"
    )
    return type(error)(message, target=steps[done].place, details=details, retry_after=error.retry_after)


async def _put(
    kind: Kind, name: str, body: Mapping[str, Any], catalogs: Catalogs, conditions: Conditions, how: Import
) -> Resource:
    saved: tuple[StoredSkill, bool] | tuple[Connection, bool] | tuple[StoredWorkflow, bool]
    if kind is Kind.SKILLS:
        saved = await catalogs.skills.put(name, dict(body), conditions, how.now)
    elif kind is Kind.CONNECTIONS:
        saved = await catalogs.connections.put(name, dict(body), how.by, conditions, how.now)
    else:
        saved = await catalogs.workflows.put(name, dict(body), conditions, how.now)
    return saved[0]


async def _delete(kind: Kind, name: str, catalogs: Catalogs, conditions: Conditions) -> None:
    if kind is Kind.SKILLS:
        await catalogs.skills.delete(name, conditions)
    elif kind is Kind.CONNECTIONS:
        await catalogs.connections.delete(name, conditions)
    else:
        await catalogs.workflows.delete(name, conditions)
