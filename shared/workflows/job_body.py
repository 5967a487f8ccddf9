"""The exact body that starts a pipeline: as a job of a registered component, or at a batch endpoint.

Source: Azure ML REST 2025-12-01, jobs PUT (discriminators in snake_case, every literal a string), and the batch
endpoints' invocation (values in PascalCase, literals typed).
"""

import re
from dataclasses import dataclass
from typing import Any

from shared.workflows.definition import Scalar, WorkflowDefinition
from shared.workflows.mapping import OutputPlace
from shared.workflows.pipelines import Pipeline, PipelineInput, Style

EXPERIMENT = "aml-bridge"
_FILE = "output.csv"
_FILE_NAME = re.compile(r".+\.[A-Za-z][A-Za-z0-9]*")


@dataclass(frozen=True, slots=True)
class RunPlaces:
    """Where one run's data lies: a fresh output path for each, so that nothing is ever overwritten."""

    datastore: str
    path: str
    """In the datastore: a file for style B and for an output that is one, else a folder, with a / at its end."""
    exported: dict[str, str]
    """By input: the `azureml://` address of an exported entity."""

    @property
    def uri(self) -> str:
        return f"azureml://datastores/{self.datastore}/paths/{self.path}"


def run_places(definition: WorkflowDefinition, place: OutputPlace, run: str, exported: dict[str, str]) -> RunPlaces:
    folder = definition.output_path
    if place.style is Style.OUTPUT and place.output_type != "uri_file":
        return RunPlaces(definition.output_datastore, f"{folder}/{run}/", exported)
    head, _, last = folder.rpartition("/")
    path = f"{head}/{run}/{last}" if _FILE_NAME.fullmatch(last) else f"{folder}/{run}/{_FILE}"
    return RunPlaces(definition.output_datastore, path.lstrip("/"), exported)


def exports_folder(definition: WorkflowDefinition, run: str) -> str:
    """Where all that a run exports lies, in the output's datastore: beside the run's output, never in it."""
    return f"{definition.output_path}/in/{run}/"


def export_folder(definition: WorkflowDefinition, run: str, name: str) -> str:
    """Where the entity for an input lies."""
    return f"{exports_folder(definition, run)}{name}"


def component_job(
    definition: WorkflowDefinition,
    pipeline: Pipeline,
    place: OutputPlace,
    places: RunPlaces,
    *,
    workflow: str,
    run: str,
) -> dict[str, Any]:
    """The body of `PUT …/jobs/{run}`."""
    inputs: dict[str, Any] = {}
    for item in pipeline.inputs:
        given = _input_value(item, definition, place, places)
        if isinstance(given, _Data):
            inputs[item.name] = {"jobInputType": item.type, "uri": given.uri}
        elif given not in (None, ""):
            inputs[item.name] = {"jobInputType": "literal", "value": _literal(given, item.type)}
    return {
        "properties": {
            "jobType": "Pipeline",
            "displayName": f"{workflow} {run}",
            "experimentName": EXPERIMENT,
            "isArchived": False,
            "componentId": pipeline.id,
            "jobs": {},
            "tags": {"workflow": workflow, "run": run},
            "properties": {},
            "inputs": inputs,
            "outputs": _component_outputs(place, places),
            "settings": {"force_rerun": True, "continue_on_step_failure": False, "_source": "REMOTE.WORKSPACE.JOB"},
        }
    }


def _component_outputs(place: OutputPlace, places: RunPlaces) -> dict[str, Any]:
    if place.style is not Style.OUTPUT:
        return {}
    return {str(place.output): {"jobOutputType": place.output_type, "mode": "Upload", "uri": places.uri}}


def batch_job(
    definition: WorkflowDefinition,
    pipeline: Pipeline,
    place: OutputPlace,
    places: RunPlaces,
    *,
    workspace_path: str,
    run: str,
) -> dict[str, Any]:
    """The body of `POST {scoringUri}/jobs`; outputs go to a Blob datastore by its ARM id."""
    inputs: dict[str, Any] = {}
    for item in pipeline.inputs:
        given = _input_value(item, definition, place, places)
        if isinstance(given, _Data):
            inputs[item.name] = {"JobInputType": _job_type(item.type), "Uri": given.uri}
        elif given not in (None, ""):
            inputs[item.name] = {"JobInputType": "Literal", "Value": _typed(given, item.type)}
    outputs: dict[str, Any] = {}
    if place.style is Style.OUTPUT:
        uri = f"{workspace_path}/datastores/{places.datastore}/paths/{places.path}"
        outputs[str(place.output)] = {"JobOutputType": _job_type(place.output_type), "Uri": uri}
    return {
        "properties": {
            "InputData": inputs,
            "OutputData": outputs,
            "properties": {"experimentName": EXPERIMENT, "displayName": run},
        }
    }


def _job_type(kind: str | None) -> str:
    return "UriFile" if kind == "uri_file" else "UriFolder"


@dataclass(frozen=True, slots=True)
class _Data:
    uri: str


def _input_value(
    item: PipelineInput, definition: WorkflowDefinition, place: OutputPlace, places: RunPlaces
) -> "_Data | Scalar | None":
    if item.name == place.path_parameter:
        return places.path
    if item.name == place.datastore_parameter:
        return places.datastore
    data = definition.required_data.get(item.name)
    if data is None:
        return None
    if data.value is not None:
        return data.value
    return _Data(places.exported[item.name] if data.entity else str(data.path))


def _literal(value: Scalar, kind: str) -> str:
    """A job takes every literal as a string."""
    given = _typed(value, kind) if kind in ("boolean", "integer") else value
    return str(given).lower() if isinstance(given, bool) else str(given)


def _typed(value: Scalar, kind: str) -> Scalar:
    """A batch endpoint takes literals in the input's own type."""
    match kind:
        case "boolean":
            return value if isinstance(value, bool) else str(value).lower() == "true"
        case "integer":
            return int(str(value).partition(".")[0])
        case "number":
            return float(value)
        case _:
            return str(value)
