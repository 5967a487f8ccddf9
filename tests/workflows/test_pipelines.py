"""Which components are pipelines, and which of them a workflow can run."""

from typing import Any

import pytest

from shared.workflows.pipelines import NO_DATA_INPUT, NO_OUTPUT, PipelineInput, Style, read_pipeline
from tests.workflows.fakes import component, pipeline

DATA: dict[str, Any] = {"data": {"type": "uri_folder"}}
STRINGS: dict[str, Any] = {"output_path": {"type": "string"}, "output_datastore": {"type": "string"}}
OUT: dict[str, Any] = {"scores": {"type": "uri_folder"}}

JUDGED = [
    (DATA, OUT, [Style.OUTPUT], []),
    (DATA | STRINGS, {}, [Style.PARAMETERS], []),
    (DATA | STRINGS, OUT, [Style.OUTPUT, Style.PARAMETERS], []),
    ({"data": {"type": "mltable"}}, {"scores": {"type": "uri_file"}}, [Style.OUTPUT], []),
    ({"data": {"type": "URI_File"}}, {"scores": {"type": "MLTable"}}, [Style.OUTPUT], []),
    (DATA | {"a": {"type": "String"}, "b": {"type": "STRING"}}, {}, [Style.PARAMETERS], []),
    ({}, OUT, [Style.OUTPUT], [NO_DATA_INPUT]),
    ({"model": {"type": "custom_model"}}, OUT, [Style.OUTPUT], [NO_DATA_INPUT]),
    (DATA, {}, [], [NO_OUTPUT]),
    (DATA | {"output_path": {"type": "string"}}, {}, [], [NO_OUTPUT]),
    (DATA, {"model": {"type": "mlflow_model"}}, [], [NO_OUTPUT]),
    ({"threshold": {"type": "number"}}, {}, [], [NO_DATA_INPUT, NO_OUTPUT]),
    ({}, {}, [], [NO_DATA_INPUT, NO_OUTPUT]),
]


@pytest.mark.parametrize(("inputs", "outputs", "styles", "reasons"), JUDGED)
def test_a_pipeline_is_eligible_or_says_why_not(
    inputs: dict[str, Any], outputs: dict[str, Any], styles: list[Style], reasons: list[str]
) -> None:
    found = pipeline(inputs, outputs)

    assert (found.styles, found.reasons) == (styles, reasons)


@pytest.mark.parametrize("kind", ["pipeline", "Pipeline", "PIPELINE"])
def test_the_type_is_read_in_any_case(kind: str) -> None:
    assert read_pipeline(component({"type": kind})) is not None


@pytest.mark.parametrize("spec", [{"type": "command"}, {"type": None}, {}, {"type": 5}])
def test_another_component_is_no_pipeline(spec: dict[str, Any]) -> None:
    assert read_pipeline(component(spec)) is None


@pytest.mark.parametrize(
    ("optional", "expected"),
    [(True, True), ("True", True), ("true", True), (False, False), ("False", False), (None, False), ("", False)],
)
def test_optional_comes_as_boolean_or_text(optional: object, expected: bool) -> None:
    [found] = pipeline({"threshold": {"type": "Number", "optional": optional}}).inputs

    assert (found.type, found.optional, found.is_required) == ("number", expected, not expected)


@pytest.mark.parametrize(("default", "expected"), [("0.5", "0.5"), (0.5, "0.5"), (0, "0"), (False, "False"), ("", "")])
def test_an_input_with_a_default_is_not_required(default: object, expected: str) -> None:
    [found] = pipeline({"threshold": {"type": "number", "default": default}}).inputs

    assert (found.default, found.is_required) == (expected, False)


@pytest.mark.parametrize("spec", [{}, {"inputs": None, "outputs": None}, {"inputs": [], "outputs": "x"}])
def test_missing_members_are_none(spec: dict[str, Any]) -> None:
    found = read_pipeline(component({"type": "pipeline", **spec}))

    assert found is not None
    assert (found.inputs, found.outputs, found.display_name) == ([], [], None)
    assert (found.name, found.version) == ("customer_value", "3")


def test_an_input_without_members_has_no_type() -> None:
    assert pipeline({"a": {}, "b": None, "c": "string"}).inputs == [
        PipelineInput("a", "", optional=False, default=None),
        PipelineInput("b", "", optional=False, default=None),
        PipelineInput("c", "string", optional=False, default=None),
    ]


@pytest.mark.parametrize("member", ["display_name", "displayName"])
def test_the_display_name_is_read(member: str) -> None:
    found = read_pipeline(component({"type": "pipeline", member: "Customer value"}))

    assert found is not None
    assert found.display_name == "Customer value"
