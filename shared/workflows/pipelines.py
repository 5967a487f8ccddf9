"""Which pipelines can a workflow run, and why not the others?

A pipeline is a registered pipeline component. It is eligible with an input for data, and with either
(A) an output for data, whose place is given with the job, or (B) two string inputs that take the output's path and
datastore, as Customer Insights had it. Specifications come with numbers and booleans as strings, and names in any case.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from shared.entities.exporting import InputKind
from shared.workflows.workspaces import ComponentVersion

DATA_TYPES = frozenset({"uri_folder", "uri_file", "mltable"})
LITERAL_TYPES = frozenset({"string", "integer", "number", "boolean"})
NO_DATA_INPUT = "no data input"
NO_OUTPUT = "no output path/datastore"


class Style(StrEnum):
    OUTPUT = "output"
    """A: a data output."""
    PARAMETERS = "parameters"
    """B: the path and the datastore are parameters."""


@dataclass(frozen=True, slots=True)
class PipelineInput:
    name: str
    type: str
    optional: bool
    default: str | None
    description: str | None = None

    @property
    def is_data(self) -> bool:
        return self.type in DATA_TYPES

    @property
    def is_required(self) -> bool:
        return not self.optional and self.default is None


@dataclass(frozen=True, slots=True)
class PipelineOutput:
    name: str
    type: str


@dataclass(frozen=True, slots=True)
class Pipeline:
    """A pipeline component's version, judged."""

    id: str
    name: str
    version: str
    display_name: str | None
    inputs: Sequence[PipelineInput]
    outputs: Sequence[PipelineOutput]

    @property
    def data_outputs(self) -> list[str]:
        return [output.name for output in self.outputs if output.type in DATA_TYPES]

    @property
    def string_inputs(self) -> list[str]:
        return [item.name for item in self.inputs if item.type == "string"]

    def data_kind(self, name: str) -> InputKind:
        """Of the data input `name`."""
        kind = next(item.type for item in self.inputs if item.name == name)
        return "uri_file" if kind == "uri_file" else "mltable" if kind == "mltable" else "uri_folder"

    @property
    def styles(self) -> list[Style]:
        return [
            *([Style.OUTPUT] if self.data_outputs else []),
            *([Style.PARAMETERS] if len(self.string_inputs) > 1 else []),
        ]

    @property
    def reasons(self) -> list[str]:
        """Why it is not eligible; empty if it is."""
        return [
            *([] if any(item.is_data for item in self.inputs) else [NO_DATA_INPUT]),
            *([] if self.styles else [NO_OUTPUT]),
        ]


def read_pipeline(component: ComponentVersion) -> Pipeline | None:
    """The pipeline in a component; None for a component of another type."""
    spec = component.spec
    if _text(spec.get("type")).lower() != "pipeline":
        return None
    return Pipeline(
        id=component.id,
        name=component.name,
        version=component.version,
        display_name=_optional_text(spec.get("display_name") or spec.get("displayName")),
        inputs=[_input(name, item) for name, item in _members(spec.get("inputs")).items()],
        outputs=[
            PipelineOutput(name, _text(item.get("type")).lower())
            for name, item in _members(spec.get("outputs")).items()
        ],
    )


def _members(value: object) -> Mapping[str, Mapping[str, Any]]:
    found = value if isinstance(value, dict) else {}
    return {str(name): item if isinstance(item, dict) else {"type": item} for name, item in found.items()}


def _input(name: str, item: Mapping[str, Any]) -> PipelineInput:
    return PipelineInput(
        name=name,
        type=_text(item.get("type")).lower(),
        optional=_text(item.get("optional")).lower() == "true",
        default=_optional_text(item.get("default")),
        description=_optional_text(item.get("description")),
    )


def _text(value: object) -> str:
    return "" if value is None else str(value)


def _optional_text(value: object) -> str | None:
    return None if value is None else str(value)
