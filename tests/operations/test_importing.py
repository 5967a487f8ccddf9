"""An import over catalogs in memory: what it leaves alone, what it writes, and what becomes of one that fails half-way."""

from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any

import pytest

from shared.errors import BridgeError, Conflict, InvalidConfiguration, PreconditionFailed, StorageUnavailable
from shared.operations.configuration import Kind, Stored
from shared.operations.importing import Action, Catalogs, Changed, Import, Step, apply, plan_import
from shared.operations.planned import Planned, PlannedSkills, PlannedWorkflows
from shared.skills.addresses import ScoringHosts
from shared.skills.catalog import SkillCatalog
from shared.workflows.catalog import WorkflowCatalog
from shared.workflows.connecting import ConnectionCatalog
from shared.workflows.connections import Connection
from shared.workflows.workspaces import Permission, Workspace, WorkspaceId
from tests.skills.fakes import MemoryStore
from tests.skills.fakes import document as skill
from tests.workflows.fakes import DATA, WORKSPACE
from tests.workflows.fakes import document as workflow
from tests.workflows.run_world import FakeWorkspace

NOW = datetime(2026, 11, 22, 6, tzinfo=UTC)
TENANT = "00000000-0000-0000-0000-0000000000aa"
OTHER = replace(WORKSPACE, name="ws2")


@dataclass
class Reader(FakeWorkspace):
    """Both workspaces, open to this app; their pipelines are their own."""

    async def workspace(self, workspace: WorkspaceId) -> Workspace:
        return Workspace(workspace, "westeurope", TENANT, False, "https://discovery")

    async def permissions(self, workspace: WorkspaceId) -> list[Permission]:
        return [Permission(["*"], [])]

    async def components(self, workspace: WorkspaceId) -> Any:
        return [replace(found, id=moved(found.id, workspace)) for found in await super().components(workspace)]

    async def component(self, workspace: WorkspaceId, name: str, version: str) -> Any:
        found = await super().component(workspace, name, version)
        return found and replace(found, id=moved(found.id, workspace))


def moved(component: str, workspace: WorkspaceId) -> str:
    return component.replace(WORKSPACE.path, workspace.path)


class NoRuns:
    async def active_over(self, connection: str) -> list[str]:
        return []


class Connections(Planned[Connection]):
    """Raises the errors that are to come, one a save."""

    def __init__(self, stored: Any, errors: list[Exception] | None = None) -> None:
        super().__init__(stored)
        self.errors = errors or []

    async def save(self, resource: Connection, *, replaces: Connection | None) -> bool:
        if self.errors:
            raise self.errors.pop()
        return await super().save(resource, replaces=replaces)


@dataclass
class World:
    """An app's configuration, which counts what is written."""

    skills: MemoryStore = field(default_factory=MemoryStore)
    connections: Connections = field(default_factory=lambda: Connections([]))
    workflows: PlannedWorkflows = field(default_factory=lambda: PlannedWorkflows([]))
    reader: Reader = field(default_factory=Reader)
    ended: list[str] = field(default_factory=list)
    """Workflows whose runs were told to end."""

    async def stored(self) -> Stored:
        return Stored(await self.skills.list(), await self.connections.list(), await self.workflows.list())

    def catalogs(self, skills: Any, connections: Any, workflows: PlannedWorkflows) -> Catalogs:
        known = ConnectionCatalog(
            connections, lambda tenant: self.reader, workflows, NoRuns(), identity=lambda tenant: "me"
        )
        return Catalogs(
            SkillCatalog(skills, ScoringHosts(), allow_literal_keys=True),
            known,
            WorkflowCatalog(workflows, known.get, lambda tenant: self.reader),
        )

    async def plan(self, resources: Any, *, prune: bool = False) -> Any:
        stored = await self.stored()
        planned = self.catalogs(
            PlannedSkills(stored.skills, self.skills.get_secret),
            Planned(stored.connections),
            PlannedWorkflows(stored.workflows),
        )
        return await plan_import(resources, stored, planned, Import("me", NOW, prune))

    async def apply(self, steps: Any) -> None:
        async def end(name: str) -> None:
            self.ended.append(name)

        catalogs = self.catalogs(self.skills, self.connections, self.workflows)
        await apply(steps, catalogs, Changed(lambda name: None, end), Import("me", NOW))

    async def bring(self, resources: Any, *, prune: bool = False) -> dict[str, str]:
        """Plan and apply; what was done to which."""
        steps = await self.plan(resources, prune=prune)
        await self.apply(steps)
        return done(steps)


def done(steps: list[Step]) -> dict[str, str]:
    return {step.place: step.action.value for step in steps if step.action is not Action.UNCHANGED}


def connection(workspace: WorkspaceId = WORKSPACE) -> dict[str, Any]:
    return {"tenant": TENANT, "workspace": workspace.path, "consent": True}


def resources(**workflows: Any) -> dict[Kind, Any]:
    ready = {"requiredData": {"transactions": {"path": DATA}}}
    return {
        Kind.SKILLS: {"language": skill()},
        Kind.CONNECTIONS: {"contoso": connection()},
        Kind.WORKFLOWS: workflows or {"churn": workflow(**ready)},
    }


async def test_a_second_import_changes_nothing_even_where_a_newer_pipeline_is_there() -> None:
    world = World()
    assert len(await world.bring(resources())) == 3
    world.reader.newest = "10"

    assert await world.bring(resources()) == {}
    assert (await world.workflows.list())[0].pipeline_version == "9"


@pytest.mark.parametrize(
    ("stored", "given"),
    [
        ({"quality": {"minRows": 1}}, {"quality": {"minRows": True}}),
        ({"schedule": {"cron": "0 6 * * *", "enabled": True}}, {"schedule": {"cron": "0 6 * * *", "enabled": 1}}),
    ],
)
async def test_true_is_not_taken_for_the_1_that_is_stored(stored: Any, given: Any) -> None:
    world = World()
    await world.bring(resources(churn=workflow(**stored)))

    with pytest.raises(InvalidConfiguration, match=r"workflows\.churn\.(quality|schedule)"):
        await world.plan(resources(churn=workflow(**given)))
    assert await world.bring(resources(churn=workflow(**stored))) == {}


async def test_an_edit_keeps_the_version_unless_it_names_the_pipeline() -> None:
    world = World()
    await world.bring(resources())
    world.reader.newest = "10"

    await world.bring(resources(churn=workflow(timeout="PT2H")))
    assert (await world.workflows.list())[0].pipeline_version == "9"
    await world.bring(resources(churn=workflow(timeout="PT2H", pipeline="customer_value@latest")))
    assert (await world.workflows.list())[0].pipeline_version == "10"


async def test_a_workflow_whose_connection_goes_to_another_workspace_goes_with_it() -> None:
    world = World()
    await world.bring(resources())
    there = {**resources(), Kind.CONNECTIONS: {"contoso": connection(OTHER)}}

    assert await world.bring(there) == {"connections.contoso": "update", "workflows.churn": "update"}
    assert (await world.workflows.list())[0].pipeline_id.startswith(OTHER.path)
    assert await world.bring(there) == {}


async def test_that_workflow_follows_also_where_the_first_import_died_after_the_connection() -> None:
    world = World()
    await world.bring(resources())
    there = {**resources(), Kind.CONNECTIONS: {"contoso": connection(OTHER)}}
    await world.apply((await world.plan(there))[:2])

    assert await world.bring(there) == {"workflows.churn": "update"}


async def test_a_failure_half_way_tells_what_was_done_and_a_repetition_finishes() -> None:
    world = World(connections=Connections([], [StorageUnavailable("table storage did not answer")]))

    with pytest.raises(StorageUnavailable) as raised:
        await world.bring(resources())

    assert raised.value.message == (
        "the import ended at connections.contoso: table storage did not answer. 1 of 3 changes are done (see details); "
        "send the same import again, and it does the rest"
    )
    assert [(detail.code, detail.target) for detail in raised.value.details] == [
        ("Applied", "skills.language"),
        ("StorageUnavailable", "connections.contoso"),
        ("NotApplied", "workflows.churn"),
    ]
    assert await world.bring(resources()) == {"connections.contoso": "create", "workflows.churn": "create"}


async def test_nothing_is_written_over_that_somebody_else_changed_meanwhile() -> None:
    world = World()
    await world.bring(resources())
    steps = await world.plan({Kind.SKILLS: {"language": skill(timeout="PT5S")}})
    await world.bring({Kind.SKILLS: {"language": skill(timeout="PT6S")}})

    with pytest.raises(PreconditionFailed):
        await world.apply(steps)

    assert (await world.skills.list())[0].document["timeout"] == "PT6S"


async def test_what_was_not_there_is_not_written_over_either() -> None:
    world = World()
    steps = await world.plan({Kind.SKILLS: {"language": skill()}})
    await world.bring({Kind.SKILLS: {"language": skill(timeout="PT6S")}})

    with pytest.raises(PreconditionFailed):
        await world.apply(steps)


async def test_a_plan_writes_nothing() -> None:
    world = World()

    await world.plan({**resources(), Kind.SKILLS: {"keyed": skill(key="sentinel")}})

    assert (world.skills.writes, world.skills.secrets) == (0, {})
    assert (await world.connections.list(), await world.workflows.list()) == ([], [])


async def test_the_runs_of_a_workflow_that_goes_end() -> None:
    world = World()
    await world.bring(resources())

    await world.bring({Kind.WORKFLOWS: {}}, prune=True)

    assert world.ended == ["churn"]


async def test_a_chain_of_entities_moves_on_in_one_import() -> None:
    world = World()
    await world.bring(resources(a=workflow(outputEntity="One"), b=workflow(outputEntity="Two")))

    moved_on = resources(
        a=workflow(outputEntity="Two"), b=workflow(outputEntity="Three"), c=workflow(outputEntity="One")
    )

    assert list(await world.bring(moved_on)) == ["workflows.b", "workflows.a", "workflows.c"]


async def test_two_workflows_cannot_change_places_and_are_told_so() -> None:
    world = World()
    await world.bring(resources(a=workflow(outputEntity="One"), b=workflow(outputEntity="Two")))

    with pytest.raises(InvalidConfiguration) as raised:
        await world.plan(resources(a=workflow(outputEntity="Two"), b=workflow(outputEntity="One")))

    assert {detail.code for detail in raised.value.details} == {Conflict.code}


async def test_a_workspace_that_does_not_answer_is_no_fault_of_the_document() -> None:
    class Silent(Reader):
        async def workspace(self, workspace: WorkspaceId) -> Workspace:
            raise StorageUnavailable("away")

    world = World(reader=Silent())

    with pytest.raises(BridgeError) as raised:
        await world.plan(resources())

    assert raised.value.retryable


async def test_names_keep_the_spelling_that_they_have() -> None:
    world = World()
    await world.bring(resources())

    assert await world.bring({Kind.SKILLS: {"LANGUAGE": skill(timeout="PT5S")}}) == {"skills.language": "update"}
    names = [found.name for found in await world.skills.list()]
    assert names == ["language"]
