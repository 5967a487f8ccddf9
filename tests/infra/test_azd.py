"""azure.yaml: what azd packages is what `make package` builds, and it goes to the app that Bicep makes."""

import re
from typing import Any

import yaml

from tests.infra.bicep import INFRA, template

ROOT = INFRA.parent


def azure_yaml() -> dict[str, Any]:
    document: dict[str, Any] = yaml.safe_load((ROOT / "azure.yaml").read_text())
    return document


def service() -> dict[str, Any]:
    bridge: dict[str, Any] = azure_yaml()["services"]["bridge"]
    return bridge


def test_azure_builds_nothing() -> None:
    assert service()["host"] == "function"
    assert service()["language"] == "py"
    assert service()["remoteBuild"] is False


def test_the_package_is_built_before_it_is_packed() -> None:
    hook = service()["hooks"]["prepackage"]

    assert hook["shell"] == "sh"
    assert hook["run"].startswith("make package && ")


def test_all_of_the_package_is_packed_its_bytecode_too() -> None:
    """Without a .funcignore in the folder azd leaves __pycache__ out, else what it names (azd: createDeployableZip)."""
    assert service()["hooks"]["prepackage"]["run"].endswith(f" && : > {service()['dist']}/.funcignore")


def test_the_package_goes_to_the_app_that_is_tagged_for_it() -> None:
    tags = (INFRA / "modules" / "function-app.bicep").read_text()

    assert re.findall(r"'azd-service-name': '(\w+)'", tags) == list(azure_yaml()["services"])


def test_azd_finds_the_template() -> None:
    infra = azure_yaml()["infra"]

    assert (ROOT / infra["path"] / f"{infra['module']}.bicep").exists()
    assert (ROOT / infra["path"] / f"{infra['module']}.parameters.json").exists()


def test_deploying_needs_no_password() -> None:
    policies = [
        template(INFRA / "modules" / "function-app.bicep").resource(name)["properties"]
        for name in ("scmPassword", "ftpPassword")
    ]

    assert policies == [{"allow": False}, {"allow": False}]


def test_each_check_that_checkov_leaves_out_has_its_reason() -> None:
    lines = (INFRA / ".checkov.yaml").read_text().splitlines()
    skipped = [line for line in lines if re.match(r"  - CKV", line)]

    assert skipped
    assert [line for line in skipped if not re.fullmatch(r"  - CKV_AZURE_\d+  # .{20,}\.", line)] == []
