"""One examination as a whole: what is away costs its own checks and nobody else's."""

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any

import pytest

from shared.entities.outputs import Listed
from shared.errors import AccountInUse, InvalidName, NotFound, StorageUnavailable
from shared.operations.doctor.commands import FunctionApp
from shared.operations.doctor.examination import Azure, Examination, Stores, Surroundings
from shared.operations.doctor.findings import Check, Group, Report, Status
from shared.operations.doctor.identity import Principal
from shared.operations.doctor.messaging import QueueState
from shared.operations.doctor.selection import Selection
from shared.operations.doctor.skills import Scoring
from shared.operations.doctor.workflows import Running
from shared.settings import Settings
from shared.skills.addresses import ScoringHosts
from shared.workflows.connections import CONSENT_VERSION, Connection, Consent
from shared.workflows.workspaces import Datastore, Permission, Workspace, WorkspaceId
from tests.support.virtual_time import run_virtual
from tests.workflows.fakes import DATA, stored_workflow
from tests.workflows.run_world import FakeWorkspace

NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)
TENANT = "00000000-0000-0000-0000-0000000000aa"
AWAY = StorageUnavailable("table storage did not answer")
SILENT = "silent"
"""The workspace that never answers."""
WORKSPACES = "/subscriptions/00000000-0000-0000-0000-000000000001/resourceGroups/rg/providers/" + (
    "Microsoft.MachineLearningServices/workspaces"
)


@dataclass
class Held[T]:
    """A catalog."""

    items: Sequence[T] = ()
    error: Exception | None = None

    async def list(self) -> Sequence[T]:
        if self.error is not None:
            raise self.error
        return self.items

    async def get(self, name: str) -> T:
        for item in await self.list():
            if getattr(item, "name", None) == name:
                return item
        raise NotFound(f"nothing is called {name!r}; there is none yet")


class Workspaces(FakeWorkspace):
    def __init__(self) -> None:
        super().__init__()
        self.asked: list[str] = []

    async def workspace(self, workspace: WorkspaceId) -> Workspace:
        self.asked.append(workspace.name)
        if workspace.name == SILENT:
            await asyncio.sleep(3600)
        return Workspace(workspace, "westeurope", TENANT, False, "https://discovery")

    async def permissions(self, workspace: WorkspaceId) -> list[Permission]:
        return [Permission(("*",), ())]


class Files:
    async def list(self, path: str) -> AsyncIterator[Listed]:
        yield Listed(path, 1, "1")

    async def write(self, path: str, chunks: AsyncIterator[bytes]) -> None:
        raise NotImplementedError

    async def drop(self, prefix: str) -> None:
        raise NotImplementedError


@dataclass
class Beats:
    error: Exception | None = None

    async def beat(self, timer: str, now: datetime) -> None:
        raise NotImplementedError

    async def last(self) -> dict[str, datetime]:
        if self.error is not None:
            raise self.error
        return {"schedule_tick": NOW, "sweep": NOW}


def connection(name: str, workspace: str = "ws1") -> Connection:
    consent = Consent("ann", NOW, CONSENT_VERSION)
    return Connection(name, TENANT, f"{WORKSPACES}/{workspace}", "westeurope", consent, '"etag"')


@dataclass
class World:
    connections: Held[Connection] = field(default_factory=lambda: Held([connection("contoso")]))
    workflows: Held[Any] = field(
        default_factory=lambda: Held([stored_workflow("churn", requiredData={"transactions": {"path": DATA}})])
    )
    skills: Held[Any] = field(default_factory=Held)
    beats: Beats = field(default_factory=Beats)
    workspaces: Workspaces = field(default_factory=Workspaces)
    owner: Exception | None = None
    """What asking for the data account raises."""

    def around(self) -> Surroundings:
        async def nobody(*args: Any) -> Any:
            return None

        async def principal(audience: str) -> Principal:
            return Principal("client", "object", TENANT)

        async def queue_state(queue: str) -> QueueState:
            return QueueState(0, None)

        async def own() -> None:
            if self.owner is not None:
                raise self.owner

        async def no_codes() -> list[str]:
            return []

        async def data_plane(tenant: str, workspace: WorkspaceId) -> str:
            return "westeurope.api.azureml.ms"

        def files(tenant: str, datastore: Datastore) -> Files:
            return Files()

        stores = Stores(
            self.connections, self.workflows, self.skills, self.beats, no_codes, queue_state, [], own, "data", "hosts"
        )
        return Surroundings(
            Settings.from_environment({"AzureWebJobsStorage": "UseDevelopmentStorage=true"}),
            ["AzureWebJobsStorage"],
            FunctionApp("bridge"),
            stores,
            Azure(principal, lambda tenant: "", lambda tenant: self.workspaces, data_plane),
            Running(
                self.connections.get,
                files,
                nobody,
                nobody,
                ScoringHosts(["contoso.com"]),
                {"NOTIFY_A"}.__contains__,
            ),
            Scoring(nobody, nobody, nobody, nobody, nobody, nobody),
            asyncio.get_running_loop().time,
            lambda: NOW,
            "mark",
        )

    def report(self, **query: str) -> Report:
        async def main() -> Report:
            return await Examination(self.around(), Selection.parse(query)).report()

        return run_virtual(main())


def by_status(report: Report, status: Status) -> set[tuple[str, str]]:
    return {(str(finding.check), finding.subject) for finding in report.findings if finding.status is status}


def test_a_world_that_stands_is_well() -> None:
    report = World().report()

    assert by_status(report, Status.FAILED) == set()
    assert {finding.check.group for finding in report.findings} == set(Group) - {Group.SKILLS}


def test_what_cannot_be_listed_is_one_failure_each_and_the_others_are_examined() -> None:
    world = World(connections=Held(error=AWAY), workflows=Held(error=AWAY), skills=Held(error=AWAY), beats=Beats(AWAY))

    report = world.report()

    assert by_status(report, Status.FAILED) == {
        ("connections.stored", "all"),
        ("workflows.stored", "all"),
        ("skills.stored", "all"),
    }
    assert by_status(report, Status.SKIPPED) >= {("timers.scheduleTick", "schedule_tick"), ("timers.sweep", "sweep")}
    assert ("queues.exists", "run-advance") in by_status(report, Status.OK)


def test_a_workspace_that_never_answers_costs_ten_seconds_once() -> None:
    silent = [connection(f"silent{number}", SILENT) for number in range(30)]
    world = World(connections=Held([*silent, connection("contoso")]))

    report = world.report()

    assert 10 <= report.seconds < 15
    assert world.workspaces.asked.count(SILENT) == 1
    assert by_status(report, Status.FAILED) == {("connections.workspace", each.name) for each in silent}
    assert ("connections.workspace", "contoso") in by_status(report, Status.OK)
    assert ("workflows.pipeline", "churn") in by_status(report, Status.OK)


def test_many_workspaces_that_never_answer_end_within_the_whole_time() -> None:
    class Hanging(Workspaces):
        async def workspace(self, workspace: WorkspaceId) -> Workspace:
            await asyncio.sleep(3600)
            raise NotImplementedError

    world = World(
        connections=Held([connection(f"c{number}", f"ws{number}") for number in range(400)]), workspaces=Hanging()
    )

    report = world.report()

    assert report.seconds < 200
    late = [finding for finding in report.findings if "before it was its turn" in finding.message]
    assert {finding.status for finding in late} == {Status.SKIPPED}
    assert report.status is Status.FAILED


def test_a_definition_that_this_release_cannot_read_fails_its_workflow_alone() -> None:
    broken = replace(stored_workflow("broken"), document={"connection": 7})
    world = World(workflows=Held([broken, stored_workflow("churn", requiredData={"transactions": {"path": DATA}})]))

    report = world.report()

    assert by_status(report, Status.FAILED) == {("workflows.stored", "broken")}


@pytest.mark.parametrize(
    ("owner", "status"),
    [
        (None, Status.OK),
        (AccountInUse("the data account belongs to the app 'first'"), Status.FAILED),
        (AWAY, Status.SKIPPED),
    ],
)
def test_an_account_that_is_another_apps_is_told(owner: Exception | None, status: Status) -> None:
    report = World(owner=owner).report(only="storage")

    assert by_status(report, status) == {("storage.owner", "data account")}


@pytest.mark.parametrize(
    ("url", "setting", "status"),
    [
        ("https://hooks.contoso.com/x?token=t", "NOTIFY_A", Status.OK),
        ("https://hooks.contoso.com/x?token=t", "NOTIFY_B", Status.FAILED),
        ("https://hooks.fabrikam.com/x?token=t", "NOTIFY_A", Status.FAILED),
    ],
)
def test_a_notification_that_could_not_be_sent_is_told_before_a_run_has_ended(
    url: str, setting: str, status: Status
) -> None:
    notify = {"url": url, "secret": f"@appsetting('{setting}')"}
    report = World(workflows=Held([stored_workflow("churn", notify=notify)])).report(workflow="churn")

    [found] = [finding for finding in report.findings if finding.check is Check.WORKFLOW_NOTIFY]
    assert (found.status, found.subject) == (status, "churn")
    assert "token" not in str(found.render())
    if "fabrikam" in url:
        assert '--settings "NOTIFY_HOSTS=contoso.com,hooks.fabrikam.com"' in str(found.command)


@pytest.mark.parametrize("group", ["connection", "workflow", "skill"])
def test_a_name_that_is_not_there_is_told(group: str) -> None:
    with pytest.raises(NotFound) as raised:
        World().report(**{group: "nobody"})

    assert raised.value.target == group


@pytest.mark.parametrize("group", ["connection", "workflow", "skill"])
def test_a_name_that_nothing_can_have_is_no_failure_of_storage(group: str) -> None:
    odd: Held[Any] = Held(error=InvalidName("'../x' is no name"))

    world = World()
    setattr(world, f"{group}s", odd)

    with pytest.raises(NotFound, match="is no name") as raised:
        world.report(**{group: "../x"})

    assert raised.value.target == group


def test_a_name_that_cannot_be_looked_up_is_a_finding() -> None:
    report = World(skills=Held(error=AWAY)).report(skill="language")

    assert by_status(report, Status.FAILED) == {("skills.stored", "all")}


def test_every_failure_has_its_command() -> None:
    """Whatever is away: the types hold that none is made without one, and none is empty."""
    broken: list[Callable[[], World]] = [
        lambda: World(connections=Held(error=AWAY), workflows=Held(error=AWAY), skills=Held(error=AWAY)),
        lambda: World(connections=Held([connection("silent", SILENT)])),
        lambda: World(workflows=Held([stored_workflow("churn", outputDatastore="nowhere")])),
        lambda: World(workflows=Held([stored_workflow("churn", requiredData={"no_input": {"value": 1}})])),
        lambda: World(owner=AccountInUse("the data account belongs to the app 'first'")),
    ]
    for world in broken:
        failures = [finding for finding in world().report().findings if finding.status is Status.FAILED]
        assert failures
        assert all((finding.command or "").startswith("az ") for finding in failures)
        assert all(finding.cure for finding in failures)
