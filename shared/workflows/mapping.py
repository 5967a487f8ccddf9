"""Does the workflow give its pipeline all that it needs? What is missing, what is wrong, and where its output goes."""

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass

from shared.errors import ErrorDetail
from shared.workflows.definition import Provider, RequiredData, Scalar, WorkflowDefinition, leads_astray
from shared.workflows.pipelines import DATA_TYPES, LITERAL_TYPES, Pipeline, PipelineInput, Style
from shared.workflows.workspaces import Datastore, WorkspaceId

OUTPUT_DATASTORES = frozenset({"azureblob", "azuredatalakegen2"})
_BATCH_OUTPUT_DATASTORES = frozenset({"azureblob"})
"""Source: Azure ML, data for batch endpoints: their outputs go to Blob datastores only."""
_SHORT = re.compile(r"azureml://datastores/(?P<datastore>[A-Za-z0-9_]{1,255})/paths/(?P<path>.+)")
_LONG = re.compile(
    r"azureml://subscriptions/(?P<subscription>[^/]+)/resourceGroups/(?P<group>[^/]+)"
    r"(?:/providers/Microsoft\.MachineLearningServices)?/workspaces/(?P<workspace>[^/]+)"
    r"/datastores/(?P<datastore>[A-Za-z0-9_]{1,255})/paths/(?P<path>.+)",
    re.IGNORECASE,
)
_WHOLE = re.compile(r"[+-]?[0-9]{1,19}(?:\.0+)?")
_DECIMAL = re.compile(r"[+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]{1,3})?")


@dataclass(frozen=True, slots=True)
class OutputPlace:
    """How the pipeline is told where its output goes."""

    style: Style
    output: str | None = None
    path_parameter: str | None = None
    datastore_parameter: str | None = None
    output_type: str | None = None


@dataclass(frozen=True, slots=True)
class Mapping:
    """The workflow against its pipeline: `missing` makes a draft, `faults` are refused."""

    missing: Sequence[str]
    faults: Sequence[ErrorDetail]
    place: OutputPlace | None


def map_workflow(
    definition: WorkflowDefinition, pipeline: Pipeline, datastores: Sequence[Datastore], workspace: WorkspaceId
) -> Mapping:
    """Faults first say why a pipeline is not eligible; then nothing else matters."""
    if pipeline.reasons:
        message = f"{pipeline.name} cannot be used: {', '.join(pipeline.reasons)}"
        return Mapping([], [_fault("pipeline", message)], None)
    place, place_faults = _output_place(definition, pipeline)
    taken = {place.path_parameter, place.datastore_parameter} if place else set()
    open_inputs = [item for item in pipeline.inputs if item.name not in taken]
    missing = [item.name for item in open_inputs if item.is_required and item.name not in definition.required_data]
    faults = [
        *place_faults,
        *_datastore_faults(definition, datastores),
        *_unknown_inputs(definition, pipeline, open_inputs),
        *(fault for item in open_inputs for fault in _input_faults(item, definition, datastores, workspace)),
    ]
    return Mapping(missing, faults, place)


def _output_place(definition: WorkflowDefinition, pipeline: Pipeline) -> tuple[OutputPlace | None, list[ErrorDetail]]:
    """Nulls are the defaults: the only data output, else the inputs that look like a path and a datastore."""
    if definition.output_path_parameter is not None:
        return _named_parameters(definition, pipeline)
    outputs = pipeline.data_outputs
    if definition.output is not None:
        if definition.output not in outputs:
            return None, [
                _fault("output", f"the pipeline has no data output {definition.output!r}; {_there_are(outputs)}")
            ]
        return _as_output(definition.output, pipeline), []
    if len(outputs) == 1:
        return _as_output(outputs[0], pipeline), []
    if outputs:
        return None, [_fault("output", f"the pipeline has several data outputs; name one of {', '.join(outputs)}")]
    return _suggested_parameters(pipeline)


def _as_output(name: str, pipeline: Pipeline) -> OutputPlace:
    kind = next(output.type for output in pipeline.outputs if output.name == name)
    return OutputPlace(Style.OUTPUT, name, output_type=kind)


def _named_parameters(
    definition: WorkflowDefinition, pipeline: Pipeline
) -> tuple[OutputPlace | None, list[ErrorDetail]]:
    path, datastore = definition.output_path_parameter, definition.output_datastore_parameter
    named = {"outputPathParameter": path, "outputDatastoreParameter": datastore}
    faults = [
        _fault(place, f"the pipeline has no string input {name!r}; {_there_are(pipeline.string_inputs)}")
        for place, name in named.items()
        if name not in pipeline.string_inputs
    ]
    if not faults and path == datastore:
        faults = [_fault("outputDatastoreParameter", f"{path!r} takes the path already; name another input")]
    if faults:
        return None, faults
    return OutputPlace(Style.PARAMETERS, path_parameter=path, datastore_parameter=datastore), []


def _suggested_parameters(pipeline: Pipeline) -> tuple[OutputPlace | None, list[ErrorDetail]]:
    datastores = [name for name in pipeline.string_inputs if re.search("datastore", name, re.IGNORECASE)]
    paths = [
        name for name in pipeline.string_inputs if re.search("path", name, re.IGNORECASE) and name not in datastores
    ]
    if len(paths) == len(datastores) == 1:
        return OutputPlace(Style.PARAMETERS, path_parameter=paths[0], datastore_parameter=datastores[0]), []
    message = f"say which inputs take the output's path and datastore; {_there_are(pipeline.string_inputs)}"
    return None, [_fault("outputPathParameter", message)]


def _datastore_faults(definition: WorkflowDefinition, datastores: Sequence[Datastore]) -> list[ErrorDetail]:
    found = next((store for store in datastores if store.name == definition.output_datastore), None)
    takes = _BATCH_OUTPUT_DATASTORES if definition.provider is Provider.BATCH_ENDPOINT else OUTPUT_DATASTORES
    fit = [store.name for store in datastores if store.kind.lower() in takes]
    if found is None:
        return [
            _fault(
                "outputDatastore", f"the workspace has no datastore {definition.output_datastore!r}; {_there_are(fit)}"
            )
        ]
    if found.name not in fit:
        return [_fault("outputDatastore", f"an output cannot go to {found.name}, a {found.kind}; {_there_are(fit)}")]
    return []


def _unknown_inputs(
    definition: WorkflowDefinition, pipeline: Pipeline, inputs: Sequence[PipelineInput]
) -> list[ErrorDetail]:
    known = [item.name for item in inputs]
    taken = {item.name for item in pipeline.inputs}.difference(known)
    return [
        _fault(
            f"requiredData.{name}",
            "the input takes the output's place; outputPath and outputDatastore say what it gets"
            if name in taken
            else f"the pipeline has no input {name!r}; {_there_are(known)}",
        )
        for name in definition.required_data
        if name not in known
    ]


def _input_faults(
    item: PipelineInput, definition: WorkflowDefinition, datastores: Sequence[Datastore], workspace: WorkspaceId
) -> list[ErrorDetail]:
    data = definition.required_data.get(item.name)
    place = f"requiredData.{item.name}"
    if item.type not in DATA_TYPES | LITERAL_TYPES and (data is not None or item.is_required):
        return [_fault(place, f"the input takes a {item.type or 'thing without a type'}, which a workflow cannot give")]
    if item.type == "mltable" and definition.provider is Provider.BATCH_ENDPOINT and (data or item.is_required):
        return [_fault(place, "a batch endpoint takes no mltable; use the component itself")]
    if data is None:
        return []
    if item.is_data:
        return _data_faults(place, item, data, datastores, workspace)
    if data.value is None:
        return [_fault(place, f"the input is a {item.type}; give it a value")]
    if data.value == "":
        return [_fault(place, "Azure Machine Learning takes no empty value; leave it out")]
    return [] if _fits(data.value, item.type) else [_fault(place, f"the value is no {item.type}")]


def _data_faults(
    place: str, item: PipelineInput, data: RequiredData, datastores: Sequence[Datastore], workspace: WorkspaceId
) -> list[ErrorDetail]:
    if data.value is not None:
        return [_fault(place, f"the input takes data ({item.type}); give it a path or an entity")]
    if data.path is None:
        return []
    try:
        read_data_path(data.path, datastores, workspace)
    except ValueError as error:
        return [_fault(place, str(error))]
    return []


def read_data_path(path: str, datastores: Sequence[Datastore], workspace: WorkspaceId) -> tuple[str, str]:
    """Datastore and path of an `azureml://` address in the connection's own workspace. Raises ValueError."""
    match = _SHORT.fullmatch(path) or _LONG.fullmatch(path)
    if match is None:
        raise ValueError("a path has the form azureml://datastores/{datastore}/paths/{path}")
    found = match.groupdict()
    own = (workspace.subscription.lower(), workspace.resource_group.lower(), workspace.name.lower())
    if (
        "workspace" in found
        and (found["subscription"].lower(), found["group"].lower(), found["workspace"].lower()) != own
    ):
        raise ValueError("the path lies in another workspace; data stays in the connection's own")
    inner = found["path"]
    if leads_astray(inner):
        raise ValueError("the path holds . or .. as a name, a backslash or a control character")
    names = [store.name for store in datastores]
    if found["datastore"] not in names:
        raise ValueError(f"the workspace has no datastore {found['datastore']!r}; {_there_are(names)}")
    return found["datastore"], inner


def _fits(value: Scalar, kind: str) -> bool:
    match kind:
        case "boolean":
            return isinstance(value, bool) or str(value).lower() in ("true", "false")
        case "integer":
            return not isinstance(value, bool) and _is_whole(value)
        case "number":
            return not isinstance(value, bool) and _is_number(value)
        case _:
            return isinstance(value, str)


def _is_whole(value: str | int | float) -> bool:
    """Of 64 bits."""
    if isinstance(value, int):
        return -(2**63) <= value < 2**63
    return _WHOLE.fullmatch(str(value)) is not None


def _is_number(value: str | int | float) -> bool:
    text = str(value) if not isinstance(value, int) or value.bit_length() < 1024 else ""
    return _DECIMAL.fullmatch(text) is not None and math.isfinite(float(text))


def _there_are(names: Sequence[str]) -> str:
    return f"there are {', '.join(names)}" if names else "there are none"


def _fault(place: str, message: str) -> ErrorDetail:
    return ErrorDetail("InvalidParameter", message, place)
