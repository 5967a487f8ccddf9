"""What can a workflow choose from? The workspace's pipelines, each eligible or not and why, and its datastores."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from shared.errors import NotFound, there_are
from shared.workflows.definition import Provider, WorkflowDefinition
from shared.workflows.mapping import OUTPUT_DATASTORES
from shared.workflows.pipelines import Pipeline, PipelineInput, read_pipeline
from shared.workflows.workspaces import BatchDeployment, Datastore, WorkspaceId, WorkspaceReader


@dataclass(frozen=True, slots=True)
class Choice:
    """A pipeline as a workflow may name it."""

    name: str
    """Of the component, or of the batch endpoint."""
    provider: Provider
    pipeline: Pipeline

    def render(self) -> dict[str, Any]:
        pipeline = self.pipeline
        return {
            "name": self.name,
            "version": pipeline.version,
            "provider": self.provider,
            "displayName": pipeline.display_name,
            "eligible": not pipeline.reasons,
            "reasons": pipeline.reasons,
            "styles": pipeline.styles,
            "inputs": [_render_input(item) for item in pipeline.inputs],
            "outputs": [{"name": output.name, "type": output.type} for output in pipeline.outputs],
        }


def _render_input(item: PipelineInput) -> dict[str, Any]:
    return {
        "name": item.name,
        "type": item.type,
        "required": item.is_required,
        "default": item.default,
        "description": item.description,
    }


async def pipelines_of(reader: WorkspaceReader, workspace: WorkspaceId) -> list[Choice]:
    """All pipeline components in their newest version, then the batch endpoints with a pipeline deployment; by name."""
    components = [read_pipeline(component) for component in await reader.components(workspace)]
    found = [Choice(pipeline.name, Provider.COMPONENT, pipeline) for pipeline in components if pipeline is not None]
    return sorted(found, key=lambda choice: choice.name) + await _batch_endpoints(reader, workspace)


async def _batch_endpoints(reader: WorkspaceReader, workspace: WorkspaceId) -> list[Choice]:
    """Each endpoint's default deployment: what an invocation without a deployment's name runs."""
    found: list[Choice] = []
    for deployment in await reader.batch_deployments(workspace):
        pipeline = await _deployed(reader, workspace, deployment) if deployment.is_default else None
        if pipeline is not None:
            found.append(Choice(deployment.endpoint, Provider.BATCH_ENDPOINT, pipeline))
    return sorted(found, key=lambda choice: choice.name)


async def _deployed(reader: WorkspaceReader, workspace: WorkspaceId, deployment: BatchDeployment) -> Pipeline | None:
    name, _, version = deployment.component_id.rpartition("/components/")[2].partition("/versions/")
    component = await reader.component(workspace, name, version)
    return read_pipeline(component) if component is not None else None


async def batch_choice(reader: WorkspaceReader, workspace: WorkspaceId, endpoint: str) -> Pipeline:
    """The pipeline behind a batch endpoint. Raises NotFound, with the endpoints there are."""
    found = await _batch_endpoints(reader, workspace)
    for choice in found:
        if choice.name == endpoint:
            return choice.pipeline
    known = there_are([choice.name for choice in found], "it has none")
    raise NotFound(
        f"the workspace {workspace.name} has no batch endpoint {endpoint!r} with a pipeline; {known}", target="pipeline"
    )


async def chosen_pipeline(
    reader: WorkspaceReader, workspace: WorkspaceId, definition: WorkflowDefinition, kept: str | None
) -> Pipeline:
    """The pipeline that a workflow names; `kept` is the version that a bare name had. Raises NotFound, with the names
    there are."""
    if definition.provider is Provider.BATCH_ENDPOINT:
        return await batch_choice(reader, workspace, definition.pipeline)
    name, version = _split(definition.pipeline)
    if (version is None and kept is None) or version == "latest":
        components = await reader.components(workspace)
        found = next((component for component in components if component.name == name), None)
    else:
        found = await reader.component(workspace, name, version or kept or "")
    pipeline = read_pipeline(found) if found is not None else None
    if pipeline is None:
        raise await _unknown_pipeline(reader, workspace, definition.pipeline)
    return pipeline


def _split(pipeline: str) -> tuple[str, str | None]:
    """`name`, `name:3` and `name@latest` as name and version."""
    if pipeline.endswith("@latest"):
        return pipeline.removesuffix("@latest"), "latest"
    name, _, version = pipeline.partition(":")
    return name, version or None


async def _unknown_pipeline(reader: WorkspaceReader, workspace: WorkspaceId, asked: str) -> NotFound:
    pipelines = [read_pipeline(component) for component in await reader.components(workspace)]
    names = sorted(pipeline.name for pipeline in pipelines if pipeline is not None)
    known = there_are(names, "it has none")
    return NotFound(f"the workspace {workspace.name} has no pipeline {asked!r}; {known}", target="pipeline")


async def output_datastores(reader: WorkspaceReader, workspace: WorkspaceId) -> Sequence[Datastore]:
    """The datastores that an output can go to: Blob and Data Lake Gen2."""
    return [store for store in await reader.datastores(workspace) if store.kind.lower() in OUTPUT_DATASTORES]


def render_datastore(store: Datastore) -> dict[str, Any]:
    return {
        "name": store.name,
        "type": store.kind,
        "isDefault": store.is_default,
        "account": store.account,
        "container": store.container,
    }
