"""One of each request that the API takes, in an order that makes sense, to a running app."""

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any

from tests.devhost.running import Reply
from tests.support.workshop import Workshop, make_queue, run_in

SCORES = (
    "customer_id,frequency,recency,expected_purchases,probability_alive\n"
    "00001,3,49.43,1.24,0.97\n00002,1,1.71,0.17,0.68\n00003,0,0.0,0.2,1.0\n"
)
WORKFLOW = {
    "connection": "contoso",
    "pipeline": "customer_value",
    "outputPath": "outputs/value",
    "outputDatastore": "workspaceblobstore",
    "outputEntity": "CustomerValue",
    "primaryKey": "customer_id",
    "customerId": "customer_id",
    "requiredData": {"transactions": {"path": "azureml://datastores/workspaceblobstore/paths/samples/few.csv"}},
    "schedule": {"cron": "0 6 * * *", "timeZone": "Europe/Berlin"},
}
_PATIENCE = 60.0


def _in_a_year() -> str:
    return f"{datetime.now(UTC) + timedelta(days=365):%Y-%m-%dT00:00:00Z}"


@dataclass(frozen=True)
class Exchange:
    operation: str
    """Its id."""
    request: Any
    reply: Reply


def conversation(workshop: Workshop) -> Iterator[Exchange]:
    """Lasts some seconds: a run has to end."""
    talk = _Talk(workshop)
    yield from talk.skills()
    yield from talk.connections()
    yield from talk.workflows()
    yield from talk.data()
    yield from talk.entities()
    yield from talk.ends()


class _Talk:
    def __init__(self, workshop: Workshop) -> None:
        self._workshop = workshop
        self._run = ""

    def _ask(self, operation: str, method: str, path: str, body: Any = None, **headers: str) -> Exchange:
        """`path` is relative to `/api/`, unless it begins with a slash."""
        given = {name.replace("_", "-"): value for name, value in headers.items()}
        bridge = self._workshop.bridge
        if isinstance(body, str):
            reply = bridge.call(method, path, body.encode(), {"Content-Type": "text/plain", **given}, raw=True)
        elif path.startswith("/"):
            reply = bridge.host.call(method, path)
        else:
            reply = bridge.call(method, path, body, given)
        return Exchange(operation, body, reply)

    def _until(self, is_so: Callable[[], bool]) -> None:
        end = time.monotonic() + _PATIENCE
        while not is_so():
            assert time.monotonic() < end
            time.sleep(0.1)

    def skills(self) -> Iterator[Exchange]:
        definition = {
            "@odata.type": "#Microsoft.Skills.Custom.AmlSkill",
            "description": "Detects a document's language.",
            "context": "/document",
            "uri": f"{self._workshop.bridge.simulator}/score",
            "inputs": [{"name": "text", "source": "/document/content"}],
            "outputs": [{"name": "detected_language_code", "targetName": "language"}],
            "timeout": "PT20S",
            "degreeOfParallelism": 5,
            "gateway": {"retries": 2},
        }
        text = "All human beings are born free and equal in dignity and rights."
        yield self._ask("put_skill", "PUT", "skills/language", definition)
        yield self._ask("get_skill", "GET", "skills/language")
        yield self._ask("list_skills", "GET", "skills")
        records = {"values": [{"recordId": "1", "data": {"text": text}}, {"recordId": "2", "data": {"text": None}}]}
        yield self._ask("call_skill", "POST", "skills/language", records)
        yield self._ask("score_skill", "POST", "skills/language/score", {"text": text})
        yield self._ask("enrich_skill", "POST", "skills/language/enrich", {"documents": [{"content": text}]})
        yield self._ask("web_api_skill_of", "GET", "skills/language/web-api-skill")
        yield self._ask("skill_stats", "GET", "skills/language/stats")

    def connections(self) -> Iterator[Exchange]:
        workspace = self._workshop.bridge.call("GET", "connections/local").json
        document = {"tenant": workspace["tenant"], "workspace": workspace["workspace"], "consent": True}
        yield self._ask("get_consent", "GET", "consent")
        yield self._ask("put_connection", "PUT", "connections/contoso", document)
        self._workshop.bridge.call("DELETE", "connections/local")
        yield self._ask("get_connection", "GET", "connections/contoso")
        yield self._ask("list_connections", "GET", "connections")
        yield self._ask("list_pipelines", "GET", "connections/contoso/pipelines")
        yield self._ask("list_datastores", "GET", "connections/contoso/datastores")

    def workflows(self) -> Iterator[Exchange]:
        yield self._ask("put_workflow", "PUT", "workflows/customer-value", WORKFLOW)
        yield self._ask("patch_workflow", "PATCH", "workflows/customer-value", {"quality": {"minRows": 2}})
        self._workshop.plan("customer-value", files={"scores.csv": SCORES})
        begun = self._ask("refresh_workflow", "POST", "workflows/customer-value/refresh", Operation_Id="a-guid")
        self._run = run_in(begun.reply)
        yield begun
        self._workshop.wait_for(self._run, "succeeded")
        yield self._ask("get_run", "GET", f"runs/{self._run}")
        yield self._ask("list_runs", "GET", "runs?status=succeeded")
        yield self._ask("list_workflow_runs", "GET", "workflows/customer-value/runs")
        yield self._ask("get_workflow", "GET", "workflows/customer-value")
        yield self._ask("list_workflows", "GET", "workflows")
        again = self._ask("import_run", "POST", f"runs/{self._run}/import")
        yield again
        self._workshop.wait_for(run_in(again.reply), "succeeded")
        yield from self._decisions()

    def _decisions(self) -> Iterator[Exchange]:
        """Held runs: published, discarded; and one that is canceled."""
        for operation, path in (("publish_run", "publish"), ("discard_run", "discard")):
            self._workshop.plan(
                "customer-value",
                files={"scores.csv": SCORES.splitlines(keepends=True)[0] + "00001,3,49.43,1.24,0.97\n"},
            )
            held = run_in(self._workshop.refresh("customer-value"))
            self._workshop.wait_for(held, "held")
            yield self._ask(operation, "POST", f"runs/{held}/{path}")
            self._until(partial(self._is_decided, held))
        self._workshop.plan("customer-value", fault="queuedForEver", files={"scores.csv": SCORES})
        active = run_in(self._workshop.refresh("customer-value"))
        self._workshop.wait_for(active, "running")
        self._until(lambda: self._workshop.run(active)["job"].get("status") == "Queued")
        yield self._ask("cancel_run", "POST", f"runs/{active}/cancel")
        self._workshop.wait_for(active)

    def _is_decided(self, run: str) -> bool:
        return self._workshop.run(run)["status"] in ("succeeded", "canceled")

    def data(self) -> Iterator[Exchange]:
        yield self._ask("get_data_service", "GET", "data")
        yield self._ask("get_data_metadata", "GET", "data/$metadata")
        yield self._ask(
            "get_data_rows", "GET", "data/CustomerValue?$orderby=probability_alive%20desc&$top=2&$count=true"
        )
        yield self._ask("get_data_row", "GET", "data/CustomerValue('00001')")
        yield self._ask("get_data_count", "GET", "data/CustomerValue/$count")
        yield self._ask(
            "query_data", "POST", "data/CustomerValue/$query", "$filter=CustomerId eq '00001'&$select=probability_alive"
        )
        yield self._ask(
            "get_instance_data", "GET", "/v1/instances/contoso/data/CustomerValue%3Ffilter%3DCustomerId%20eq%20'00001'"
        )
        yield self._ask("get_customer", "GET", "customers/00001")
        yield self._ask(
            "look_up_customers", "POST", "customers/lookup", {"customerIds": ["00001"], "select": ["frequency"]}
        )

    def entities(self) -> Iterator[Exchange]:
        yield self._ask("get_entities", "GET", "entities")
        yield self._ask("roll_back_entity", "POST", "entities/CustomerValue/rollback")
        yield self._ask("unpin_entity", "POST", "entities/CustomerValue/unpin")
        yield self._ask("get_entity", "GET", "entities/CustomerValue")
        yield self._ask("rebuild_entity", "POST", "entities/CustomerValue/rebuild")
        yield self._ask("get_rejects", "GET", "entities/CustomerValue/rejects")
        yield self._ask("erase_customer", "DELETE", "customers/00001")
        yield self._ask("lift_tombstone", "DELETE", "customers/00001/tombstone")
        yield self._ask("create_reader_key", "POST", "reader-keys", {"name": "power-bi", "expiresAt": _in_a_year()})
        yield self._ask("list_reader_keys", "GET", "reader-keys")
        yield self._ask("get_reader_key", "GET", "reader-keys/power-bi")
        yield self._ask("revoke_reader_key", "DELETE", "reader-keys/power-bi")

    def ends(self) -> Iterator[Exchange]:
        make_queue(self._workshop.account, "workflow-refresh-poison")
        self._workshop.send("workflow-refresh-poison", "churn")
        self._until(lambda: bool(self._workshop.bridge.call("GET", "poison").json["value"]))
        listed = self._ask("list_poison", "GET", "poison")
        yield listed
        yield self._ask("redrive_poison", "POST", f"poison/{listed.reply.json['value'][0]['id']}/redrive")
        yield self._ask("doctor", "GET", "doctor?connection=contoso")
        yield self._ask("export_configuration", "GET", "export")
        document = {"version": 1, "workflows": {"customer-value": {**WORKFLOW, "outputPath": "outputs/${FOLDER}"}}}
        body = {"document": document, "variables": {"FOLDER": "prod"}}
        yield self._ask("import_configuration", "POST", "import?dryRun=true", body)
        yield self._ask("health", "GET", "health")
        yield self._ask("home", "GET", "/")
        yield self._ask("api_page", "GET", "docs")
        yield self._ask("api_document", "GET", "openapi.json")
        yield self._ask("delete_workflow", "DELETE", "workflows/customer-value")
        yield self._ask("delete_entity", "DELETE", "entities/CustomerValue")
        yield self._ask("delete_connection", "DELETE", "connections/contoso")
        yield self._ask("delete_skill", "DELETE", "skills/language")
