"""A workflow: what the facts about its pipeline, entity and last run mean."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from shared.entities.schema import Schema
from shared.entities.snapshots import Entity, Snapshot
from shared.errors import ErrorDetail
from shared.operations.doctor.commands import FunctionApp
from shared.operations.doctor.findings import Check, Status
from shared.operations.doctor.looks import Fault
from shared.operations.doctor.workflow_findings import (
    entity_finding,
    pipeline_finding,
    run_finding,
    unreached_files,
)
from shared.workflows.mapping import map_workflow
from shared.workflows.pipelines import Pipeline
from shared.workflows.runs import Retrying, Run, RunError, RunStatus, Trigger, TriggerKind, new_run
from shared.workflows.workspaces import Datastore
from tests.workflows.fakes import DATASTORES, WORKSPACE, pipeline, stored_workflow, style_a, style_b, workflow

APP = FunctionApp("bridge", "https://bridge.example")
NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)
AWAY = Fault("Azure Resource Manager answered 503", "WorkspaceUnavailable")
CHURN = stored_workflow("churn")
REFRESH = (
    "az rest --method post --url https://bridge.example/api/workflows/churn/refresh "
    '--skip-authorization-header --headers "x-functions-key=$BRIDGE_KEY"'
)


@pytest.mark.parametrize(
    ("found", "status", "says"),
    [
        (style_a(), Status.OK, "customer_value:3 is there and eligible"),
        (style_b(), Status.OK, "is there and eligible"),
        (pipeline({}, {"out": {"type": "uri_folder"}}), Status.FAILED, "cannot be used: no data input"),
        (pipeline({"data": {"type": "uri_file"}}), Status.FAILED, "cannot be used: no output path/datastore"),
        (
            pipeline({"data": {"type": "uri_file"}, "a": {"type": "string"}, "b": {"type": "string"}}),
            Status.FAILED,
            "outputPathParameter: say which inputs take the output's path and datastore",
        ),
        (Fault("the workspace ws1 has no pipeline 'customer_value'", "NotFound"), Status.FAILED, "has no pipeline"),
        (Fault("this app's identity lacks it", "WorkspaceForbidden"), Status.FAILED, "lacks it"),
        (AWAY, Status.FAILED, "answered 503"),
        (Fault("late", "Late", None, True), Status.SKIPPED, "late"),
    ],
)
def test_why_can_a_workflow_not_see_its_pipeline_any_more(found: Pipeline | Fault, status: Status, says: str) -> None:
    definition = workflow()
    faults = [] if isinstance(found, Fault) else map_workflow(definition, found, DATASTORES, WORKSPACE).faults

    finding = pipeline_finding("churn", definition, found, faults, WORKSPACE, "object-id")

    assert finding.status is status
    assert says in finding.message
    if status is Status.FAILED:
        assert str(finding.command).startswith("az ")


def test_a_pipelines_name_is_quoted_for_the_shell() -> None:
    odd = replace(style_a(), name="a;reboot")
    faults = [ErrorDetail("InvalidParameter", "wrong", "pipeline")]

    finding = pipeline_finding("churn", workflow(), odd, faults, WORKSPACE, "object-id")

    assert "-n 'a;reboot'" in str(finding.command)


@pytest.mark.parametrize(
    ("fault", "status", "command"),
    [
        (
            Fault("blob storage refused this app (403)", "StorageUnavailable", 403),
            Status.FAILED,
            "az role assignment create --assignee object-id --role 'Storage Blob Data Contributor' --scope "
            '"$(az storage account show -n lakes --query id -o tsv)"',
        ),
        (
            Fault("the datastore's container raw does not exist", "UnusableOutput"),
            Status.FAILED,
            "az storage container create -n raw --account-name lakes --auth-mode login",
        ),
        (Fault("did not answer", "StorageUnavailable"), Status.FAILED, "az storage account show -n lakes --query"),
        (Fault("late", "Late", None, True), Status.SKIPPED, ""),
    ],
)
def test_files_that_are_not_reached(fault: Fault, status: Status, command: str) -> None:
    datastore = Datastore("lake", "AzureBlob", False, "lakes", "raw")

    finding = unreached_files(Check.WORKFLOW_DATASTORE, "churn", datastore, fault, "object-id")

    assert finding.status is status
    assert command in (finding.command or "")


def entity(age: timedelta | None, *, writer: str = "churn", is_pinned: bool = False) -> Entity:
    current = None
    if age is not None:
        schema = Schema((), "customer_id", "customer_id")
        current = Snapshot("CustomerValue1", "run-1", schema, 64, 1234, 0, NOW - age, NOW - age)
    return Entity("CustomerValue", writer, current=current, is_pinned=is_pinned)


@pytest.mark.parametrize(
    ("found", "max_age", "status", "says"),
    [
        (entity(timedelta(hours=3)), None, Status.OK, "CustomerValue has 1,234 rows, published 3 h ago"),
        (entity(timedelta(hours=3)), timedelta(hours=3), Status.OK, "published 3 h ago"),
        (entity(timedelta(hours=5)), timedelta(hours=3), Status.WARNING, "stale, for its maxAge is 3 h"),
        (entity(timedelta(hours=3), is_pinned=True), None, Status.WARNING, "pinned since a rollback, so runs are held"),
        (entity(None), None, Status.WARNING, "has no published rows yet"),
        (None, None, Status.WARNING, "has no published rows yet"),
        (entity(timedelta(hours=3), writer="other"), None, Status.FAILED, "is written by the workflow other"),
        (AWAY, None, Status.SKIPPED, "not looked at"),
    ],
)
def test_an_entity(found: Entity | Fault | None, max_age: timedelta | None, status: Status, says: str) -> None:
    finding = entity_finding(CHURN, found, max_age, NOW, APP)

    assert finding.status is status
    assert says in finding.message


def test_a_draft_has_no_entity_to_miss() -> None:
    assert entity_finding(replace(CHURN, missing=["data"]), None, None, NOW, APP).status is Status.SKIPPED


def test_a_stale_entity_is_mended_by_a_run_and_a_pinned_one_by_unpinning() -> None:
    stale = entity_finding(CHURN, entity(timedelta(hours=5)), timedelta(hours=3), NOW, APP)
    pinned = entity_finding(CHURN, entity(timedelta(hours=5), is_pinned=True), None, NOW, APP)

    assert stale.command == REFRESH
    assert "/api/entities/CustomerValue/unpin" in str(pinned.command)


def run(status: RunStatus) -> Run:
    begun = new_run("run-1", CHURN, Trigger(TriggerKind.HTTP), NOW - timedelta(hours=3))
    return begun.with_status(status, NOW - timedelta(hours=2))


@pytest.mark.parametrize(
    ("found", "status", "says"),
    [
        (None, Status.OK, "it never ran"),
        (run(RunStatus.SUCCEEDED), Status.OK, "run-1 succeeded 2 h ago"),
        (run(RunStatus.RUNNING), Status.OK, "run-1 is running, for 2 h"),
        (
            replace(run(RunStatus.FAILED), error=RunError("UserError", "no such column")),
            Status.WARNING,
            "run-1 failed 2 h ago: UserError, no such column",
        ),
        (
            replace(run(RunStatus.HELD), held_for=("fewer rows than minRows",)),
            Status.WARNING,
            "run-1 is held, for 2 h: fewer rows than minRows",
        ),
        (
            replace(
                run(RunStatus.RUNNING),
                retrying=Retrying(4, NOW - timedelta(minutes=30), NOW, "WorkspaceUnavailable", "it is down"),
            ),
            Status.WARNING,
            "tried again for 30 min: WorkspaceUnavailable, it is down",
        ),
        (AWAY, Status.SKIPPED, "not looked at"),
    ],
)
def test_the_last_run(found: Run | Fault | None, status: Status, says: str) -> None:
    finding = run_finding(CHURN, found, NOW, APP)

    assert finding.status is status
    assert says in finding.message
