"""A workflow against its pipeline: what makes a draft, what is refused, where the output goes."""

from typing import Any

import pytest

from shared.workflows.definition import Provider
from shared.workflows.mapping import Mapping, OutputPlace, map_workflow, read_data_path
from shared.workflows.pipelines import Pipeline, Style
from tests.workflows.fakes import DATA, DATASTORES, WORKSPACE, pipeline, style_a, style_b, workflow

GIVEN: dict[str, Any] = {"transactions": {"path": DATA}}
TWO_OUTPUTS = pipeline(
    {"transactions": {"type": "uri_file"}}, {"scores": {"type": "uri_folder"}, "report": {"type": "uri_file"}}
)


def mapped(found: Pipeline, **members: Any) -> Mapping:
    return map_workflow(workflow(**{"requiredData": GIVEN, **members}), found, DATASTORES, WORKSPACE)


def fault(found: Mapping) -> tuple[str | None, str]:
    [only] = found.faults
    return only.target, only.message


PLACES = [
    (style_a(), {}, OutputPlace(Style.OUTPUT, "scores", output_type="uri_folder")),
    (style_a(), {"output": "scores"}, OutputPlace(Style.OUTPUT, "scores", output_type="uri_folder")),
    (TWO_OUTPUTS, {"output": "report"}, OutputPlace(Style.OUTPUT, "report", output_type="uri_file")),
    (
        style_b(),
        {},
        OutputPlace(Style.PARAMETERS, path_parameter="output_path", datastore_parameter="output_datastore"),
    ),
    (
        style_b(other={"type": "string", "optional": True}),
        {"outputPathParameter": "other", "outputDatastoreParameter": "output_datastore"}
        | {"requiredData": {**GIVEN, "output_path": {"value": "x"}}},
        OutputPlace(Style.PARAMETERS, path_parameter="other", datastore_parameter="output_datastore"),
    ),
]


@pytest.mark.parametrize(("found", "members", "place"), PLACES)
def test_the_outputs_place_is_found(found: Pipeline, members: dict[str, Any], place: OutputPlace) -> None:
    assert mapped(found, **members) == Mapping([], [], place)


REFUSED_PLACES = [
    (TWO_OUTPUTS, {}, "output", "several data outputs; name one of scores, report"),
    (style_a(), {"output": "score"}, "output", "no data output 'score'; there are scores"),
    (
        style_b(),
        {"outputPathParameter": "path", "outputDatastoreParameter": "output_datastore"},
        "outputPathParameter",
        "no string input 'path'; there are output_path, output_datastore",
    ),
    (
        style_b(),
        {"outputPathParameter": "output_path", "outputDatastoreParameter": "transactions"},
        "outputDatastoreParameter",
        "no string input 'transactions'",
    ),
    (
        style_b(),
        {"outputPathParameter": "output_path", "outputDatastoreParameter": "output_path"},
        "outputDatastoreParameter",
        "takes the path already",
    ),
    (
        pipeline({"transactions": {"type": "uri_file"}, "a": {"type": "string"}, "b": {"type": "string"}}),
        {"requiredData": {**GIVEN, "a": {"value": "x"}, "b": {"value": "x"}}},
        "outputPathParameter",
        "say which inputs take the output's path and datastore; there are a, b",
    ),
]


@pytest.mark.parametrize(("found", "members", "place", "reason"), REFUSED_PLACES)
def test_a_place_that_cannot_be_is_refused(found: Pipeline, members: dict[str, Any], place: str, reason: str) -> None:
    target, message = fault(mapped(found, **members))

    assert target == place
    assert reason in message


def test_a_pipeline_that_is_not_eligible_is_refused_with_the_reasons() -> None:
    target, message = fault(mapped(pipeline({}), output="x"))

    assert target == "pipeline"
    assert "customer_value cannot be used: no data input, no output path/datastore" in message


def test_missing_required_data_makes_a_draft() -> None:
    found = style_a(threshold={"type": "number"}, limit={"type": "integer", "default": "5"}, note={"type": "string"})

    result = mapped(found, requiredData={"note": {"value": "x"}})

    assert (result.missing, result.faults) == (["transactions", "threshold"], [])


@pytest.mark.parametrize("optional", [True, "True"])
def test_what_is_optional_is_not_missing(optional: object) -> None:
    result = mapped(style_a(threshold={"type": "number", "optional": optional}))

    assert (result.missing, result.faults) == ([], [])


VALUES: list[tuple[str, list[Any], list[Any]]] = [
    (
        "number",
        [0.5, 5, "0.5", "-1e-3", "5", ".5", 0],
        ["x", "", True, "nan", "inf", "1_0", "1e999", "٣", 10**400, " 1"],
    ),
    ("integer", [5, -5, "5", "+5", 5.0, 2**63 - 1], [0.5, "0.5", True, "1e3", "", 10**400, "1" * 20, "1_0"]),
    ("boolean", [True, False, "true", "False"], ["yes", 1, 0, "", "1"]),
    ("string", ["x", " ", "true"], ["", 5, True, 0.5]),
]


@pytest.mark.parametrize(("kind", "value"), [(kind, value) for kind, fit, _ in VALUES for value in fit])
def test_a_literal_that_fits(kind: str, value: Any) -> None:
    assert mapped(style_a(x={"type": kind}), requiredData={**GIVEN, "x": {"value": value}}).faults == []


@pytest.mark.parametrize(("kind", "value"), [(kind, value) for kind, _, unfit in VALUES for value in unfit])
def test_a_literal_that_does_not_fit(kind: str, value: Any) -> None:
    target, message = fault(mapped(style_a(x={"type": kind}), requiredData={**GIVEN, "x": {"value": value}}))

    assert target == "requiredData.x"
    assert f"no {kind}" in message or "no empty value" in message


WRONG_DATA = [
    ("transactions", {"value": "x"}, "takes data (uri_file); give it a path or an entity"),
    ("x", {"path": DATA}, "is a number; give it a value"),
    ("x", {"entity": "Other"}, "is a number; give it a value"),
    ("unknown", {"value": 1}, "no input 'unknown'; there are transactions, x"),
    ("transactions", {"path": "https://example.com/a.csv"}, "has the form azureml://"),
]


@pytest.mark.parametrize(("name", "data", "reason"), WRONG_DATA)
def test_data_that_does_not_go_with_its_input(name: str, data: dict[str, Any], reason: str) -> None:
    found = style_a(x={"type": "number", "optional": True})

    target, message = fault(mapped(found, requiredData={**GIVEN, name: data}))

    assert target == f"requiredData.{name}"
    assert reason in message


def test_an_input_that_takes_the_outputs_place_is_not_given() -> None:
    _, message = fault(mapped(style_b(), requiredData={**GIVEN, "output_path": {"value": "x"}}))

    assert "takes the output's place" in message


def test_a_required_model_cannot_be_given() -> None:
    target, message = fault(mapped(style_a(model={"type": "custom_model"})))

    assert target == "requiredData.model"
    assert "takes a custom_model, which a workflow cannot give" in message
    assert mapped(style_a(model={"type": "custom_model", "optional": True})).faults == []


LONG = f"azureml:/{WORKSPACE.path}/datastores/lake/paths/in"
PATHS = [
    (DATA, ("workspaceblobstore", "in/transactions.csv")),
    ("azureml://datastores/lake/paths/in/", ("lake", "in/")),
    ("azureml://datastores/share/paths/in/%20x", ("share", "in/%20x")),
    (LONG, ("lake", "in")),
    (LONG.replace("/providers/Microsoft.MachineLearningServices", ""), ("lake", "in")),
    (LONG.replace("resourceGroups", "resourcegroups").replace("ws1", "WS1"), ("lake", "in")),
]


@pytest.mark.parametrize(("path", "expected"), PATHS)
def test_a_data_path_is_read(path: str, expected: tuple[str, str]) -> None:
    assert read_data_path(path, DATASTORES, WORKSPACE) == expected


REFUSED_PATHS = [
    ("", "has the form"),
    ("in/a.csv", "has the form"),
    ("azureml://datastores/lake/paths/", "has the form"),
    ("azureml://datastores/../paths/a", "has the form"),
    ("azureml:transactions:1", "has the form"),
    ("azureml://datastores/lake/paths/a\nb", "has the form"),
    ("wasbs://c@a.blob.core.windows.net/x", "has the form"),
    (LONG.replace("ws1", "ws2"), "another workspace"),
    (LONG.replace("/rg/", "/rg2/"), "another workspace"),
    (LONG.replace("000001", "000002"), "another workspace"),
    ("azureml://datastores/lake/paths/../a", "holds"),
    ("azureml://datastores/lake/paths/a/..", "holds"),
    ("azureml://datastores/lake/paths/a/%2E./b", "holds"),
    ("azureml://datastores/lake/paths/a\\..\\b", "holds"),
    ("azureml://datastores/lake/paths/a\tb", "holds"),
    ("azureml://datastores/lake/paths/a\x7fb", "holds"),
    ("azureml://datastores/sea/paths/a", "no datastore 'sea'; there are workspaceblobstore, lake, share"),
]


@pytest.mark.parametrize(("path", "reason"), REFUSED_PATHS)
def test_a_data_path_stays_in_its_workspace(path: str, reason: str) -> None:
    with pytest.raises(ValueError, match=reason):
        read_data_path(path, DATASTORES, WORKSPACE)


DATASTORE_FAULTS = [
    ("component", "sea", "no datastore 'sea'; there are workspaceblobstore, lake"),
    ("component", "share", "cannot go to share, a AzureFile; there are workspaceblobstore, lake"),
    ("batchEndpoint", "lake", "cannot go to lake, a AzureDataLakeGen2; there are workspaceblobstore"),
]


@pytest.mark.parametrize(("provider", "datastore", "reason"), DATASTORE_FAULTS)
def test_a_datastore_that_cannot_take_an_output(provider: str, datastore: str, reason: str) -> None:
    target, message = fault(mapped(style_a(), provider=provider, outputDatastore=datastore))

    assert target == "outputDatastore"
    assert message.endswith(reason)


@pytest.mark.parametrize("datastore", ["workspaceblobstore", "lake"])
def test_a_component_writes_to_blob_and_data_lake(datastore: str) -> None:
    assert mapped(style_a(), outputDatastore=datastore).faults == []


def test_a_batch_endpoint_takes_no_mltable() -> None:
    found = pipeline({"transactions": {"type": "mltable"}}, {"scores": {"type": "uri_folder"}})

    assert mapped(found).faults == []
    assert "no mltable" in fault(mapped(found, provider=Provider.BATCH_ENDPOINT.value))[1]
