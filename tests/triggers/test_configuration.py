"""`GET /api/export` and `POST /api/import`, through the host, table storage and the simulator's workspaces."""

import json
from collections.abc import Iterator
from typing import Any

import pytest

from tests.devhost.running import Reply
from tests.support.azurite import running_azurite
from tests.support.bridge import INPUTS_AND_OUTPUTS, Bridge, running_bridge
from tests.triggers.test_connections import TENANT, connection, workspace
from tests.triggers.test_skills import error_of
from tests.triggers.test_workflows import workflow

KEY = "@appsetting('SKILL_KEY_GOOD')"
LITERAL = "sentinel-literal-key"


@pytest.fixture(scope="module")
def app(simulated: str) -> Iterator[Bridge]:
    """One of this file's own: its imports are of all that is there."""
    with (
        running_azurite() as account,
        running_bridge(account, simulated, SKILL_KEY_GOOD="sentinel", CONFIG_TENANT=TENANT) as bridge,
    ):
        yield bridge


@pytest.fixture
def configured(app: Bridge) -> dict[str, Any]:
    """What is there when a test begins; the document of it."""
    document = {
        "version": 1,
        "skills": {"language": skill(app), "Keyed": skill(app, key=KEY)},
        "connections": {"wf": connection()},
        "workflows": {"value": workflow(), "draft": workflow(outputEntity="Draft", requiredData={})},
    }
    send(app, document, "?prune=true")
    return document


def skill(app: Bridge, **members: Any) -> dict[str, Any]:
    return {**INPUTS_AND_OUTPUTS, "uri": f"{app.simulator}/score/configured", **members}


def send(app: Bridge, document: Any, query: str = "", **headers: str) -> dict[str, Any]:
    reply = app.call(
        "POST", f"import{query}", document, {name.replace("_", "-"): text for name, text in headers.items()}
    )
    assert reply.status == 200, reply.body
    told: dict[str, Any] = reply.json
    return told


def refused(app: Bridge, document: Any, query: str = "") -> dict[str, Any]:
    """The error; and nothing has changed."""
    before = app.call("GET", "export").headers["ETag"]
    reply = app.call("POST", f"import{query}", document)
    assert reply.status == 400, reply.body
    assert app.call("GET", "export").headers["ETag"] == before
    return error_of(reply)


def export(app: Bridge, query: str = "") -> dict[str, Any]:
    found: dict[str, Any] = app.call("GET", f"export{query}").json
    return found


def actions(told: dict[str, Any]) -> dict[str, str]:
    """Of what does not stay."""
    return {
        f"{step['kind']} {step['name']}": step["action"] for step in told["resources"] if step["action"] != "unchanged"
    }


def targets(error: dict[str, Any]) -> list[str]:
    return [detail["target"] for detail in error["details"]]


def test_an_export_holds_what_a_put_takes_in_one_order(app: Bridge, configured: dict[str, Any]) -> None:
    reply = app.call("GET", "export")

    document = reply.json
    assert list(document) == ["version", "exportedAt", "skills", "connections", "workflows"]
    assert {**document, "exportedAt": None} == {**configured, "exportedAt": None}
    assert list(document["skills"]) == ["Keyed", "language"]
    assert list(document["workflows"]["value"]) == sorted(document["workflows"]["value"])
    assert reply.body.startswith(b'{\n  "version": 1,\n')


def test_an_export_sent_back_changes_nothing(app: Bridge, configured: dict[str, Any]) -> None:
    before = app.call("GET", "export")

    told = send(app, before.json, "?prune=true")

    assert told["counts"] == {"create": 0, "update": 0, "unchanged": 5, "delete": 0}
    assert app.call("GET", "export").headers["ETag"] == before.headers["ETag"]


def test_an_export_with_variables_is_an_import_that_changes_nothing(app: Bridge, configured: dict[str, Any]) -> None:
    resource = f"{workspace()}/onlineEndpoints/language-aad-token"
    app.call("PUT", "skills/managed", {**INPUTS_AND_OUTPUTS, "resourceId": resource})

    exported = export(app, "?parameterize=true")

    host = app.simulator.removeprefix("http://")
    assert exported["variables"] == {"HOST": host, "TENANT": TENANT, "WORKSPACE": workspace()}
    document = exported["document"]
    assert document["connections"]["wf"] == {"consent": True, "tenant": "${TENANT}", "workspace": "${WORKSPACE}"}
    assert document["skills"]["managed"]["resourceId"] == "${WORKSPACE}/onlineEndpoints/language-aad-token"
    assert document["skills"]["language"]["uri"] == "http://${HOST}/score/configured"
    assert actions(send(app, exported, "?prune=true")) == {}


def test_the_same_document_goes_to_another_environment(app: Bridge, configured: dict[str, Any]) -> None:
    document = {
        **configured,
        "skills": {},
        "workflows": {
            "value": workflow(
                outputPath="${FOLDER}/value",
                schedule={"cron": "0 6 * * *", "enabled": "${SCHEDULED}"},
                timeout="PT${HOURS}H",
            )
        },
    }

    told = send(app, {"document": document, "variables": {"FOLDER": "prod", "SCHEDULED": False, "HOURS": 2}})

    assert actions(told) == {"workflow value": "update"}
    [step] = [step for step in told["resources"] if step["name"] == "value"]
    assert step["changes"] == [
        {"path": "outputPath", "old": "outputs/value", "new": "prod/value"},
        {"path": "schedule", "new": {"cron": "0 6 * * *", "enabled": False}},
        {"path": "timeout", "new": "PT2H"},
    ]
    assert app.call("GET", "workflows/value").json["outputPath"] == "prod/value"


def test_variables_come_from_app_settings_too(app: Bridge, configured: dict[str, Any]) -> None:
    document = {"version": 1, "connections": {"wf": connection(tenant="${TENANT}")}}

    assert actions(send(app, document)) == {}


def test_all_variables_without_a_value_are_told_at_once_with_their_places(
    app: Bridge, configured: dict[str, Any]
) -> None:
    document = {
        "version": 1,
        "connections": {"wf": connection(workspace="${WORKSPACE}")},
        "workflows": {"value": workflow(outputPath="${FOLDER}/a", customerId="${FOLDER}")},
    }

    error = refused(app, document)

    assert error["code"] == "InvalidConfiguration"
    assert "FOLDER, WORKSPACE" in error["message"]
    assert error["details"][0]["message"] == (
        "${FOLDER} has no value; it stands at workflows.value.outputPath, workflows.value.customerId"
    )
    assert targets(error) == ["workflows.value.outputPath", "connections.wf.workspace"]


def test_every_fault_is_told_with_its_place_and_nothing_is_written(app: Bridge, configured: dict[str, Any]) -> None:
    document = {
        "version": 1,
        "skills": {
            "language": skill(app, timeout="PT1S"),
            "1st": skill(app),
            "wrong": skill(app, timout="PT1S", degreeOfParallelism=0),
            "keyless": skill(app, key="***"),
        },
        "connections": {
            "mute": connection(consent=False),
            "abroad": connection(tenant="00000000-0000-0000-0000-00000000000f"),
        },
        "workflows": {
            "value": workflow(outputDatastore="nowhere"),
            "other": workflow(outputEntity="Draft"),
            "lost": workflow(connection="nobody"),
            "behind": workflow(connection="mute", outputEntity="Behind", customerId=7),
        },
    }

    error = refused(app, document)

    assert sorted(targets(error)) == [
        "connections.abroad.tenant",
        "connections.mute.consent",
        "skills.1st",
        "skills.keyless.key",
        "skills.wrong.timout",
        "workflows.behind.customerId",
        "workflows.lost.connection",
        "workflows.other.outputEntity",
        "workflows.value.outputDatastore",
    ]


@pytest.mark.parametrize(
    ("document", "target", "says"),
    [
        ([], None, "is a JSON object"),
        ({}, "version", "must be 1"),
        ({"version": 2}, "version", "must be 1"),
        ({"version": 1, "workflow": {}}, "workflow", "did you mean 'workflows'?"),
        ({"version": 1, "skills": []}, "skills", "an object of definitions by name"),
        ({"version": 1, "skills": {"a": 7}}, "skills.a", "must be an object"),
        ({"version": 1, "skills": {"a": {}, "A": {}}}, "skills.A", "is the same name as 'a'"),
        ({"version": 1, "skills": {"a": {"uri": "${a b}"}}}, "skills.a.uri", "write $${"),
        ({"document": {"version": 1}, "variables": {"a b": "1"}}, "variables.a b", "starts with no digit"),
        ({"document": {"version": 1}, "variables": {"a": {}}}, "variables.a", "must be a string"),
        ({"document": {"version": 1}, "values": {}}, "values", "did you mean 'variables'?"),
        ({"document": 7}, "document", "is a JSON object"),
    ],
)
def test_what_is_no_document_is_refused(app: Bridge, document: Any, target: str | None, says: str) -> None:
    error = refused(app, document)

    assert error.get("target") == target
    assert says in error["message"]


def test_an_import_has_at_most_4_mib(app: Bridge) -> None:
    body = b'{"version": 1, "skills": {' + b" " * (4 * 1024 * 1024) + b"}}"

    reply = app.call("POST", "import", body, raw=True)

    assert (reply.status, error_of(reply)["code"]) == (413, "PayloadTooLarge")


def test_a_dry_run_tells_what_would_change_and_writes_nothing(app: Bridge, configured: dict[str, Any]) -> None:
    before = app.call("GET", "export").headers["ETag"]
    document = {
        "version": 1,
        "skills": {"language": skill(app, timeout="PT9S"), "new": skill(app)},
        "connections": {"wf": connection(), "other": connection()},
        "workflows": {"value": workflow(connection="other"), "Draft": workflow(outputEntity="Draft", requiredData={})},
    }

    told = send(app, document, "?dryRun=true&prune=true")

    assert told["dryRun"] is True
    assert actions(told) == {
        "skill language": "update",
        "skill new": "create",
        "connection other": "create",
        "workflow value": "update",
        "skill Keyed": "delete",
    }
    assert app.call("GET", "export").headers["ETag"] == before
    done = send(app, document, "?prune=true")
    assert done == {**told, "dryRun": False}
    assert set(export(app)["skills"]) == {"language", "new"}


def test_an_import_is_logged_by_its_counts_alone(app: Bridge, configured: dict[str, Any]) -> None:
    send(app, {"version": 1, "skills": {"language": skill(app, key=LITERAL)}})

    lines = [line for line in app.host.log if "configuration_imported" in line]
    told = lines[-1].partition("configuration_imported ")[2].partition(" request=")[0]
    assert told == "create=0 update=1 unchanged=0 delete=0"
    assert LITERAL not in "".join(app.host.log)


def test_without_prune_nothing_goes_and_with_it_only_of_kinds_that_the_document_has(
    app: Bridge, configured: dict[str, Any]
) -> None:
    assert actions(send(app, {"version": 1, "skills": {}})) == {}
    assert actions(send(app, {"version": 1, "skills": {}}, "?prune=true")) == {
        "skill Keyed": "delete",
        "skill language": "delete",
    }
    assert app.call("GET", "skills/language").status == 404
    assert set(export(app)["workflows"]) == {"draft", "value"}


def test_prune_drops_workflows_before_their_connection(app: Bridge, configured: dict[str, Any]) -> None:
    told = send(app, {"version": 1, "connections": {}, "workflows": {}}, "?prune=true")

    assert actions(told) == {"workflow draft": "delete", "workflow value": "delete", "connection wf": "delete"}


def test_a_connection_in_use_is_not_pruned(app: Bridge, configured: dict[str, Any]) -> None:
    error = refused(app, {"version": 1, "connections": {}}, "?prune=true")

    assert (error["details"][0]["code"], targets(error)) == ("Conflict", ["connections.wf"])


def test_an_entity_changes_hands_within_one_import(app: Bridge, configured: dict[str, Any]) -> None:
    document = {
        "version": 1,
        "workflows": {"a": workflow(), "value": workflow(outputEntity="Another")},
    }

    assert actions(send(app, document)) == {"workflow value": "update", "workflow a": "create"}


def test_a_workflow_is_renamed_by_prune(app: Bridge, configured: dict[str, Any]) -> None:
    told = send(app, {"version": 1, "workflows": {"renamed": workflow()}}, "?prune=true")

    assert actions(told)["workflow renamed"] == "create"


def test_keys_stay_references_and_literals_stay_where_they_are(app: Bridge, configured: dict[str, Any]) -> None:
    app.call("PUT", "skills/literal", skill(app, key=LITERAL))

    reply = app.call("GET", "export")

    assert reply.json["skills"]["Keyed"]["key"] == KEY
    assert reply.json["skills"]["literal"]["key"] == "***"
    assert LITERAL not in reply.body.decode()
    assert actions(send(app, reply.json)) == {}
    app.call("DELETE", "skills/literal")
    error = refused(app, reply.json)
    assert targets(error) == ["skills.literal.key"]
    assert "@appsetting('SKILL_KEY_<NAME>')" in error["message"]


def test_a_literal_key_is_shown_by_no_answer(app: Bridge, configured: dict[str, Any]) -> None:
    document = {"version": 1, "skills": {"language": skill(app, key=LITERAL)}}

    reply = app.call("POST", "import", document)
    other = app.call(
        "POST", "import?dryRun=true", {**document, "skills": {"language": skill(app, key="other-literal")}}
    )

    assert reply.json["resources"][0]["changes"] == [{"path": "key", "new": "***"}]
    assert other.json["resources"][0]["changes"] == [{"path": "key", "old": "***", "new": "***"}]
    assert actions(send(app, document)) == {}
    assert b"literal" not in reply.body + other.body


def test_if_match_imports_only_what_was_looked_at(app: Bridge, configured: dict[str, Any]) -> None:
    looked_at = app.call("GET", "export").headers["ETag"]
    app.call("PUT", "skills/language", skill(app, timeout="PT3S"))

    reply = app.call("POST", "import", configured, {"If-Match": looked_at})

    assert (reply.status, error_of(reply)["code"]) == (412, "PreconditionFailed")


def test_a_skill_that_was_imported_is_served_as_imported(app: Bridge, configured: dict[str, Any]) -> None:
    app.enrich("language", "Hello")
    send(app, {"version": 1, "skills": {"language": skill(app, outputs=[{"name": "other"}])}})

    reply: Reply = app.enrich("language", "Hello")

    assert "other" in json.dumps(reply.json)


def test_a_newer_pipeline_is_taken_when_the_document_names_it(app: Bridge, configured: dict[str, Any]) -> None:
    told = send(app, {"version": 1, "workflows": {"value": workflow(pipeline="customer_value:1")}}, "?dryRun=true")

    [step] = told["resources"]
    assert step["changes"] == [
        {"path": "pipeline", "old": "customer_value", "new": "customer_value:1"},
        {"path": "pipelineVersion", "old": "2", "new": "1"},
    ]
