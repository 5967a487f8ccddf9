"""How does a pipeline run? Its nodes in the order of their bindings, each a command or a pipeline of its own.

A node's inputs are literals or bindings:

    ${{parent.inputs.horizon_days}}   ${{parent.jobs.summarize.outputs.summary}}

and its outputs are bound to the pipeline's (`${{parent.outputs.scores}}`) or have a `uri`, in which inputs may stand.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from graphlib import CycleError, TopologicalSorter
from pathlib import Path
from typing import Any

from simulator.arm.models import ComponentVersion, Workspace
from simulator.arm.registry import find_component
from simulator.jobs.models import Failure
from simulator.jobs.steps import StepFailed, command_line, run_step

_INPUT = re.compile(r"\$\{\{\s*parent\.inputs\.(\w+)\s*\}\}")
_NODE = re.compile(r"\$\{\{\s*parent\.jobs\.(\w+)\.outputs\.(\w+)\s*\}\}")
_OUTPUT = re.compile(r"\$\{\{\s*parent\.outputs\.(\w+)\s*\}\}")


class BadPipeline(Exception):
    """The pipeline does not fit together; the message says where."""


@dataclass
class Execution:
    """One job's, over all its pipelines: where its files lie, and what is to be stored in the end."""

    workspace: Workspace
    folder: Path
    python: str
    stores: dict[Path, str] = field(default_factory=dict)
    """Local files and folders of outputs, and the reference each goes to."""

    def place(self, name: str, type_: str) -> Path:
        """A new place for an output: a folder, or a file that the step makes."""
        path = self.folder / "outputs" / name
        (path if is_folder(type_) else path.parent).mkdir(parents=True, exist_ok=True)
        return path


def is_folder(type_: str) -> bool:
    return str(type_).lower() != "uri_file"


def with_defaults(inputs: Mapping[str, str], spec: Mapping[str, Any]) -> dict[str, str]:
    """`inputs` and the defaults of those not given. Raises BadPipeline if a required one is missing."""
    values = dict(inputs)
    for name, declared in spec.get("inputs", {}).items():
        if name in values:
            continue
        if declared.get("default") is not None:
            values[name] = str(declared["default"])
        elif str(declared.get("optional", "")).lower() != "true":
            raise BadPipeline(f"input '{name}' is required")
    return values


async def run_pipeline(
    execution: Execution, nodes: Mapping[str, Any], inputs: Mapping[str, str], outputs: Mapping[str, Path]
) -> None:
    """`inputs`: values, local paths for data. Raises StepFailed, BadPipeline."""
    made: dict[tuple[str, str], Path] = {}
    for name in in_order(nodes):
        node = nodes[name]
        component = find_component(execution.workspace, str(node.get("componentId", "")))
        if component is None:
            raise BadPipeline(f"node '{name}': there is no component {node.get('componentId')}")
        given = with_defaults(node_inputs(name, node, inputs, made), component.spec)
        targets = {
            output: node_output(execution, f"{name}.{output}", declared, node, output, inputs, outputs)
            for output, declared in component.spec.get("outputs", {}).items()
        }
        await run_node(execution, name, component, given, targets)
        made |= {(name, output): path for output, path in targets.items()}


async def run_node(
    execution: Execution, name: str, component: ComponentVersion, inputs: Mapping[str, str], targets: Mapping[str, Path]
) -> None:
    if component.spec["type"] == "pipeline":
        await run_pipeline(execution, component.spec.get("jobs", {}), inputs, targets)
        return
    places = {output: str(path) for output, path in targets.items()}
    try:
        arguments = command_line(component.spec["command"], inputs, places, [execution.python])
    except KeyError as error:
        raise StepFailed(Failure(f"Step '{name}': input {error} has no value", name)) from error
    await run_step(name, component, arguments, execution.folder / f"{name}.log")


def in_order(nodes: Mapping[str, Any]) -> list[str]:
    """Every node after those whose outputs it takes. Raises BadPipeline."""
    needs = {
        name: {match[1] for value in bound_values(node) if (match := _NODE.fullmatch(value))}
        for name, node in nodes.items()
    }
    try:
        order = list(TopologicalSorter(needs).static_order())
    except CycleError as error:
        raise BadPipeline("the nodes wait for each other") from error
    if unknown := set(order) - set(nodes):
        raise BadPipeline(f"there is no node {', '.join(sorted(unknown))}")
    return order


def bound_values(node: Mapping[str, Any]) -> list[str]:
    return [str(bound.get("value", "")) for bound in (node.get("inputs") or {}).values()]


def node_inputs(
    name: str, node: Mapping[str, Any], inputs: Mapping[str, str], made: Mapping[tuple[str, str], Path]
) -> dict[str, str]:
    """An optional input of the pipeline without a value leaves the node's without one."""
    values: dict[str, str] = {}
    for own, bound in (node.get("inputs") or {}).items():
        text = str(bound.get("value", ""))
        if match := _NODE.fullmatch(text):
            if (match[1], match[2]) not in made:
                raise BadPipeline(f"node '{name}': {match[1]} has no output {match[2]}")
            values[own] = str(made[match[1], match[2]])
        elif match := _INPUT.fullmatch(text):
            values |= {own: inputs[match[1]]} if match[1] in inputs else {}
        else:
            values[own] = text
    return values


def node_output(
    execution: Execution,
    place: str,
    declared: Mapping[str, Any],
    node: Mapping[str, Any],
    output: str,
    inputs: Mapping[str, str],
    outputs: Mapping[str, Path],
) -> Path:
    """The pipeline's own place where it is bound to one; else a new one, to be stored if it has a uri."""
    bound = (node.get("outputs") or {}).get(output) or {}
    if match := _OUTPUT.fullmatch(str(bound.get("value", ""))):
        if match[1] not in outputs:
            raise BadPipeline(f"there is no output '{match[1]}'")
        return outputs[match[1]]
    path = execution.place(place, declared.get("type", ""))
    if bound.get("uri"):
        execution.stores[path] = _INPUT.sub(lambda match: inputs.get(match[1], ""), str(bound["uri"]))
    return path
