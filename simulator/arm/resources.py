"""What have all resources of Machine Learning in common? Paths, types, and the members around `properties`."""

from typing import Any

PROVIDER = "Microsoft.MachineLearningServices"
SUBSCRIPTION_PATH = "/subscriptions/{subscription}"
GROUP_PATH = f"{SUBSCRIPTION_PATH}/resourceGroups/{{group}}"
WORKSPACE_PATH = f"{GROUP_PATH}/providers/{PROVIDER}/workspaces/{{workspace}}"
WORKSPACE_TYPE = f"{PROVIDER}/workspaces"

SYSTEM_DATA = {
    "createdBy": "Local Developer",
    "createdByType": "User",
    "createdAt": "2026-01-01T00:00:00.0000000+00:00",
    "lastModifiedBy": None,
    "lastModifiedByType": None,
    "lastModifiedAt": "2026-01-01T00:00:00.0000000+00:00",
}


def resource(id_: str, type_: str, properties: dict[str, Any]) -> dict[str, Any]:
    """A resource without a place of its own, such as a component or a job."""
    return {
        "id": id_,
        "name": id_.rpartition("/")[2],
        "type": type_,
        "properties": properties,
        "systemData": SYSTEM_DATA,
    }


def tracked_resource(id_: str, type_: str, location: str, properties: dict[str, Any]) -> dict[str, Any]:
    """One with a location, such as an endpoint."""
    members: dict[str, Any] = {"location": location, "tags": {}, "kind": None, "sku": None, "identity": None}
    return resource(id_, type_, properties) | members
