"""What the Bicep files make and what the code uses carry the same names."""

import json
import re
import subprocess
import sys
from collections.abc import Iterator
from functools import cache
from typing import Any

import pytest

from shared import signals
from shared.settings import Settings
from shared.telemetry.insights import KEPT_AS
from shared.workflows.permissions import missing
from shared.workflows.runs import RunStatus
from shared.workflows.scheduling import TickReport
from shared.workflows.workspaces import Permission
from tests.infra.bicep import FILES, INFRA, MAIN, template

ROOT = INFRA.parent
APP = INFRA / "modules" / "function-app.bicep"
ALERTS = INFRA / "modules" / "alerts.bicep"
STORAGE = INFRA / "modules" / "storage-account.bicep"
SOURCES = [ROOT / "function_app.py", *sorted((ROOT / "shared").rglob("*.py"))]
PROVIDER = "Microsoft.MachineLearningServices/workspaces"
# Microsoft Learn, Azure built-in roles.
BUILT_IN_ROLES = {
    "AzureML Data Scientist": "f6c7c914-8db3-469d-8ca1-694a8f32e121",
    "Monitoring Metrics Publisher": "3913510d-42f4-4e42-8a64-420c390055eb",
    "Storage Blob Data Contributor": "ba92f5b4-2d11-453d-a403-e96b0029c9fe",
    "Storage Blob Data Owner": "b7e6dc6d-f1e8-4753-8033-0f276bb0955b",
    "Storage Queue Data Contributor": "974c5e8b-45b9-4653-ba55-5f855dd0fb88",
    "Storage Queue Data Message Sender": "c6a89b2d-59bc-44d0-9896-0f6e12d7b80a",
    "Storage Table Data Contributor": "0a9a7e1f-b9d0-4cc4-a60d-0319b160aaa3",
}
# The platform's own: the host reads them, and the telemetry exporters do.
PLATFORM_SETTINGS = {
    "APPLICATIONINSIGHTS_AUTHENTICATION_STRING",
    "APPLICATIONINSIGHTS_CONNECTION_STRING",
    "AzureWebJobsStorage__clientId",
    "AzureWebJobsStorage__credential",
}
APP_ROLES = {"Bridge.Admin", "Bridge.Operator", "Bridge.Reader", "Bridge.Skill"}
METRICS = {
    "bridge.entity.age",
    "bridge.limiter.closed",
    "bridge.poison",
    "bridge.rows",
    "bridge.runs",
    "bridge.schedule.tick",
    "bridge.scoring.calls",
    "bridge.scoring.duration",
    "bridge.scoring.queue_wait",
    "bridge.scoring.retries",
    "bridge.scoring.window",
}
_SIGNALS = """
import json
from shared import signals
print(json.dumps([[m.name for m in signals.METRICS], [a.value for a in signals.Attributes]]))
"""
_METRICS_OF_MANY = {metric.name for metric in signals.METRICS if metric.kind is signals.Kind.HISTOGRAM}
_FUNCTIONS = """
import json
import function_app
functions = function_app.create_app().get_functions()
print(json.dumps({f.get_function_name(): f.get_trigger().get_dict_repr() for f in functions}, default=str))
"""


def loaded(name: str) -> Any:
    return json.loads((INFRA / name).read_text())


def in_sources(pattern: str, folder: str = "") -> set[str]:
    files = [path for path in SOURCES if str(path).startswith(str(ROOT / folder))]
    return {found for path in files for found in re.findall(pattern, path.read_text())}


def storage(module: str) -> dict[str, Any]:
    parameters: dict[str, Any] = next(body["params"] for name, _, body in template(MAIN).modules() if name == module)
    return parameters


def resolved(values: list[str]) -> set[str]:
    """Names of variables of main.bicep stand for what is in them."""
    variables = template(MAIN).variables
    return {variables.get(value, value) for value in values}


@cache
def _printed(code: str) -> Any:
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    return json.loads(done.stdout)


def test_every_queue_of_the_code_is_made_and_no_other() -> None:
    made = resolved(storage("hostStorage")["queues"])
    triggers = {trigger["queueName"] for trigger in _printed(_FUNCTIONS).values() if "queueName" in trigger}

    assert made == in_sources(r'(?m)^[A-Z]\w*_QUEUE = "([a-z-]+)"')
    assert triggers <= made | {f"{name}-poison" for name in made}
    assert template(STORAGE).variables["poisonQueues"]["config"] == "${queue}-poison"


def test_every_table_of_the_code_is_made_and_no_other() -> None:
    assert set(storage("dataStorage")["tables"]) == in_sources(r'"(bridge[a-z]+)"', "shared/storage")


def test_every_container_of_the_code_is_made() -> None:
    made = set(storage("dataStorage")["containers"])

    assert made == in_sources(r'(?m)^(?:[A-Z]\w*_)?CONTAINER = "([a-z-]+)"') | {"bridge-config"}


def test_former_versions_go_from_every_container_and_soon_from_the_one_with_customers_rows() -> None:
    terms = {term["container"]: term["days"] for term in storage("dataStorage")["versionDays"]}

    assert terms == {"bridge": 1, "bridge-config": "configVersionDays"}
    assert set(terms) == set(storage("dataStorage")["containers"])


def test_storage_is_opened_by_identities_alone() -> None:
    properties = template(STORAGE).resource("account")["properties"]

    assert properties["allowSharedKeyAccess"] is False
    assert properties["allowBlobPublicAccess"] is False
    assert properties["minimumTlsVersion"] == "TLS1_2"
    assert properties["supportsHttpsTrafficOnly"] is True


def settings() -> dict[str, str]:
    """The app settings as deployed, with examples for what comes from parameters."""
    variables = template(APP).variables
    chosen = variables["hostStorageSettings"]["operator"]["operands"]["true_value"]
    examples = {
        "connectionClientId": "",
        "dataAccountName": "stdata",
        "hostAccountName": "sthost",
        "identityClientId": "00000000-0000-0000-0000-000000000001",
        "telemetryConnectionString": "InstrumentationKey=0",
    }
    calls = {
        "AZURE_CLOUD": "AzureCloud",
        "AZURE_TENANT_ID": "00000000-0000-0000-0000-0000000000aa",
        "STORAGE_SUFFIX": "core.windows.net",
    }
    written = {**variables["settings"], **chosen}
    return {name: calls.get(name) or examples.get(str(value), str(value)) for name, value in written.items()}


def test_app_settings_are_such_as_the_app_or_the_platform_reads() -> None:
    other = set(template(APP).variables["hostStorageSettings"]["operator"]["operands"]["false_value"])

    assert (set(settings()) | other) - set(Settings.model_fields) - PLATFORM_SETTINGS == set()


def test_the_app_finds_its_storage_by_the_settings_it_gets() -> None:
    read = Settings.from_environment({**settings(), "WEBSITE_SITE_NAME": "app"})

    assert read.table_endpoint == "https://stdata.table.core.windows.net"
    assert read.blob_endpoint == "https://stdata.blob.core.windows.net"
    assert read.queue_endpoint == "https://sthost.queue.core.windows.net"
    assert read.data_connection == ""
    assert settings()["AZURE_CLIENT_ID"] == settings()["AzureWebJobsStorage__clientId"]


def test_no_app_setting_holds_a_secret() -> None:
    assert not re.search(r"listKeys|AccountKey|SharedAccess", "".join(path.read_text() for path in FILES))


def test_built_in_roles_are_the_ones_they_are_called() -> None:
    assert loaded("built-in-roles.json") == BUILT_IN_ROLES


def test_each_account_gives_the_roles_that_its_use_takes() -> None:
    assert storage("hostStorage")["roles"] == ["Storage Blob Data Owner", "Storage Queue Data Contributor"]
    assert storage("dataStorage")["roles"] == ["Storage Blob Data Contributor", "Storage Table Data Contributor"]


def test_every_built_in_role_is_given_somewhere() -> None:
    text = "".join(path.read_text() for path in FILES)

    assert [name for name in BUILT_IN_ROLES if f"'{name}'" not in text] == []


def test_the_workspace_role_allows_what_a_connection_asks_for() -> None:
    actions = [*loaded("workspace-role.json")["called"], *loaded("workspace-role.json")["checkedOnSubmission"]]

    assert missing([Permission(actions, [])]) == []


def test_the_workspace_role_holds_the_rights_that_the_calls_name() -> None:
    asked = in_sources(r'"((?:\w+/)+(?:read|write|action))"', "shared/aml")
    called = set(loaded("workspace-role.json")["called"])

    assert asked > {"jobs/write", "batchEndpoints/jobs/write", "experiments/runs/read"}
    assert {f"{PROVIDER}/{right}" for right in asked} <= called
    # Beside the rights that errors name: those of online endpoints, the workspace itself, and the list of rights.
    assert called - {f"{PROVIDER}/{right}" for right in asked} <= {
        "Microsoft.Authorization/permissions/read",
        f"{PROVIDER}/read",
        f"{PROVIDER}/onlineEndpoints/deployments/read",
        f"{PROVIDER}/onlineEndpoints/listKeys/action",
        f"{PROVIDER}/onlineEndpoints/read",
        f"{PROVIDER}/onlineEndpoints/score/action",
        f"{PROVIDER}/onlineEndpoints/token/action",
    }


def test_the_workspace_role_has_no_wildcard_no_deletion_and_no_secrets_of_datastores() -> None:
    actions = {action for group in loaded("workspace-role.json").values() for action in group}

    assert [action for action in actions if re.search(r"\*|/delete$|listsecrets|listStorageAccountKeys", action)] == []


def test_events_that_alerts_look_for_are_logged() -> None:
    assert [name for name in loaded("telemetry.json")["events"].values() if not in_sources(rf'"({name})[ "]')] == []


def test_metrics_and_attributes_that_alerts_look_for_are_emitted() -> None:
    names = loaded("telemetry.json")

    if (ROOT / "shared" / "signals.py").exists():
        metrics, attributes = _printed(_SIGNALS)
        assert set(names["metrics"].values()) == set(metrics)
        assert set(names["attributes"].values()) <= set(attributes)
    else:
        assert set(names["metrics"].values()) == METRICS


def test_the_workbook_shows_every_metric_and_knows_no_other() -> None:
    names = loaded("telemetry.json")
    queries = [item["content"].get("query", "") for item in loaded("workbook.json")["items"]]

    assert set(re.findall(r'name == "([\w.]+)"', "".join(queries))) == set(names["metrics"].values())
    assert set(re.findall(r'customDimensions\["([\w.]+)"\]', "".join(queries))) <= set(names["attributes"].values())
    assert set(re.findall(r'startswith "(\w+)"', "".join(queries))) == set(names["events"].values())


def test_alerts_use_names_that_exist() -> None:
    names = loaded("telemetry.json")
    used = re.findall(r"\$\{names\.(\w+)\.(\w+)\}", ALERTS.read_text())

    assert used
    assert [name for group, name in used if name not in names[group]] == []


def test_queries_close_what_they_open() -> None:
    assert len(list(queries())) > len(template(ALERTS).variables["rules"])
    for query in queries():
        plain = re.sub(r'"[^"]*"', "", query)
        assert '"' not in plain, query
        assert plain.count("(") == plain.count(")"), query
        assert plain.count("[") == plain.count("]"), query


def queries() -> Iterator[str]:
    """Of alerts, workbook and docs, with the names in their places."""
    names = loaded("telemetry.json")
    for rule in template(ALERTS).variables["rules"]:
        query = rule["query"].replace("${metric}", "customMetrics | where name ==")
        yield re.sub(r"\$\{names\.(\w+)\.(\w+)\}", lambda found: names[found[1]][found[2]], query)
    yield from (item["content"]["query"] for item in loaded("workbook.json")["items"] if item["type"] == 3)
    yield from re.findall(r"```kusto\n(.+?)```", (ROOT / "docs" / "observability.md").read_text(), re.DOTALL)


def test_only_of_a_histogram_a_query_asks_the_maximum_or_the_count() -> None:
    """A counter's or a gauge's point has a sum alone: tests/telemetry/test_insights.py."""
    asked = [query for query in queries() if re.search(r"value(Max|Min|Count|StdDev)", query)]

    assert asked
    assert [query for query in asked if not set(re.findall(r'name == "([\w.]+)"', query)) <= _METRICS_OF_MANY] == []


def test_no_query_asks_a_span_for_an_attribute_that_application_insights_drops() -> None:
    of_spans = [query for query in queries() if "dependencies" in query or "requests" in query]
    asked = {name for query in of_spans for name in re.findall(r'customDimensions\["([\w.]+)"\]', query)}

    assert "bridge.error" in asked
    assert asked <= {KEPT_AS.get(name, name.value) for name in signals.Attributes}


def test_queries_about_statuses_leave_out_what_is_no_http_request() -> None:
    """A call by a queue or a timer is among the requests too, with the status 0."""
    asked = [query for query in queries() if query.startswith("requests") and "name" not in query]

    assert len(asked) == 2
    assert all(query.startswith("requests | where toint(resultCode) >= 100 |") for query in asked)


def test_the_alert_on_runs_looks_for_statuses_that_there_are() -> None:
    rule = next(rule for rule in template(ALERTS).variables["rules"] if rule["name"] == "failed-run")
    statuses = re.search(r"status in \(([^)]+)\)", rule["query"])

    assert statuses
    assert set(re.findall(r'"(\w+)"', statuses[1])) == {RunStatus.FAILED, RunStatus.HELD}


def test_the_clock_is_dead_where_no_tick_comes_through_and_not_where_one_workflow_fails() -> None:
    rules = {rule["name"]: rule["query"] for rule in template(ALERTS).variables["rules"]}
    outcomes = [TickReport({}, {}).outcome, TickReport({}, {"a": "NotFound"}).outcome]

    assert re.findall(r'"(\w+)"', rules["dead-tick"].rpartition(" in ")[2]) == outcomes
    assert rules["failed-schedule"].endswith(f'== "{outcomes[1]}"')


@pytest.mark.parametrize(
    "name",
    [
        "app-not-loaded",
        "closed-limiter",
        "dead-tick",
        "failed-run",
        "failed-schedule",
        "poison-message",
        "server-errors",
        "stale-entity",
    ],
)
def test_there_is_an_alert_on(name: str) -> None:
    rules = {rule["name"]: rule for rule in template(ALERTS).variables["rules"]}

    assert name in rules
    assert rules[name]["operator"] == ("LessThan" if name == "dead-tick" else "GreaterThan")


def test_instances_are_kept_warm_for_functions_that_there_are() -> None:
    groups = [group["name"] for group in template(APP).variables["alwaysReadyGroups"]]

    assert groups == ["http", "function:schedule_tick"]
    assert "schedule_tick" in _printed(_FUNCTIONS)


def test_events_of_a_workspace_come_as_the_app_reads_them() -> None:
    body = template(INFRA / "modules" / "workspace-subscription.bicep").resource("subscription")["properties"]

    assert template(MAIN).variables["eventsQueue"] == "aml-events"
    assert body["eventDeliverySchema"] == "CloudEventSchemaV1_0"
    assert body["filter"]["includedEventTypes"] == [
        "Microsoft.MachineLearningServices.RunCompleted",
        "Microsoft.MachineLearningServices.RunStatusChanged",
    ]


def test_the_app_runs_on_the_python_it_was_tested_with() -> None:
    runtime = template(APP).resource("app")["properties"]["functionAppConfig"]["runtime"]

    assert runtime == {"name": "python", "version": "3.13"}
    assert (ROOT / ".python-version").read_text().strip().startswith(runtime["version"])


def test_an_instance_takes_as_many_requests_at_a_time_as_the_docs_say() -> None:
    scale = template(APP).resource("app")["properties"]["functionAppConfig"]["scaleAndConcurrency"]
    parameters = template(MAIN).parameters

    assert scale["triggers"]["http"]["perInstanceConcurrency"] == 32
    assert parameters["instanceMemoryMB"]["default"] == 2048
    assert parameters["maximumInstanceCount"]["default"] == 40


def test_health_is_open_where_sign_in_is_required() -> None:
    body = template(APP).resource("auth")["properties"]["globalValidation"]

    assert body["excludedPaths"] == ["/api/health"]
    assert _printed(_FUNCTIONS)["health"]["route"] == "api/health"


def test_easy_auth_takes_the_version_of_tokens_that_the_registration_is_told_to_issue() -> None:
    """A token of version 1 has the issuer `https://sts.windows.net/<tenant>/`, and as its audience the identifier URI."""
    azure = template(APP).resource("auth")["properties"]["identityProviders"]["azureActiveDirectory"]
    page = (ROOT / "docs" / "azure.md").read_text()

    assert "/v2.0" in json.dumps(azure["registration"]["openIdIssuer"])
    assert '"requestedAccessTokenVersion": 2' in page.partition("## Sign-in with Microsoft Entra")[2]
    assert "authClientId" in azure["validation"]["allowedAudiences"]


def test_no_app_setting_is_one_that_the_plan_refuses() -> None:
    """Microsoft Learn, Flex Consumption plan deprecations: what `functionAppConfig` says instead."""
    refused = {
        *(
            "ENABLE_ORYX_BUILD",
            "FUNCTIONS_EXTENSION_VERSION",
            "FUNCTIONS_WORKER_RUNTIME",
            "SCM_DO_BUILD_DURING_DEPLOYMENT",
        ),
        *("FUNCTIONS_WORKER_RUNTIME_VERSION", "FUNCTIONS_MAX_HTTP_CONCURRENCY", "FUNCTIONS_WORKER_PROCESS_COUNT"),
        *("WEBSITE_CONTENTAZUREFILECONNECTIONSTRING", "WEBSITE_CONTENTSHARE", "WEBSITE_RUN_FROM_PACKAGE"),
        *("WEBSITE_MAX_DYNAMIC_APPLICATION_SCALE_OUT", "WEBSITE_VNET_ROUTE_ALL"),
    }

    assert set(settings()) & refused == set()


def test_a_zone_is_made_for_each_private_endpoint_and_no_other() -> None:
    """In an empty zone the names of endpoints elsewhere are no longer found."""
    network = (INFRA / "modules" / "network.bicep").read_text()
    made = dict(re.findall(r"^  (\w+): zones\[(\d)\]\.id$", network, re.MULTILINE))
    names = re.findall(r"^  'privatelink\.(\w+)", network, re.MULTILINE)
    others = "".join(path.read_text() for path in FILES)
    used = {name for name in made if re.search(rf"zoneIds\.{name}\b|^  '{name}'$", others, re.MULTILINE)}

    assert used == set(made) == {"blob", "queue", "table", "sites", "workspace", "notebooks"}
    assert [int(place) for place in made.values()] == list(range(len(names)))
    assert names == ["blob", "queue", "table", "azurewebsites", "api", "notebooks"]


def test_app_roles_are_those_of_the_code() -> None:
    roles = loaded("app-roles.json")

    assert {role["value"] for role in roles} == APP_ROLES
    assert in_sources(r'"(Bridge\.\w+)"') <= APP_ROLES
    assert len({role["id"] for role in roles}) == len(roles)
    assert all("Application" in role["allowedMemberTypes"] for role in roles)


def test_every_parameter_is_explained_on_its_page() -> None:
    page = (ROOT / "docs" / "azure.md").read_text()
    parameters = loaded("main.parameters.json")["parameters"]
    variables = [value["value"][2:-1] for value in parameters.values()]

    assert [name for name in variables if f"`{name}`" not in page] == []


def test_every_kind_of_resource_is_explained_on_its_page() -> None:
    page = (ROOT / "docs" / "azure.md").read_text()

    assert [path.name for path in FILES if path != MAIN and f"`{path.name}`" not in page] == []
