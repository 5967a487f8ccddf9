"""`make verify-azure`, run against what stands in for Azure here: the simulator, Azurite, the local host, recorded answers."""

import base64
import json
import re
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
import pytest
from azure.data.tables import TableServiceClient
from azure.identity import CredentialUnavailableError
from azure.storage.queue import QueueServiceClient

from infra.verify import app, machine_learning, management, search, storage
from infra.verify.__main__ import ALL, exit_code, is_signed_in, parse, verify
from infra.verify.checks import Check, CheckFailed, Finding, Verdict, run_check
from infra.verify.report import markdown
from infra.verify.target import Options, Target, Token
from tests.support.azurite import running_azurite
from tests.support.bridge import SUBSCRIPTION, WORKSPACE, Bridge
from tests.support.identity import no_identity

PAGE = Path(__file__).parents[2] / "docs" / "verify-azure.md"
INPUTS = {"transactions": "azureml://datastores/workspaceblobstore/paths/samples/few.csv"}


def identity_of(simulator: str) -> Token:
    def token(audience: str) -> str:
        query = {"resource": audience, "api-version": "2019-08-01"}
        answer = httpx.get(f"{simulator}/identity/token", params=query, headers={"X-IDENTITY-HEADER": "local"})
        return str(answer.json()["access_token"])

    return token


def on_azurite(connection: str) -> Target:
    return Target(
        Options(host_storage="devstoreaccount1", data_storage="devstoreaccount1"),
        lambda audience: "none",
        lambda: TableServiceClient.from_connection_string(connection),
        lambda: QueueServiceClient.from_connection_string(connection),
    )


@pytest.fixture(scope="module")
def http() -> Iterator[httpx.Client]:
    with httpx.Client() as client:
        yield client


def on_simulator(simulator: str, http: httpx.Client, **options: str) -> Target:
    given = Options(**{"workspace": WORKSPACE, **options})
    return Target(given, identity_of(simulator), no_identity, no_identity, management=simulator, http=http)


def answering(answers: Callable[[httpx.Request], httpx.Response], **options: str) -> Target:
    client = httpx.Client(transport=httpx.MockTransport(answers))
    return Target(Options(**options), lambda audience: "none", no_identity, no_identity, http=client)


def found(check: str) -> Check[Target]:
    return next(item for item in ALL if item.name == check)


@pytest.fixture(scope="module")
def jobs(simulated: str, http: httpx.Client) -> Target:
    return on_simulator(simulated, http, component="customer_value:1", inputs=json.dumps(INPUTS))


# What a job does that is sent twice. The simulator is built to the assumption, so it says that the check can see it.


def test_a_job_sent_twice_is_seen_to_be_one(jobs: Target) -> None:
    finding = machine_learning.repeated_submission(jobs)

    assert finding.verdict is Verdict.CONFIRMED, finding
    assert "the job is the one that was there" in finding.seen


def test_what_comes_of_other_inputs_is_told(jobs: Target) -> None:
    finding = machine_learning.changed_submission(jobs)

    assert finding.verdict is Verdict.OBSERVED
    assert re.match(r"answered \d{3}", finding.seen)


def test_what_comes_of_a_job_without_the_second_token_is_told(jobs: Target) -> None:
    assert re.match(r"answered \d{3}", machine_learning.submission_without_second_token(jobs).seen)


def test_jobs_are_seen_with_their_statuses_and_pages(jobs: Target) -> None:
    machine_learning.repeated_submission(jobs)

    assert machine_learning.statuses(jobs).verdict is Verdict.CONFIRMED
    assert machine_learning.studio_link(jobs).verdict is Verdict.CONFIRMED


def test_jobs_are_canceled_afterwards(jobs: Target, http: httpx.Client) -> None:
    def cancellations() -> int:
        counters = http.get(f"{jobs.management}/calls").json()
        return sum(counter["calls"] for path, counter in counters.items() if path.endswith("/cancel"))

    before = cancellations()
    machine_learning.repeated_submission(jobs)
    machine_learning.changed_submission(jobs)
    machine_learning.submission_without_second_token(jobs)

    assert cancellations() == before + 3


def test_a_wrong_key_is_tried_on_an_endpoint(simulated: str, http: httpx.Client) -> None:
    target = on_simulator(simulated, http, endpoint=f"{WORKSPACE}/onlineEndpoints/language-key")

    assert machine_learning.wrong_key(target).verdict is Verdict.CONFIRMED


def test_larger_payloads_are_tried_on_an_endpoint(simulated: str, http: httpx.Client) -> None:
    target = on_simulator(simulated, http, endpoint=f"{WORKSPACE}/onlineEndpoints/language-key")

    assert machine_learning.payload_limit(target).seen.startswith("1 MiB: ")


def test_a_key_goes_to_no_other_host() -> None:
    def answer(request: httpx.Request) -> httpx.Response:
        return httpx.Response(200, json={"properties": {"scoringUri": "https://inference.ml.azure.com.evil.example/x"}})

    with pytest.raises(CheckFailed, match=r"evil\.example, which gets no key"):
        machine_learning.wrong_key(answering(answer, endpoint="/e"))


# Storage


@pytest.fixture(scope="module")
def emulator() -> Iterator[str]:
    """One of this file's own: an app on a shared one would take the messages."""
    with running_azurite() as connection:
        yield connection


@pytest.mark.parametrize("check", [item for item in storage.CHECKS if item.writes], ids=lambda check: check.name)
def test_the_emulator_holds_what_is_taken_for_granted_about_storage(emulator: str, check: Check[Target]) -> None:
    finding = check.run(on_azurite(emulator))

    assert finding.verdict is Verdict.CONFIRMED, finding


def test_nothing_is_left_in_storage(emulator: str) -> None:
    target = on_azurite(emulator)
    for check in storage.CHECKS:
        if check.writes:
            check.run(target)

    with target.tables() as tables, target.queues() as queues:
        assert [table.name for table in tables.list_tables() if table.name.startswith("verify")] == []
        assert [queue["name"] for queue in queues.list_queues() if queue["name"].startswith("verify")] == []


EVENT = json.dumps({"specversion": "1.0", "data": {"runId": "a", "runStatus": "failed", "runType": None}})


@pytest.mark.parametrize(
    ("texts", "seen"),
    [
        ([EVENT], "0 of 1 in Base64; runStatus: failed; runType: None"),
        ([base64.b64encode(EVENT.encode()).decode()], "1 of 1 in Base64; runStatus: failed; runType: None"),
        ([f"[{EVENT}]", EVENT], "0 of 2 in Base64; runStatus: failed; runType: None"),
    ],
)
def test_events_are_looked_at_where_they_lie(emulator: str, texts: list[str], seen: str) -> None:
    target = on_azurite(emulator)
    with target.queues() as service:
        queue = service.create_queue(storage.EVENTS_QUEUE)
        for text in texts:
            queue.send_message(text)

        first, again = storage.events(target).seen, storage.events(target).seen
        queue.delete_queue()

    assert first == again == seen


# The app and its host


@pytest.mark.parametrize("check", [item for item in app.CHECKS if not item.writes], ids=lambda check: check.name)
def test_the_local_host_does_as_is_taken_for_granted(bridge: Bridge, http: httpx.Client, check: Check[Target]) -> None:
    options = Options(app=f"http://127.0.0.1:{bridge.host.port}")
    target = Target(options, lambda audience: "none", no_identity, no_identity, http=http)
    local = {"no-key": Verdict.REFUTED}  # the tests' host asks for no keys

    assert check.run(target).verdict is local.get(check.name, Verdict.CONFIRMED)


# Recorded answers of Azure Resource Manager and Azure AI Search


def roles(request: httpx.Request) -> httpx.Response:
    names = {role: name for name, role in json.loads((management.INFRA / "built-in-roles.json").read_text()).items()}
    return httpx.Response(200, json={"properties": {"roleName": names[request.url.path.rpartition("/")[2]]}})


def test_roles_with_their_names_are_confirmed() -> None:
    assert management.built_in_roles(answering(roles, subscription=SUBSCRIPTION)).verdict is Verdict.CONFIRMED


def test_a_role_of_another_name_is_refuted() -> None:
    target = answering(lambda request: httpx.Response(200, json={"properties": {"roleName": "Owner"}}))

    finding = management.built_in_roles(target)

    assert finding.verdict is Verdict.REFUTED
    assert "is Owner, not Storage Blob Data Owner" in finding.seen


def operations(*left_out: str) -> Callable[[httpx.Request], httpx.Response]:
    groups = json.loads((management.INFRA / "workspace-role.json").read_text()).values()
    names = [{"name": action} for group in groups for action in group if action not in left_out]
    body = {"operations": names[:1], "resourceTypes": [{"name": "workspaces", "operations": names[1:]}]}
    return lambda request: httpx.Response(200, json=body)


def test_an_action_that_azure_does_not_know_is_refuted() -> None:
    action = "Microsoft.MachineLearningServices/workspaces/jobs/write"

    assert management.custom_role_actions(answering(operations())).verdict is Verdict.CONFIRMED
    assert management.custom_role_actions(answering(operations(action))).seen == f"unknown: {action}"


def providers(*withdrawn: str) -> Callable[[httpx.Request], httpx.Response]:
    def answer(request: httpx.Request) -> httpx.Response:
        namespace = request.url.path.rpartition("/")[2]
        kinds = [(kind, version) for name, kind, version in management.declared() if name == namespace]
        kinds += [("workspaces/jobs", "2025-12-01"), ("workspaces/jobs", "2026-09-01")]
        listed = [
            {"resourceType": kind, "apiVersions": [version for other, version in kinds if other == kind]}
            for kind in {kind for kind, _ in kinds}
        ]
        for kind in listed:
            kind["apiVersions"] = [version for version in kind["apiVersions"] if version not in withdrawn]
        return httpx.Response(200, json={"resourceTypes": listed})

    return answer


def test_a_version_of_the_template_that_is_withdrawn_is_refuted() -> None:
    assert management.template_versions(answering(providers())).verdict is Verdict.CONFIRMED
    finding = management.template_versions(answering(providers("2023-12-01")))
    assert finding == Finding(Verdict.REFUTED, "Microsoft.Insights/scheduledQueryRules@2023-12-01")


def test_the_newest_version_of_azure_machine_learning_is_told() -> None:
    finding = management.aml_version(answering(providers()))

    assert finding.seen.startswith("newest stable: 2026-09-01; not for workspaces/components")


def test_what_is_left_of_the_calls_is_told() -> None:
    headers = {"x-ms-ratelimit-remaining-subscription-reads": "249"}
    target = answering(lambda request: httpx.Response(200, json={}, headers=headers))

    assert management.throttling(target).seen == "x-ms-ratelimit-remaining-subscription-reads 249"


@pytest.mark.parametrize(("version", "verdict"), [("3.13", Verdict.CONFIRMED), ("3.12", Verdict.REFUTED)])
def test_a_region_without_this_python_is_refuted(version: str, verdict: Verdict) -> None:
    stacks = {"value": [{"properties": {"majorVersions": [{"minorVersions": [{"value": version}]}]}}]}
    target = answering(lambda request: httpx.Response(200, json=stacks), location="westeurope")

    assert management.python_on_flex(target).verdict is verdict


def test_skillsets_are_deleted_again() -> None:
    kept: set[str] = set()

    def answer(request: httpx.Request) -> httpx.Response:
        if request.method == "DELETE":
            kept.discard(request.url.path)
            return httpx.Response(204)
        skill = json.loads(request.content)["skills"][0]
        if skill.get("batchSize", 0) > 1_000 or skill.get("timeout") == "PT231S":
            return httpx.Response(400, json={"error": {"code": "InvalidRequestParameter", "message": "no"}})
        kept.add(request.url.path)
        return httpx.Response(201, json={})

    target = answering(answer, search="s")

    assert search.batch_size(target).seen == "taken: 1,000 True, 1,001 False, 5,000 False, 10,000 False"
    assert search.longest_timeout(target).verdict is Verdict.CONFIRMED
    assert search.aml_skill_in_stable(target).seen == "2026-04-01 answers 201"
    assert kept == set()


# Running them


def test_without_options_every_check_is_skipped_or_asks_the_provider_alone() -> None:
    findings = verify(answering(operations()), may_write=True, tell=lambda line: None)

    ran = [check.name for check, finding in findings if finding.verdict is not Verdict.SKIPPED]
    assert ran == ["custom-role-actions"]
    seen = {check.name: finding.seen for check, finding in findings}
    assert seen["batch-job"] == "needs --workspace and --batch-job"


def test_nothing_is_written_unless_asked_for() -> None:
    def answer(request: httpx.Request) -> httpx.Response:
        raise AssertionError(f"{request.method} {request.url}")

    target = answering(answer, search="s", workspace="/w", component="c:1")

    for check in ALL:
        if check.writes:
            given = Options(**dict.fromkeys(vars(Options()), "x")).given()
            assert run_check(check, target, given=given, may_write=False).seen == "writes; give --write"


def test_a_check_that_fails_says_why_and_no_more() -> None:
    secret = {"error": {"code": "AuthorizationFailed", "message": "user@example.com has no right"}}
    target = answering(lambda request: httpx.Response(403, json=secret), workspace="/w")

    finding = run_check(found("job-statuses"), target, given={"workspace"}, may_write=False)

    assert finding.verdict is Verdict.FAILED
    assert finding.seen == "GET /w/jobs answered 403 AuthorizationFailed"


def test_an_error_of_any_kind_ends_its_own_check_alone() -> None:
    def answer(request: httpx.Request) -> httpx.Response:
        raise httpx.ConnectError("no such host")

    finding = run_check(found("health"), answering(answer, app="https://a"), given={"app"}, may_write=False)

    assert finding == Finding(Verdict.FAILED, "ConnectError: no such host")


def _check(name: str) -> Check[Any]:
    return Check(name, f"{name} holds", f"{name} matters", lambda target: Finding(Verdict.CONFIRMED, ""))


def test_the_report_begins_with_what_is_to_be_acted_on() -> None:
    findings = [
        (_check("one"), Finding(Verdict.CONFIRMED, "as taken")),
        (_check("two"), Finding(Verdict.REFUTED, "a | b\nc")),
        (_check("three"), Finding(Verdict.SKIPPED, "writes; give --write")),
    ]

    report = markdown(findings, at=datetime(2026, 11, 22, 3, 4, tzinfo=UTC), target={"app": "https://a"}, wrote=False)

    assert report == (
        "# Assumptions about Azure, verified\n\n"
        "2026-11-22 03:04 UTC. Nothing was written.\n\n"
        "- app: `https://a`\n\n"
        "1 refuted, 1 confirmed, 1 skipped.\n\n"
        "| check | verdict | assumption | seen |\n|---|---|---|---|\n"
        "| `two` | refuted | two holds | a \\| b c |\n"
        "| `one` | confirmed | one holds | as taken |\n"
        "| `three` | skipped | three holds | writes; give --write |\n\n"
        "## To act on\n\n- `two`: two matters\n"
    )


@pytest.mark.parametrize(
    ("verdicts", "code"),
    [
        ([Verdict.CONFIRMED, Verdict.OBSERVED, Verdict.SKIPPED], 0),
        ([Verdict.CONFIRMED, Verdict.FAILED], 2),
        ([Verdict.REFUTED, Verdict.FAILED], 1),
    ],
)
def test_the_exit_code_tells_refuted_from_failed(verdicts: list[Verdict], code: int) -> None:
    assert exit_code([(_check("one"), Finding(verdict, "")) for verdict in verdicts]) == code


def test_options_are_read_from_the_command_line() -> None:
    options, given = parse(["--subscription", "s", "--host-storage", "h", "--write"])

    assert options == Options(subscription="s", host_storage="h")
    assert given.write


def test_who_is_not_signed_in_is_told_so() -> None:
    def refused(audience: str) -> str:
        raise CredentialUnavailableError("Azure CLI not found on path")

    assert not is_signed_in(refused)
    assert is_signed_in(lambda audience: "token")


def test_names_of_checks_are_unique_and_what_they_need_can_be_given() -> None:
    assert len({check.name for check in ALL}) == len(ALL)
    assert {option for check in ALL for option in check.needs} <= set(vars(Options()))


def test_the_page_lists_every_check_and_no_other() -> None:
    rows = re.findall(r"^\| `([a-z][a-z-]+)` \| ([^|]+) \|", PAGE.read_text(), re.MULTILINE)

    assert {name: text.strip() for name, text in rows} == {check.name: check.assumption for check in ALL}


def test_the_page_lists_every_option() -> None:
    options = re.findall(r"`--([a-z-]+)", PAGE.read_text())

    assert {name.replace("_", "-") for name in vars(Options())} | {"write", "report"} <= set(options)
