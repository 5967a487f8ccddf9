"""Objects whose members the caller or a definition names."""

from typing import Any

from pydantic import RootModel


class Inputs(RootModel[dict[str, Any]]):
    """The skill's inputs by name."""


class Outputs(RootModel[dict[str, Any]]):
    """The declared outputs by name."""


class Patch(RootModel[dict[str, Any]]):
    """JSON Merge Patch (RFC 7386): the members to change; null removes one."""


class Row(RootModel[dict[str, Any]]):
    """One row, by the entity's columns."""


class ServiceDocument(RootModel[dict[str, Any]]):
    """OData's list of the entities that are published."""


class Text(RootModel[str]):
    """Plain text."""
