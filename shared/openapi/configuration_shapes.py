"""What the routes of the configuration take and answer."""

from typing import Any

from pydantic import RootModel

from shared.openapi.shapes import Shape


class Configuration(Shape):
    """Skills, connections and workflows, each as its PUT takes it, by name. Texts may hold `${NAME}`."""

    version: int
    """1"""
    exported_at: str | None = None
    skills: dict[str, dict[str, Any]] | None = None
    connections: dict[str, dict[str, Any]] | None = None
    workflows: dict[str, dict[str, Any]] | None = None


class ConfigurationWithVariables(Shape):
    document: Configuration
    variables: dict[str, str | bool | int | float] | None = None
    """Values for `${NAME}`; app settings `CONFIG_<NAME>` have the others."""


class AnyConfiguration(RootModel[Configuration | ConfigurationWithVariables]):
    """The document, or the document with variables."""


class Change(Shape):
    path: str
    old: Any = None
    """Absent where the member was not there; keys are `***`."""
    new: Any = None
    """Absent where the member goes."""


class ResourceStep(Shape):
    kind: str
    """`skill`, `connection` or `workflow`."""
    name: str
    action: str
    """`create`, `update`, `unchanged` or `delete`."""
    changes: list[Change] | None = None
    """Of an update."""


class Counts(Shape):
    create: int
    update: int
    unchanged: int
    delete: int


class ImportDone(Shape):
    """What an import did, or would do."""

    dry_run: bool
    counts: Counts
    resources: list[ResourceStep]
    """In the order in which they are saved."""
