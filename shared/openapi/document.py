"""The description of the whole API: OpenAPI 3.1, from the models that read and the shapes that answer.

Source: OpenAPI Specification 3.1.0. The examples are requests and answers of a running app: a test compares them with
what it sends and gets (tests/openapi).
"""

import json
from collections.abc import Iterable, Mapping
from functools import cache
from http import HTTPStatus
from pathlib import Path
from re import findall
from typing import Any

from pydantic import BaseModel

from shared.openapi.configuration_operations import CONFIGURATION_OPERATIONS
from shared.openapi.data_operations import (
    CUSTOMER_OPERATIONS,
    DATA_OPERATIONS,
    ENTITY_OPERATIONS,
    READER_KEY_OPERATIONS,
)
from shared.openapi.operations import JSON, Answer, Operation, Parameter
from shared.openapi.schemas import REF, schemas_of
from shared.openapi.service_operations import SERVICE_OPERATIONS
from shared.openapi.shapes import ErrorAnswer
from shared.openapi.skill_operations import SKILL_OPERATIONS
from shared.openapi.workflow_operations import CONNECTION_OPERATIONS, RUN_OPERATIONS, WORKFLOW_OPERATIONS

EXAMPLES = Path(__file__).with_name("examples.json")

SECTIONS: Mapping[str, Iterable[Operation]] = {
    "Skills": SKILL_OPERATIONS,
    "Connections": CONNECTION_OPERATIONS,
    "Workflows": WORKFLOW_OPERATIONS,
    "Runs": RUN_OPERATIONS,
    "Data": DATA_OPERATIONS,
    "Entities": ENTITY_OPERATIONS,
    "Customers": CUSTOMER_OPERATIONS,
    "Reader keys": READER_KEY_OPERATIONS,
    "Configuration": CONFIGURATION_OPERATIONS,
    "Service": SERVICE_OPERATIONS,
}
OPERATIONS = tuple(operation for section in SECTIONS.values() for operation in section)

_NOTES = {
    "Skills": "A custom skill that scores each record on an Azure Machine Learning online endpoint.",
    "Connections": "Workspaces that workflows may use.",
    "Workflows": "A pipeline, its required data, and the entity that its output becomes.",
    "Runs": "Executions of workflows.",
    "Data": "Entities' rows over OData 4.0, for those who hold a reader key.",
    "Entities": "What workflows have published: snapshots, rollback, rejects.",
    "Customers": "One customer's rows, and their erasure.",
    "Reader keys": "Keys that open the data plane alone.",
    "Configuration": "Skills, connections and workflows as one document.",
    "Service": "The app itself.",
}
_PATH_PARAMETERS = {
    "skill": "The skill's name, without regard to case.",
    "connection": "The connection's name.",
    "workflow": "The workflow's name.",
    "run": "The run's id.",
    "entity": "The entity's name.",
    "key": "`'key'`, or `CustomerId='…',pk='…'`; a quote in a value is doubled.",
    "customerId": "The customer's id, percent-encoded.",
    "name": "The key's name.",
    "id": "The message's id.",
    "instanceId": "Any: it is there for the address's sake.",
}
_API_VERSION = Parameter(
    "api-version",
    "query",
    "Absent means the same.",
    {"type": "string", "enum": ["2026-12-01"], "default": "2026-12-01"},
)


@cache
def description(version: str) -> dict[str, Any]:
    """OpenAPI 3.1 of this app at `version`; its one server is whatever the document was read from."""
    examples = json.loads(EXAMPLES.read_text(encoding="utf-8"))
    paths: dict[str, Any] = {}
    for tag, section in SECTIONS.items():
        for operation in section:
            rendered = _render(operation, tag, examples.get(operation.id, {}))
            paths.setdefault(operation.path, {})[operation.method.lower()] = rendered
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "AML Bridge",
            "version": version,
            "summary": "Azure Machine Learning for Azure AI Search skillsets and customer data.",
            "description": "Every error of this app has one shape (`ErrorAnswer`). The Functions host's own 401, 404, 413, "
            "429 and 500 have no body.",
            "license": {"name": "MIT", "identifier": "MIT"},
        },
        "servers": [{"url": "/"}],
        "security": [{"functionKey": []}, {"functionKeyInQuery": []}],
        "tags": [{"name": tag, "description": _NOTES[tag]} for tag in SECTIONS],
        "paths": paths,
        "components": {"schemas": schemas_of(_models()), "securitySchemes": _SIGN_IN},
    }


_SIGN_IN = {
    "functionKey": {"type": "apiKey", "in": "header", "name": "x-functions-key"},
    "functionKeyInQuery": {"type": "apiKey", "in": "query", "name": "code"},
    "readerKey": {"type": "http", "scheme": "basic", "description": "Any user name; a reader key as the password."},
}


def _models() -> Iterable[type[BaseModel]]:
    yield ErrorAnswer
    for operation in OPERATIONS:
        if operation.takes is not None:
            yield operation.takes
        yield from (answer.shape for answer in operation.answers.values() if answer.shape is not None)


def _render(operation: Operation, tag: str, example: Mapping[str, Any]) -> dict[str, Any]:
    rendered: dict[str, Any] = {
        "operationId": operation.id,
        "tags": [tag],
        "summary": operation.summary,
        "description": operation.description,
        "parameters": [parameter.render() for parameter in _parameters(operation)],
        "responses": _responses(operation, example),
    }
    if operation.takes is not None:
        content = _content(operation.takes, operation.takes_media, example.get("request"))
        rendered["requestBody"] = {"required": True, "content": content}
    if operation.does_sign_in:
        rendered["security"] = [{"readerKey": []}, {"functionKey": []}, {"functionKeyInQuery": []}]
    elif operation.is_open:
        rendered["security"] = []
    return {name: value for name, value in rendered.items() if value not in ("", [])} | (
        {"security": []} if operation.is_open and not operation.does_sign_in else {}
    )


def _parameters(operation: Operation) -> Iterable[Parameter]:
    for name in findall(r"\{(\w+)\}", operation.path):
        yield Parameter(name, "path", _PATH_PARAMETERS[name])
    yield from operation.parameters
    if operation.path.startswith(("/api", "/v1")):
        yield _API_VERSION


def _responses(operation: Operation, example: Mapping[str, Any]) -> dict[str, Any]:
    answers = {str(status): _answer(status, answer, example) for status, answer in operation.answers.items()}
    return answers | {str(status): _error(status) for status in operation.errors}


def _answer(status: int, answer: Answer, example: Mapping[str, Any]) -> dict[str, Any]:
    rendered: dict[str, Any] = {"description": answer.description}
    if answer.headers:
        rendered["headers"] = {
            name: {"description": note, "schema": {"type": "string"}} for name, note in answer.headers.items()
        }
    if answer.shape is not None:
        shown = example.get("answer") if example.get("status") == status else None
        rendered["content"] = _content(answer.shape, answer.media, shown)
    return rendered


def _error(status: int) -> dict[str, Any]:
    schema = {"$ref": REF.format(model=ErrorAnswer.__name__)}
    return {"description": HTTPStatus(status).phrase, "content": {JSON: {"schema": schema}}}


def _content(shape: type[BaseModel], media: str, example: object) -> dict[str, Any]:
    content: dict[str, Any] = {"schema": {"$ref": REF.format(model=shape.__name__)}}
    if example is not None:
        content["example"] = example
    return {media: content}
