"""Azure Resource Manager: are roles, actions, API versions and runtimes what the template takes them for?"""

import json
import re
from collections.abc import Iterator, Mapping
from pathlib import Path

from infra.verify.checks import Check, CheckFailed, Finding, confirmed_if, observed
from infra.verify.target import AML_API_VERSION, Target

INFRA = Path(__file__).parents[1]
_DECLARED = re.compile(r"'(Microsoft\.\w+)/([\w/]+)@(\d{4}-\d{2}-\d{2}(?:-preview)?)'")
_ROLES_VERSION = "2022-04-01"
_PROVIDERS_VERSION = "2021-04-01"
_LISTS_VERSION = "2024-04-01"
_CALLED_KINDS = ("workspaces/jobs", "workspaces/components", "workspaces/onlineEndpoints", "workspaces/datastores")


def declared() -> set[tuple[str, str, str]]:
    """`(namespace, type, version)` of all resources in the template."""
    files = [INFRA / "main.bicep", *(INFRA / "modules").glob("*.bicep")]
    return {found for file in files for found in _DECLARED.findall(file.read_text())}


def built_in_roles(target: Target) -> Finding:
    wrong = []
    for name, role in json.loads((INFRA / "built-in-roles.json").read_text()).items():
        path = f"/subscriptions/{target.options.subscription}/providers/Microsoft.Authorization/roleDefinitions/{role}"
        found = target.read(path, _ROLES_VERSION)["properties"]["roleName"]
        if found != name:
            wrong.append(f"{role} is {found}, not {name}")
    return confirmed_if(not wrong, "; ".join(wrong) or "each id has the name it is listed with")


def custom_role_actions(target: Target) -> Finding:
    path = "/providers/Microsoft.Authorization/providerOperations/Microsoft.MachineLearningServices"
    listed = target.read(f"{path}?$expand=resourceTypes", _ROLES_VERSION)
    known = {name.lower() for name in _operations(listed)}
    wanted = [action for group in json.loads((INFRA / "workspace-role.json").read_text()).values() for action in group]
    unknown = [action for action in wanted if "MachineLearning" in action and action.lower() not in known]
    return confirmed_if(not unknown, f"unknown: {', '.join(unknown)}" if unknown else f"{len(wanted)} actions exist")


def _operations(listed: Mapping[str, object]) -> Iterator[str]:
    groups = [listed, *_list(listed.get("resourceTypes"))]
    for group in groups:
        for operation in _list(group.get("operations")):
            yield str(operation["name"])


def _list(value: object) -> list[Mapping[str, object]]:
    return value if isinstance(value, list) else []


def template_versions(target: Target) -> Finding:
    missing = []
    for namespace in sorted({namespace for namespace, _, _ in declared()}):
        offered = _offered(target, namespace)
        missing += [
            f"{namespace}/{kind}@{version}"
            for found, kind, version in sorted(declared())
            if found == namespace and kind.lower() in offered and version not in offered[kind.lower()]
        ]
    return confirmed_if(not missing, ", ".join(missing) or "each type that is listed has its version")


def aml_version(target: Target) -> Finding:
    offered = _offered(target, "Microsoft.MachineLearningServices")
    lacking = [kind for kind in _CALLED_KINDS if AML_API_VERSION not in offered.get(kind.lower(), [])]
    newest = max((v for v in offered.get("workspaces/jobs", []) if "preview" not in v), default="none")
    return confirmed_if(
        not lacking, f"newest stable: {newest}" + (f"; not for {', '.join(lacking)}" if lacking else "")
    )


def _offered(target: Target, namespace: str) -> dict[str, list[str]]:
    path = f"/subscriptions/{target.options.subscription}/providers/{namespace}"
    kinds = target.read(path, _PROVIDERS_VERSION)["resourceTypes"]
    return {kind["resourceType"].lower(): kind["apiVersions"] for kind in kinds}


def throttling(target: Target) -> Finding:
    answer = target.arm(
        "GET", f"/subscriptions/{target.options.subscription}/resourceGroups?$top=1", _PROVIDERS_VERSION
    )
    left = {name: value for name, value in answer.headers.items() if name.startswith("x-ms-ratelimit-remaining")}
    if not left:
        raise CheckFailed("the answer has no x-ms-ratelimit-remaining headers")
    return observed(", ".join(f"{name} {value}" for name, value in left.items()))


def python_on_flex(target: Target) -> Finding:
    path = f"/providers/Microsoft.Web/locations/{target.options.location}/functionAppStacks"
    stacks = json.dumps(target.read(f"{path}?stack=python&removeHiddenStacks=true", _LISTS_VERSION))
    return confirmed_if('"3.13"' in stacks, "3.13 is listed" if '"3.13"' in stacks else "3.13 is not listed")


CHECKS = (
    Check(
        "built-in-roles",
        "the ids in infra/built-in-roles.json are those roles",
        "role assignments of the template would give other rights",
        built_in_roles,
        needs=("subscription",),
    ),
    Check(
        "custom-role-actions",
        "every action of the workspace role is an operation of Azure Machine Learning",
        "Azure refuses a role with an unknown action: mend infra/workspace-role.json, or deploy with BRIDGE_BUILT_IN_ROLE",
        custom_role_actions,
    ),
    Check(
        "template-versions",
        "every resource type of the template is offered in the version it is declared with",
        "the deployment would be refused: change the version in infra/modules",
        template_versions,
        needs=("subscription",),
    ),
    Check(
        "aml-version",
        f"Azure Machine Learning is offered in {AML_API_VERSION}; which newer versions are published is not known",
        "set AML_API_VERSION to one that is offered",
        aml_version,
        needs=("subscription",),
    ),
    Check(
        "throttling",
        "how many calls Azure Resource Manager still takes is told in headers; how fast it refills is not known",
        "listing pipelines costs a call each; throttled calls are repeated after Retry-After",
        throttling,
        needs=("subscription",),
    ),
    Check(
        "python-on-flex",
        "the Flex Consumption plan of the region runs Python 3.13",
        "choose another region",
        python_on_flex,
        needs=("location",),
    ),
)
