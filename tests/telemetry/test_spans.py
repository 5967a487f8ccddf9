"""A run and a batch as their traces tell them: the whole app, and a collector that it sends to over HTTP."""

import re
import secrets
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

import pytest

from devhost.collector import Collected, CollectedSpan, collecting
from shared.signals import METRICS
from tests.devhost.running import Reply, eventually
from tests.support.workshop import SOON, Workshop, entity_of, running_workshop, workflow

KEY = "sentinel-key-of-a-setting"
CODE = "sentinel-code-of-a-query"
TEXT = "sentinel-text-of-a-document"
CUSTOMER = "sentinel-customer-00007"
SECRETS = (KEY, CODE, TEXT, CUSTOMER, "Eby8vdM02xNO", "Bearer ", "sig=")
"""The account's key among them."""
SCORES = f"customer_id,score\n{CUSTOMER},0.5\nother,1.5\n"
REQUEST = "request-of-the-indexer"
STEPS = ("begin", "prepare job", "submit", "watch job", "plan import", "send parts", "watch parts", "publish")


def new_trace() -> str:
    return f"00-{secrets.token_hex(16)}-{secrets.token_hex(8)}-01"


@dataclass(frozen=True)
class Traced:
    """An app that tells of itself, and what it has told."""

    workshop: Workshop
    collected: Collected
    skill: str
    """The traceparent of the indexer."""
    run: str
    """The traceparent of who began the run."""

    def spans(self, traceparent: str) -> list[CollectedSpan]:
        return [span for span in self.collected.spans if span.trace == traceparent.split("-")[1]]

    @cached_property
    def of_run(self) -> list[CollectedSpan]:
        return self.spans(self.run)


@pytest.fixture(scope="module")
def traced() -> Iterator[Traced]:
    with collecting() as (address, collected):
        telemetry = {
            "OTEL_EXPORTER_OTLP_ENDPOINT": address,
            "OTEL_BSP_SCHEDULE_DELAY": "200",
            "OTEL_METRIC_EXPORT_INTERVAL": "500",
            "OTEL_SERVICE_NAME": "bridge-in-a-test",
        }
        with running_workshop(**SOON, **telemetry, SKILL_KEY_GOOD=KEY) as workshop:
            workshop.plan("traced", files={"scores.csv": SCORES})
            yield Traced(workshop, collected, new_trace(), new_trace())


@pytest.fixture(scope="module")
def batch(traced: Traced) -> list[CollectedSpan]:
    """The spans of a batch of three, at an endpoint that pushes the first call back."""
    bridge = traced.workshop.bridge
    bridge.put("traced", key="@appsetting('SKILL_KEY_GOOD')", fault="?status=503&times=1")
    reply = bridge.call(
        "POST",
        f"skills/traced?code={CODE}",
        {"values": [{"recordId": str(number), "data": {"text": f"{TEXT} {number}"}} for number in range(3)]},
        {"traceparent": traced.skill, "x-ms-client-request-id": REQUEST},
    )
    assert [value["errors"] for value in reply.json["values"]] == [[], [], []]
    return eventually(lambda: spans if len(spans := traced.spans(traced.skill)) >= 5 else [])


@pytest.fixture(scope="module")
def run(traced: Traced) -> str:
    """The id of a run that succeeded, whose output was read by customer."""
    workshop = traced.workshop
    body = workflow("traced")
    reply: Reply = workshop.bridge.call(
        "PUT", f"workflows/traced?run=true&code={CODE}", body, {"traceparent": traced.run}
    )
    run = str(reply.headers["Operation-Location"]).rpartition("/")[2]
    workshop.wait_for(run, "succeeded")
    assert len(workshop.rows("traced")) == 2
    entity = entity_of("traced")
    for path in (f"customers/{CUSTOMER}?code={CODE}", f"data/{entity}?$filter=CustomerId eq '{CUSTOMER}'"):
        assert workshop.bridge.call("GET", path.replace(" ", "%20")).status == 200
    eventually(lambda: is_whole(traced.spans(traced.run), traced.run))
    return run


def is_whole(spans: list[CollectedSpan], began: str) -> bool:
    """Its last status has come, and with each span the one above it, which ends and goes out later."""
    above = {span.id for span in spans} | {began.split("-")[2]}
    return "run.status publishing" in {span.name for span in spans} and {span.parent for span in spans} <= above


def test_a_batch_is_one_trace_from_the_indexer_to_every_call(traced: Traced, batch: list[CollectedSpan]) -> None:
    [request] = [span for span in batch if span.name == "call_skill"]
    calls = [span for span in batch if span.name == "scoring.call"]

    assert request.parent == traced.skill.split("-")[2]
    assert {span.parent for span in calls} == {request.id}
    assert request.attributes["bridge.request"] == REQUEST
    assert request.attributes["bridge.skill"] == "traced"
    assert (request.attributes["bridge.records"], request.attributes["bridge.failed"]) == (3, 0)
    assert request.attributes["http.response.status_code"] == 200


def test_each_call_tells_its_attempt_its_status_and_its_host(batch: list[CollectedSpan]) -> None:
    calls = [span for span in batch if span.name == "scoring.call"]
    told = sorted((span.attributes["bridge.attempt"], span.attributes["http.response.status_code"]) for span in calls)

    assert told == [(1, 200), (1, 200), (1, 503), (2, 200)]
    assert {span.kind for span in calls} == {"client"}
    assert {span.attributes["server.address"] for span in calls} == {"127.0.0.1"}
    assert [span.error for span in calls if span.attributes["http.response.status_code"] == 503] == [
        "EndpointUnavailable"
    ]


def test_a_run_is_one_trace_from_the_request_to_the_published_rows(traced: Traced, run: str) -> None:
    spans = {span.id: span for span in traced.of_run}
    names = {span.name for span in spans.values()}
    [request] = [span for span in spans.values() if span.name == "put_workflow"]
    [begin] = [span for span in spans.values() if span.name == "run.begin"]

    assert request.parent == traced.run.split("-")[2]
    assert begin.parent == request.id
    assert {f"run.step {step}" for step in STEPS} | {"run.part", "advance_run", "import_part"} <= names
    assert {span.id for span in spans.values() if span.parent not in spans} == {request.id}


def test_every_step_and_part_leads_up_to_the_beginning_of_the_run(traced: Traced, run: str) -> None:
    spans = {span.id: span for span in traced.of_run}
    [begin] = [span for span in spans.values() if span.name == "run.begin"]

    def above(span: CollectedSpan) -> list[str]:
        return [] if span.parent not in spans else [span.parent, *above(spans[span.parent])]

    for span in spans.values():
        if span.name.startswith(("run.step", "run.part", "run.status")):
            assert begin.id in above(span), span
            assert span.attributes["bridge.run"] == run
            assert span.attributes["bridge.workflow"] == "traced"


def test_the_calls_to_azure_stand_below_the_steps_that_made_them(traced: Traced, run: str) -> None:
    spans = {span.id: span for span in traced.of_run}
    sent = [span for span in spans.values() if span.name == "azure.call PUT workspaces/jobs"]

    assert [spans[span.parent].name for span in sent] == ["run.step submit"]
    assert (sent[0].kind, sent[0].attributes["http.response.status_code"]) == ("client", 201)


def test_a_run_tells_how_long_it_was_in_each_status(traced: Traced, run: str) -> None:
    told = {span.name: span for span in traced.of_run if span.name.startswith("run.status")}

    assert sorted(told, key=lambda name: told[name].began) == [
        f"run.status {status}" for status in ("queued", "running", "importing", "publishing")
    ]
    assert told["run.status queued"].ended == pytest.approx(told["run.status running"].began)


def test_a_message_links_what_it_woke_to_the_hosts_own_trace(traced: Traced, run: str) -> None:
    woken = [span for span in traced.of_run if span.kind == "consumer"]

    assert woken
    for span in woken:
        [(trace, _)] = span.links
        assert trace != span.trace


def test_the_part_tells_what_came_of_it(traced: Traced, run: str) -> None:
    imported = [span for span in traced.of_run if span.attributes.get("bridge.outcome") == "imported"]

    assert [(span.name, span.attributes["bridge.part"], span.attributes["bridge.records"]) for span in imported] == [
        ("run.part", 0, 2)
    ]


def test_the_metrics_have_the_names_units_and_attributes_that_are_declared(
    traced: Traced, batch: list[CollectedSpan], run: str
) -> None:
    workshop, declared = traced.workshop, {metric.name: metric for metric in METRICS}
    workshop.bridge.host.call("POST", "/admin/functions/schedule_tick", b"{}", {"Content-Type": "application/json"})
    wanted = declared.keys() - {"bridge.poison"}
    eventually(lambda: wanted <= {metric.name for metric in traced.collected.metrics})

    for metric in traced.collected.metrics:
        assert metric.unit == declared[metric.name].unit
        for attributes, _ in metric.points:
            assert attributes.keys() <= {str(name) for name in declared[metric.name].attributes}
    latest = traced.collected.latest
    assert latest("bridge.runs")["bridge.run.status=succeeded,bridge.workflow=traced"] == 1
    assert latest("bridge.rows")["bridge.outcome=imported,bridge.workflow=traced"] == 2
    assert latest("bridge.scoring.calls")["bridge.outcome=Answered,bridge.skill=traced"] == 3
    assert latest("bridge.scoring.retries")["bridge.skill=traced"] == 1
    assert latest("bridge.limiter.closed") == {"bridge.endpoint=127.0.0.1": 0}
    assert 0 <= latest("bridge.entity.age")[f"bridge.entity={entity_of('traced')},bridge.workflow=traced"] < 120


def test_telemetry_says_which_app_it_is_of(traced: Traced, batch: list[CollectedSpan]) -> None:
    assert {resource["service.name"] for resource in traced.collected.resources} == {"bridge-in-a-test"}


def test_log_lines_name_the_request_the_run_and_the_trace(traced: Traced, batch: list[CollectedSpan], run: str) -> None:
    host = traced.workshop.bridge.host
    skill_trace, run_trace = (parent.split("-")[1] for parent in (traced.skill, traced.run))

    assert host.lines("batch_scored", f"request={REQUEST}", f"trace={skill_trace}")
    assert host.lines("part_imported", f"run={run}", f"trace={run_trace}")
    assert host.lines("run_ended", f"run={run}", f"trace={run_trace}")


def test_no_secret_leaves_with_telemetry_or_log_lines(traced: Traced, batch: list[CollectedSpan], run: str) -> None:
    host = traced.workshop.bridge.host
    lines = [line for line in [*host.log, *host.out] if not line.startswith("devhost ")]
    sent = b"".join(traced.collected.bodies)

    assert len(lines) > 10
    assert len(sent) > 1000
    for secret in SECRETS:
        assert [line for line in lines if secret in line] == []
        assert secret.encode() not in sent


def test_every_line_of_ours_is_an_event_with_fields(traced: Traced, batch: list[CollectedSpan], run: str) -> None:
    event = re.compile(r"[a-z]+(_[a-z]+)*( [a-z_]+=('[^']*'|\"[^\"]*\"|\S+))*")
    ours = [line for line in traced.workshop.bridge.host.log if re.search(r"(\.User|bridge\.\w+)( \[\w+\])?: ", line)]

    assert ours
    for line in ours:
        assert event.fullmatch(re.split(r": ", line, maxsplit=1)[1]), line
