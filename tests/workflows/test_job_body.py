"""The bodies that start a pipeline, equal as JSON to the golden ones."""

import json
from pathlib import Path
from typing import Any

import pytest

from shared.workflows.job_body import batch_job, component_job, export_folder, run_places
from shared.workflows.mapping import OutputPlace, map_workflow
from shared.workflows.pipelines import Pipeline, Style
from tests.workflows.fakes import DATA, DATASTORES, WORKSPACE, pipeline, style_a, style_b, workflow

FOLDER = Path(__file__).parents[1] / "golden" / "workflows"
RUN = "brg-churn-20261121T120000-0a1b2c"
EXPORTED = {"prior": "azureml://datastores/workspaceblobstore/paths/exports/prior.csv"}
LITERALS: dict[str, Any] = {
    "prior": {"type": "uri_folder"},
    "threshold": {"type": "number"},
    "top": {"type": "integer"},
    "strict": {"type": "boolean"},
    "note": {"type": "string", "optional": True},
    "unset": {"type": "number", "default": "1"},
}
GIVEN: dict[str, Any] = {
    "transactions": {"path": DATA},
    "prior": {"entity": "Other"},
    "threshold": {"value": 0.5},
    "top": {"value": "5"},
    "strict": {"value": False},
}


def body(found: Pipeline, **members: Any) -> dict[str, Any]:
    definition = workflow(**members)
    place = map_workflow(definition, found, DATASTORES, WORKSPACE).place
    assert place is not None
    places = run_places(definition, place, RUN, EXPORTED)
    if definition.provider == "component":
        return component_job(definition, found, place, places, workflow="churn", run=RUN)
    return batch_job(definition, found, place, places, workspace_path=WORKSPACE.path, run=RUN)


GOLDEN = [
    ("component_output", style_a(**LITERALS), {"requiredData": GIVEN}),
    ("component_parameters", style_b(), {"requiredData": {"transactions": {"path": DATA}}}),
    ("batch_output", style_a(**LITERALS), {"requiredData": GIVEN, "provider": "batchEndpoint"}),
    ("batch_parameters", style_b(), {"requiredData": {"transactions": {"path": DATA}}, "provider": "batchEndpoint"}),
]


@pytest.mark.parametrize(("name", "found", "members"), GOLDEN)
def test_a_body_is_the_golden_one(name: str, found: Pipeline, members: dict[str, Any]) -> None:
    golden = json.loads((FOLDER / f"{name}.json").read_text(encoding="utf-8"))

    assert body(found, **members) == golden


FOLDER_OUTPUT = OutputPlace(Style.OUTPUT, "scores", output_type="uri_folder")
FILE_OUTPUT = OutputPlace(Style.OUTPUT, "scores", output_type="uri_file")
PARAMETERS = OutputPlace(Style.PARAMETERS, path_parameter="p", datastore_parameter="d")
PLACES = [
    (FOLDER_OUTPUT, "outputs/value", f"outputs/value/{RUN}/"),
    (FILE_OUTPUT, "outputs/value", f"outputs/value/{RUN}/output.csv"),
    (FILE_OUTPUT, "outputs/value.csv", f"outputs/{RUN}/value.csv"),
    (PARAMETERS, "outputs/value", f"outputs/value/{RUN}/output.csv"),
    (PARAMETERS, "outputs/v1.2", f"outputs/v1.2/{RUN}/output.csv"),
    (PARAMETERS, "HotelChurnOutput/HotelChurnOutput.csv", f"HotelChurnOutput/{RUN}/HotelChurnOutput.csv"),
    (PARAMETERS, "value.csv", f"{RUN}/value.csv"),
]


@pytest.mark.parametrize(("place", "path", "expected"), PLACES)
def test_each_run_writes_to_a_path_of_its_own(place: OutputPlace, path: str, expected: str) -> None:
    places = run_places(workflow(outputPath=path), place, RUN, {})

    assert places.path == expected
    assert places.uri == f"azureml://datastores/workspaceblobstore/paths/{expected}"


@pytest.mark.parametrize(
    ("kind", "value", "job", "batch"),
    [
        ("number", 5, "5", 5.0),
        ("number", "1e-3", "1e-3", 0.001),
        ("integer", 5.0, "5", 5),
        ("integer", "+9007199254740993", "9007199254740993", 9007199254740993),
        ("boolean", "True", "true", True),
        ("boolean", False, "false", False),
        ("string", "0.50", "0.50", "0.50"),
    ],
)
def test_a_literal_is_text_for_a_job_and_typed_for_a_batch_endpoint(
    kind: str, value: Any, job: str, batch: object
) -> None:
    found, data = style_a(x={"type": kind}), {"transactions": {"path": DATA}, "x": {"value": value}}

    sent = body(found, requiredData=data)["properties"]["inputs"]["x"]
    invoked = body(found, requiredData=data, provider="batchEndpoint")["properties"]["InputData"]["x"]

    assert sent == {"jobInputType": "literal", "value": job}
    assert (invoked, type(invoked["Value"])) == ({"JobInputType": "Literal", "Value": batch}, type(batch))


def test_a_file_output_is_a_file_for_both_providers() -> None:
    found = pipeline({"transactions": {"type": "uri_file"}}, {"scores": {"type": "uri_file"}})

    sent = body(found, requiredData={})["properties"]["outputs"]["scores"]
    invoked = body(found, provider="batchEndpoint")["properties"]["OutputData"]["scores"]

    assert (sent["jobOutputType"], sent["uri"].endswith("/output.csv")) == ("uri_file", True)
    assert (invoked["JobOutputType"], invoked["Uri"].endswith("/output.csv")) == ("UriFile", True)


@pytest.mark.parametrize("found", [style_a(), style_b()], ids=["output", "parameters"])
def test_what_is_exported_for_a_run_does_not_lie_in_its_output(found: Pipeline) -> None:
    definition = workflow()
    place = map_workflow(definition, found, DATASTORES, WORKSPACE).place
    assert place is not None
    output = run_places(definition, place, RUN, {}).path

    folder = export_folder(definition, RUN, "prior")

    assert RUN in folder
    assert not f"{folder}/".startswith(output)
