"""The Bicep files hang together: what is referred to is there, what is handed over is wanted, what is declared is used.

The Bicep compiler is not to be had where these tests run; this holds what it would say first.
"""

import json
import re
from pathlib import Path

import pytest

from tests.infra.bicep import FILES, INFRA, MAIN, template

WORDS = {
    *("targetScope", "param", "var", "resource", "module", "output", "existing", "if", "for", "in", "null", "true"),
    *("false", "string", "int", "bool", "array", "object"),
}
DECORATORS = {"description", "metadata", "allowed", "minValue", "maxValue", "minLength", "maxLength", "secure"}
FUNCTIONS = {
    *("concat", "contains", "empty", "environment", "filter", "format", "guid", "loadJsonContent", "loadTextContent"),
    *("resourceGroup", "split", "subscription", "subscriptionResourceId", "tenant", "toLower", "union", "uniqueString"),
}
# Each is in Microsoft's published resource schemas (Azure/azure-resource-manager-schemas, 2026-08-16).
PUBLISHED = {
    "Microsoft.Authorization/roleAssignments": "2022-04-01",
    "Microsoft.Authorization/roleDefinitions": "2022-04-01",
    "Microsoft.EventGrid/systemTopics": "2022-06-15",
    "Microsoft.EventGrid/systemTopics/eventSubscriptions": "2022-06-15",
    "Microsoft.Insights/actionGroups": "2023-01-01",
    "Microsoft.Insights/components": "2020-02-02",
    "Microsoft.Insights/scheduledQueryRules": "2023-12-01",
    "Microsoft.Insights/workbooks": "2023-06-01",
    "Microsoft.MachineLearningServices/workspaces": "2024-10-01",
    "Microsoft.ManagedIdentity/userAssignedIdentities": "2023-01-31",
    "Microsoft.Network/networkSecurityGroups": "2024-05-01",
    "Microsoft.Network/privateDnsZones": "2020-06-01",
    "Microsoft.Network/privateDnsZones/virtualNetworkLinks": "2020-06-01",
    "Microsoft.Network/privateEndpoints": "2024-05-01",
    "Microsoft.Network/privateEndpoints/privateDnsZoneGroups": "2024-05-01",
    "Microsoft.Network/virtualNetworks": "2024-05-01",
    "Microsoft.OperationalInsights/workspaces": "2023-09-01",
    "Microsoft.Resources/resourceGroups": "2024-11-01",
    "Microsoft.Storage/storageAccounts": "2024-01-01",
    "Microsoft.Storage/storageAccounts/blobServices": "2024-01-01",
    "Microsoft.Storage/storageAccounts/blobServices/containers": "2024-01-01",
    "Microsoft.Storage/storageAccounts/managementPolicies": "2024-01-01",
    "Microsoft.Storage/storageAccounts/queueServices": "2024-01-01",
    "Microsoft.Storage/storageAccounts/queueServices/queues": "2024-01-01",
    "Microsoft.Storage/storageAccounts/tableServices": "2024-01-01",
    "Microsoft.Storage/storageAccounts/tableServices/tables": "2024-01-01",
    "Microsoft.Web/serverfarms": "2024-04-01",
    "Microsoft.Web/sites": "2024-04-01",
    "Microsoft.Web/sites/basicPublishingCredentialsPolicies": "2024-04-01",
    "Microsoft.Web/sites/config": "2024-04-01",
}

each_file = pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)


@each_file
def test_every_name_is_declared(path: Path) -> None:
    file = template(path)

    known = file.declared | set(file.outputs) | file.locals() | WORDS | DECORATORS | FUNCTIONS

    assert file.names() - known == set()


@each_file
def test_everything_declared_is_used(path: Path) -> None:
    file = template(path)
    code = file.code()

    unused = {
        name
        for name in {*file.parameters, *file.variables}
        if len(re.findall(rf"(?<![\w.']){name}\b(?!:)", code)) < 2  # where it is declared, and once more
    }

    assert unused == set()


@each_file
def test_a_module_gets_what_it_needs_and_nothing_else(path: Path) -> None:
    for name, file, body in template(path).modules():
        called = template(file)

        assert called.required <= set(body["params"]), f"{name} lacks parameters"
        assert set(body["params"]) <= set(called.parameters), f"{name} gets parameters that it has not"


@each_file
def test_outputs_that_are_read_exist(path: Path) -> None:
    file = template(path)
    modules = {name: template(module) for name, module, _ in file.modules()}

    assert {(name, output) for name, output in file.used_outputs() if output not in modules[name].outputs} == set()


def test_every_module_is_called() -> None:
    called = {module for path in FILES for _, module, _ in template(path).modules()}

    assert called == set(FILES) - {MAIN}


@each_file
def test_api_versions_are_published_ones(path: Path) -> None:
    versions = {resource["type"]: resource["api_version"] for resource in template(path).resources.values()}

    assert versions == {kind: PUBLISHED.get(kind) for kind in versions}


def test_a_version_that_nothing_uses_is_not_listed() -> None:
    assert {resource["type"] for path in FILES for resource in template(path).resources.values()} == set(PUBLISHED)


@each_file
def test_files_that_are_loaded_exist(path: Path) -> None:
    for name in re.findall(r"load(?:Json|Text)Content\('([^']+)'\)", path.read_text()):
        json.loads((path.parent / name).read_text())


def test_each_parameter_can_be_set_through_azd() -> None:
    parameters = json.loads((INFRA / "main.parameters.json").read_text())["parameters"]

    assert set(parameters) == set(template(MAIN).parameters)
    assert all(re.fullmatch(r"\$\{[A-Z_]+\}", parameter["value"]) for parameter in parameters.values())


def test_each_parameter_of_main_says_what_it_is_for() -> None:
    described = {
        name
        for name, parameter in template(MAIN).parameters.items()
        if any(decorator["type"] == "description" for decorator in parameter["decorators"])
    }

    assert described == set(template(MAIN).parameters)
