"""Which components are registered? Those that lie in files, `<name>.<version>.json`, as the service stores them.

In the files a component is `name:version` and code a folder; the service has resource ids in these places.
"""

import copy
import json
import re
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from simulator.arm.models import Component, ComponentVersion, Workspace

ROOT = Path(__file__).resolve().parents[2]
FOLDERS = (ROOT / "samples" / "customer_value" / "components", ROOT / "simulator" / "components")
_REFERENCE = re.compile(r"(?:azureml:|.*/components/)?(?P<name>[\w-]+)(?::|/versions/)(?P<version>[\w.-]+)", re.I)


def load_components(folders: Iterable[Path] = FOLDERS) -> dict[str, Component]:
    components: dict[str, Component] = {}
    for file in sorted(file for folder in folders for file in folder.glob("*.json")):
        spec = json.loads(file.read_text(encoding="utf-8"))
        version = ComponentVersion(spec["name"], spec["version"], spec, file.parent.parent)
        components.setdefault(version.name.lower(), Component(version.name)).versions[version.version] = version
    return components


def find_component(workspace: Workspace, reference: str) -> ComponentVersion | None:
    """`reference`: `name:version`, `azureml:name:version`, or the resource id, which must be of this workspace."""
    found = _REFERENCE.fullmatch(reference)
    elsewhere = reference.startswith("/") and not reference.lower().startswith(f"{workspace.id}/".lower())
    if found is None or elsewhere or found["name"].lower() not in workspace.components:
        return None
    return workspace.components[found["name"].lower()].versions.get(found["version"])


def component_id(workspace: Workspace, reference: str) -> str:
    name, _, version = reference.partition(":")
    return f"{workspace.id}/components/{name}/versions/{version}"


def stored_spec(workspace: Workspace, component: ComponentVersion) -> dict[str, Any]:
    """The specification with resource ids."""
    spec = copy.deepcopy(component.spec)
    for job in spec.get("jobs", {}).values():
        job["componentId"] = component_id(workspace, job["componentId"])
    if "code" in spec:
        spec["code"] = f"azureml:{workspace.id}/codes/{component.name}/versions/{component.version}"
    if "environment" in spec:
        name, _, version = spec["environment"].partition(":")
        spec["environment"] = f"azureml:{workspace.id}/environments/{name}/versions/{version}"
    return spec
