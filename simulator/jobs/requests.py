"""Is this a job that can be accepted? What Machine Learning checks before it answers 201."""

import re
from collections.abc import Mapping
from typing import Any

from simulator.arm.errors import ProviderError
from simulator.arm.models import Workspace
from simulator.arm.registry import find_component
from simulator.jobs.pipeline import BadPipeline, in_order, with_defaults
from simulator.jobs.uris import BadDataUri, DataUri

NAME = re.compile(r"[a-zA-Z0-9][a-zA-Z0-9\-_]{0,254}", re.ASCII)
DATA_TYPES = frozenset({"uri_file", "uri_folder", "mltable"})


def check_job(workspace: Workspace, name: str, properties: Mapping[str, Any]) -> None:
    """Raises ProviderError 400."""
    if not NAME.fullmatch(name):
        raise refused(f"The job name '{name}' is invalid.")
    if properties.get("jobType") != "Pipeline":
        raise refused(f"The simulator runs jobs of jobType Pipeline, not {properties.get('jobType')}.")
    try:
        check_pipeline(workspace, properties)
        check_data(workspace, properties)
    except (BadPipeline, BadDataUri) as error:
        raise refused(str(error)) from error


def check_pipeline(workspace: Workspace, properties: Mapping[str, Any]) -> None:
    inputs = properties.get("inputs") or {}
    reference = properties.get("componentId")
    if reference is None:
        if not in_order(properties.get("jobs") or {}):
            raise BadPipeline("The pipeline has neither a componentId nor jobs.")
        return
    component = find_component(workspace, str(reference))
    if component is None or component.spec["type"] != "pipeline":
        raise BadPipeline(f"There is no pipeline component {reference}.")
    if unknown := [name for name in inputs if name not in component.spec.get("inputs", {})]:
        raise BadPipeline(f"The component {component.name} has no input {', '.join(unknown)}.")
    if unknown := [name for name in properties.get("outputs") or {} if name not in component.spec.get("outputs", {})]:
        raise BadPipeline(f"The component {component.name} has no output {', '.join(unknown)}.")
    with_defaults(inputs, component.spec)


def check_data(workspace: Workspace, properties: Mapping[str, Any]) -> None:
    for name, given in (properties.get("inputs") or {}).items():
        if given.get("jobInputType") == "literal":
            if not isinstance(given.get("value"), str) or not given["value"]:
                raise BadPipeline(f"The value of input {name} is null or empty, or not a string.")
        elif given.get("jobInputType") in DATA_TYPES:
            known_datastore(workspace, DataUri.parse(str(given.get("uri")), workspace))
        else:
            raise BadPipeline(f"The jobInputType {given.get('jobInputType')} of input {name} is not simulated.")
    for name, given in (properties.get("outputs") or {}).items():
        if given.get("jobOutputType") not in DATA_TYPES:
            raise BadPipeline(f"The jobOutputType {given.get('jobOutputType')} of output {name} is not simulated.")
        if given.get("uri"):
            known_datastore(workspace, DataUri.parse(str(given["uri"]), workspace))


def known_datastore(workspace: Workspace, uri: DataUri) -> None:
    if uri.datastore.lower() not in workspace.datastores:
        raise BadPipeline(f"There is no datastore {uri.datastore}.")


def refused(message: str) -> ProviderError:
    return ProviderError(400, "UserError", message)
