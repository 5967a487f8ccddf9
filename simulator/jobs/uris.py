"""Where does a data reference lead? To a datastore and a path in it.

azureml://datastores/{datastore}/paths/{path}
azureml://subscriptions/{s}/resourcegroups/{g}/workspaces/{w}/datastores/{datastore}/paths/{path}
/subscriptions/{s}/resourceGroups/{g}/providers/Microsoft.MachineLearningServices/workspaces/{w}/datastores/…
                                                              (outputs of batch endpoints)
"""

import re
from dataclasses import dataclass

from simulator.arm.models import Workspace

_DATA = re.compile(
    r"(?:azureml:/)?(?P<workspace>/subscriptions/(?P<subscription>[^/]+)/resourceGroups/(?P<group>[^/]+)"
    r"(?:/providers/Microsoft\.MachineLearningServices)?/workspaces/(?P<name>[^/]+))?"
    r"/datastores/(?P<datastore>[^/]+)/paths/(?P<path>.+)",
    re.IGNORECASE,
)


class BadDataUri(ValueError):
    """The message says what the reference is instead."""


@dataclass(frozen=True)
class DataUri:
    """`path` has no slash in front; one at its end names a folder."""

    datastore: str
    path: str

    @classmethod
    def parse(cls, text: str, workspace: Workspace) -> "DataUri":
        """Raises BadDataUri for another form, or another workspace."""
        found = _DATA.fullmatch(text)
        if found is None or ".." in found["path"].split("/"):
            raise BadDataUri(f"'{text}' is not a path in a datastore")
        asked = (found["subscription"], found["group"], found["name"])
        own = (workspace.subscription, workspace.resource_group, workspace.name)
        if found["workspace"] and [part.lower() for part in asked] != [part.lower() for part in own]:
            raise BadDataUri(f"'{text}' is in another workspace")
        return cls(found["datastore"], found["path"].lstrip("/"))
