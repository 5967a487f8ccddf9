"""The description is whole, valid, and says what is registered."""

import re

import pytest
from openapi_spec_validator import OpenAPIV31SpecValidator

import function_app
from shared.openapi.document import OPERATIONS, description
from shared.openapi.operations import Operation

DOCUMENT = description("1.2.3")


def registered() -> set[tuple[str, str, str, bool]]:
    found = set()
    for function in function_app.create_app().get_functions():
        for binding in function.get_dict_repr()["bindings"]:
            if binding["type"] == "httpTrigger":
                [method] = binding["methods"]
                is_open = str(binding["authLevel"]).rpartition(".")[2] == "ANONYMOUS"
                found.add(
                    (
                        str(function.get_function_name()),
                        str(getattr(method, "value", method)),
                        binding["route"],
                        is_open,
                    )
                )
    return found


def test_the_document_is_valid() -> None:
    OpenAPIV31SpecValidator(DOCUMENT).validate()


def test_every_function_is_described_with_its_method_route_and_sign_in() -> None:
    described = {(each.function, each.method, _route(each.path), each.is_open) for each in OPERATIONS}

    assert described == registered()


def _route(path: str) -> str:
    """The data plane is one route to the host."""
    route = re.sub(r"(/data)(?:/.*)?$", r"\1/{*path}", path) if re.match(r"/(api|v1/.*)/data", path) else path
    return route if route == "/" else route.removeprefix("/")


def test_ids_and_routes_are_there_once() -> None:
    ids = [operation.id for operation in OPERATIONS]
    routes = [(operation.method, operation.path) for operation in OPERATIONS]

    assert len(set(ids)) == len(ids)
    assert len(set(routes)) == len(routes)


@pytest.mark.parametrize("operation", OPERATIONS, ids=lambda operation: operation.id)
def test_an_operation_says_what_it_is_for(operation: Operation) -> None:
    rendered = next(
        method
        for methods in DOCUMENT["paths"].values()
        for method in methods.values()
        if method["operationId"] == operation.id
    )

    assert len(rendered["summary"]) > 5
    assert all(
        parameter["description"] or parameter["schema"].get("enum") for parameter in rendered.get("parameters", [])
    )
    assert not rendered["summary"].endswith(".")


def test_durations_are_told_as_they_are_written() -> None:
    schemas = DOCUMENT["components"]["schemas"]

    assert schemas["SkillDefinition"]["properties"]["timeout"]["default"] == "PT30S"
    assert schemas["WorkflowDefinition"]["properties"]["timeout"]["type"] == "string"
