"""`GET /api/doctor` through the host, Azurite and the simulator: healthy, and with one thing broken at a time."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import httpx
import pytest
from azure.data.tables import TableServiceClient
from azure.storage.blob import BlobServiceClient
from azure.storage.queue import QueueServiceClient

from infra import doctor
from shared.operations.doctor.messaging import QUEUES
from tests.devhost.running import Reply, eventually
from tests.simulator.arm import AML_TOKEN as ENDPOINT
from tests.support.azurite import KEY
from tests.support.bridge import ROOT, running_bridge
from tests.support.workshop import SCORES, SOON, Workshop, make_queue, running_workshop
from tests.triggers.test_connections import workspace
from tests.triggers.test_skills import error_of

OBJECT_ID = "00000000-0000-0000-0000-0000000000b1"
READER = {"actions": ["*/read"]}
DATA_SCIENTIST = {"actions": ["Microsoft.MachineLearningServices/workspaces/*"]}
WORKFLOW = "examined"
"""A workflow, and the connection, skills and queues of the fixture, are there when a test begins and when it ends."""
AML_TOKEN = "by-aml-token"
SECRET = "sentinel-of-a-key"

type Found = dict[tuple[str, str], dict[str, Any]]


@pytest.fixture(scope="module")
def clinic() -> Iterator[Workshop]:
    with running_workshop(**SOON, SKILL_KEY_GIVEN=SECRET) as workshop:
        for queue in QUEUES:
            make_queue(workshop.account, queue)
        bridge = workshop.bridge
        bridge.put("by-key", key="@appsetting('SKILL_KEY_GIVEN')")
        bridge.put(AML_TOKEN, resourceId=ENDPOINT)
        workshop.publish(WORKFLOW, {"scores.csv": SCORES})
        # The timer comes each minute: a request to the host lets it come now.
        tick(workshop)
        yield workshop


def tick(workshop: Workshop) -> None:
    assert workshop.bridge.host.call("POST", "/admin/functions/schedule_tick", b"{}").status == 202
    eventually(lambda: check(workshop, "timers", "timers.scheduleTick", "schedule_tick")["status"] == "ok")


def ask(workshop: Workshop, query: str = "") -> Reply:
    reply = workshop.bridge.call("GET", f"doctor{query}")
    assert reply.status == 200, reply.body
    return reply


def found(workshop: Workshop, query: str = "") -> Found:
    return {(each["name"], each["subject"]): each for each in ask(workshop, query).json["checks"]}


def check(workshop: Workshop, group: str, name: str, subject: str) -> dict[str, Any]:
    return found(workshop, f"?only={group}")[name, subject]


def failures(checks: Found) -> set[tuple[str, str]]:
    return {key for key, each in checks.items() if each["status"] == "failed"}


@contextmanager
def changed(workshop: Workshop, **members: Any) -> Iterator[None]:
    """The workspace, until the block ends."""
    address = f"{workshop.bridge.simulator}/control/workspaces/bridge"
    as_it_was = {"permissions": [READER, DATA_SCIENTIST], "deletedDatastores": [], "private": False}
    try:
        assert httpx.patch(address, json=members).is_success
        yield
    finally:
        assert httpx.patch(address, json=as_it_was).is_success


def test_all_is_well(clinic: Workshop) -> None:
    report = ask(clinic).json

    assert report["status"] == "ok", [each for each in report["checks"] if each["status"] not in ("ok", "skipped")]
    assert set(report) == {"status", "checks", "durationMs"}
    groups = [each["name"].partition(".")[0] for each in report["checks"]]
    assert list(dict.fromkeys(groups)) == [
        *("settings", "identity", "storage", "queues", "timers", "connections", "workflows", "skills")
    ]
    identity = next(each for each in report["checks"] if each["name"] == "identity.management")
    assert "client id 00000000-0000-0000-0000-0000000000c1" in identity["message"]


def test_no_answer_holds_a_secret(clinic: Workshop) -> None:
    with changed(clinic, permissions=[READER]):
        text = ask(clinic).body.decode()

    assert SECRET not in text
    assert KEY not in text


def test_what_it_writes_it_removes_again(clinic: Workshop) -> None:
    ask(clinic, "?only=storage")

    with BlobServiceClient.from_connection_string(clinic.account) as blobs:
        assert list(blobs.get_container_client("bridge").list_blobs(name_starts_with="doctor")) == []
    with TableServiceClient.from_connection_string(clinic.account) as tables:
        rows = tables.get_table_client("bridgeoperations").query_entities("PartitionKey eq 'doctor'")
        assert list(rows) == []
    with QueueServiceClient.from_connection_string(clinic.account) as queues:
        assert queues.get_queue_client("bridge-doctor").get_queue_properties().approximate_message_count == 0


def test_a_right_that_was_revoked_is_named_with_what_it_stops_and_the_command(clinic: Workshop) -> None:
    with changed(clinic, permissions=[READER, {**DATA_SCIENTIST, "notActions": ["*/workspaces/jobs/write"]}]):
        checks = found(clinic)

    [key] = failures(checks)
    assert key == ("connections.right", "local: jobs/write")
    assert "to send a run's job" in checks[key]["message"]
    assert checks[key]["command"] == (
        f"az role assignment create --assignee {OBJECT_ID} --role 'AzureML Data Scientist' --scope {workspace()}"
    )


def test_an_endpoint_with_tokens_needs_the_right_to_get_one(clinic: Workshop) -> None:
    with changed(clinic, permissions=[READER]):
        checks = found(clinic, f"?skill={AML_TOKEN}")

    [key] = failures(checks)
    assert key == ("skills.right", f"{AML_TOKEN}: onlineEndpoints/token/action")
    assert "as Owner and Contributor do" in checks[key]["cure"]


def test_a_datastore_that_was_deleted_fails_its_workflow_alone(clinic: Workshop) -> None:
    with changed(clinic, deletedDatastores=["workspaceblobstore"]):
        checks = found(clinic)

    assert failures(checks) == {("workflows.datastore", WORKFLOW), ("workflows.requiredData", WORKFLOW)}
    assert "az ml datastore create" in checks["workflows.datastore", WORKFLOW]["command"]
    assert checks["workflows.output", WORKFLOW]["status"] == "skipped"


def test_a_queue_that_is_missing_fails_with_the_command_that_makes_it(clinic: Workshop) -> None:
    with QueueServiceClient.from_connection_string(clinic.account) as queues:
        queues.delete_queue("import-part-poison")
    try:
        checks = found(clinic)
    finally:
        eventually(lambda: made(clinic, "import-part-poison"))

    [key] = failures(checks)
    assert key == ("queues.exists", "import-part-poison")
    assert "az storage queue create -n import-part-poison" in checks[key]["command"]


def made(workshop: Workshop, queue: str) -> bool:
    make_queue(workshop.account, queue)
    return True


def test_a_key_setting_that_is_missing_fails_its_skill_with_the_command_that_sets_it(clinic: Workshop) -> None:
    clinic.bridge.put("keyless", key="@appsetting('SKILL_KEY_MISSING')")
    try:
        checks = found(clinic, "?skill=keyless")
    finally:
        clinic.bridge.call("DELETE", "skills/keyless")

    [key] = failures(checks)
    assert key == ("skills.key", "keyless")
    assert "az functionapp config appsettings set" in checks[key]["command"]
    assert '"SKILL_KEY_MISSING=$(az ml online-endpoint get-credentials' in checks[key]["command"]


def test_a_workspace_that_is_not_reached_is_one_failure_and_the_rest_is_skipped(clinic: Workshop) -> None:
    clinic.fault({"calls": 10_000, "path": workspace(), "drop": "before"})
    try:
        checks = found(clinic, "?only=connections,workflows,storage")
    finally:
        clinic.fault()

    assert failures(checks) == {("connections.workspace", "local")}
    assert {key for key, each in checks.items() if each["status"] == "skipped"} >= {
        ("connections.pipelines", "local"),
        ("connections.right", "local"),
        ("workflows.pipeline", WORKFLOW),
        ("workflows.requiredData", WORKFLOW),
    }
    assert checks["workflows.entity", WORKFLOW]["status"] == "ok"
    assert checks["storage.write", "data tables"]["status"] == "ok"


def test_one_workflow_alone_tells_that_its_workspace_is_not_reached(clinic: Workshop) -> None:
    clinic.fault({"calls": 10_000, "path": workspace(), "drop": "before"})
    try:
        checks = found(clinic, f"?workflow={WORKFLOW}")
    finally:
        clinic.fault()

    assert failures(checks) == {("connections.workspace", "local")}


def test_an_endpoint_that_is_gone_fails_its_skill(clinic: Workshop) -> None:
    clinic.bridge.put("gone", resourceId=f"{workspace()}/onlineEndpoints/nowhere")
    try:
        checks = found(clinic, "?skill=gone")
    finally:
        clinic.bridge.call("DELETE", "skills/gone")

    assert failures(checks) == {("skills.endpoint", "gone")}
    assert "az ml online-endpoint list" in checks["skills.endpoint", "gone"]["command"]


def test_a_deployment_that_does_not_exist_and_calls_beyond_the_capacity(clinic: Workshop) -> None:
    deployment = "endpoints/language-aml-token/deployments/blue"
    clinic.bridge.control(deployment, {"maxConcurrentRequestsPerInstance": 2})
    clinic.bridge.put("pinned", resourceId=ENDPOINT, gateway={"deployment": "green"})
    clinic.bridge.put("eager", resourceId=ENDPOINT, degreeOfParallelism=10)
    try:
        checks = found(clinic, "?only=skills")
    finally:
        clinic.bridge.call("DELETE", "skills/pinned")
        clinic.bridge.call("DELETE", "skills/eager")
        clinic.bridge.control(deployment, {"maxConcurrentRequestsPerInstance": 10})

    assert failures(checks) == {("skills.deployment", "pinned")}
    assert "there are: blue" in checks["skills.deployment", "pinned"]["message"]
    eager = checks["skills.capacity", "eager"]
    assert eager["status"] == "warning"
    assert "holds 4 calls at once, and up to 10" in eager["message"]
    assert eager["command"].endswith("--set instance_count=3")


def test_required_data_that_is_not_there_fails(clinic: Workshop) -> None:
    nothing = {"transactions": {"path": "azureml://datastores/workspaceblobstore/paths/samples/nothing.csv"}}
    clinic.save("dataless", requiredData=nothing)
    clinic.save("drafted", requiredData={})
    clinic.save("fed", requiredData={"transactions": {"entity": "Nobodys"}})
    try:
        checks = found(clinic, "?only=workflows")
    finally:
        for name in ("dataless", "drafted", "fed"):
            clinic.bridge.call("DELETE", f"workflows/{name}")

    assert failures(checks) == {
        ("workflows.requiredData", "dataless: transactions"),
        ("workflows.requiredData", "fed: transactions"),
    }
    assert checks["workflows.requiredData", "drafted"]["status"] == "warning"
    assert "transactions has no source" in checks["workflows.requiredData", "drafted"]["message"]
    assert "a mark was written" in checks["workflows.output", "fed"]["message"]
    with BlobServiceClient.from_connection_string(clinic.account) as blobs:
        container = blobs.get_container_client("azureml-blobstore")
        assert [blob.name for blob in container.list_blobs(name_starts_with="outputs/fed")] == []


def test_an_unknown_group_or_name_is_told_with_those_there_are(clinic: Workshop) -> None:
    for query, status, says in (
        ("?only=storage,stores", 400, "'stores' is no group of checks; there are: settings, identity, storage"),
        ("?connection=fabrikam", 404, "there are: local"),
        ("?workflow=nothing", 404, WORKFLOW),
        ("?skill=nothing", 404, AML_TOKEN),
    ):
        reply = clinic.bridge.call("GET", f"doctor{query}")
        assert reply.status == status
        assert says in error_of(reply)["message"]


def test_only_and_names_narrow_it(clinic: Workshop) -> None:
    assert {name.partition(".")[0] for name, _ in found(clinic, "?only=storage,timers")} == {"storage", "timers"}
    assert {subject.partition(":")[0] for _, subject in found(clinic, f"?skill={AML_TOKEN.upper()}")} == {AML_TOKEN}
    assert {name.partition(".")[0] for name, _ in found(clinic, "?only=queues&connection=local")} == {
        *("queues", "connections")
    }


def test_a_setting_that_cannot_be_used_is_what_is_found(azurite: str, simulated: str) -> None:
    with running_bridge(azurite, simulated, ROOT, MAX_RECORDS="many", CSV_LINK_MINUTES="0") as bridge:
        reply = bridge.call("GET", "doctor")

    assert (reply.status, reply.json["status"]) == (200, "failed")
    failed = {each["subject"]: each for each in reply.json["checks"] if each["status"] == "failed"}
    assert set(failed) == {"MAX_RECORDS", "CSV_LINK_MINUTES"}
    assert failed["MAX_RECORDS"]["command"].endswith("--setting-names MAX_RECORDS")
    assert {each["status"] for each in reply.json["checks"] if each["name"] != "settings.value"} == {"skipped"}


def test_make_doctor_prints_a_table_and_fails_where_a_check_failed(
    clinic: Workshop, capsys: pytest.CaptureFixture[str]
) -> None:
    environment = {"BRIDGE_URL": f"http://127.0.0.1:{clinic.bridge.host.port}"}

    assert doctor.main(["--only", "connections,storage"], environment) == 0
    assert "ok       storage.write" in capsys.readouterr().out
    with changed(clinic, permissions=[READER]):
        assert doctor.main(["--connection", "local"], environment) == 1
    told = capsys.readouterr().out
    assert "FAILED   connections.right" in told
    assert "$ az role assignment create --assignee" in told
    assert doctor.main(["--only", "storage", "--json"], environment) == 0
    assert json.loads(capsys.readouterr().out)["status"] == "ok"
    assert doctor.main(["--connection", "fabrikam"], environment) == 2
    assert "there are: local" in capsys.readouterr().err
    assert doctor.main([], {"BRIDGE_URL": "http://127.0.0.1:1"}) == 2
    assert "is it running?" in capsys.readouterr().err
