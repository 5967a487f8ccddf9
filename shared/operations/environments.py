"""An export for another environment: tenants, workspaces and hosts become variables, and their values stand beside it.

What comes of it is the body of an import: sent back as it is, it changes nothing; with other values it is the same
configuration elsewhere.
"""

import re
from collections.abc import Callable
from datetime import datetime
from typing import Any
from urllib.parse import urlsplit

from shared.operations.configuration import Kind, Stored, render
from shared.operations.variables import escape, escaped

_ENDPOINT = re.compile(r"(/subscriptions/.+/workspaces/[^/]+)(/onlineEndpoints/.+)", re.IGNORECASE)

type _Found = tuple[str, str, str]
"""A variable's kind, its value, and the resource that first has it."""


def parameterized(stored: Stored, now: datetime) -> dict[str, Any]:
    """`{"document", "variables"}`, as an import takes them."""
    resources = stored.resources()
    found = [
        *(
            (kind, value, name)
            for name, definition in resources[Kind.CONNECTIONS].items()
            for kind, value in _ids(definition)
        ),
        *(
            (kind, value, name)
            for name, definition in resources[Kind.SKILLS].items()
            for kind, value in _places(definition)
        ),
    ]
    names = _names(found)
    variables = {name: value for (_, value), name in sorted(names.items(), key=lambda item: item[1])}

    def named(kind: str, value: str) -> str:
        return f"${{{names[kind, value]}}}"

    document = render(
        {
            Kind.SKILLS: {name: _skill(definition, named) for name, definition in resources[Kind.SKILLS].items()},
            Kind.CONNECTIONS: {
                name: {**escaped(definition), **{kind.lower(): named(kind, value) for kind, value in _ids(definition)}}
                for name, definition in resources[Kind.CONNECTIONS].items()
            },
            Kind.WORKFLOWS: escaped(resources[Kind.WORKFLOWS]),
        },
        now,
    )
    return {"document": document, "variables": variables}


def _ids(connection: dict[str, Any]) -> list[tuple[str, str]]:
    return [("TENANT", connection["tenant"]), ("WORKSPACE", connection["workspace"])]


def _places(skill: dict[str, Any]) -> list[tuple[str, str]]:
    """Where a skill's endpoint is: of its resource id the workspace, of its address the host."""
    resource = _ENDPOINT.fullmatch(str(skill.get("resourceId", "")))
    if resource is not None:
        return [("WORKSPACE", resource[1])]
    host = _host(str(skill.get("uri", "")))
    return [("HOST", host)] if host else []


def _host(uri: str) -> str:
    try:
        return urlsplit(uri).netloc
    except ValueError:
        return ""


def _skill(definition: dict[str, Any], named: Callable[[str, str], str]) -> dict[str, Any]:
    result: dict[str, Any] = escaped(definition)
    for kind, value in _places(definition):
        member = "resourceId" if kind == "WORKSPACE" else "uri"
        before, _, after = str(definition[member]).partition(value)
        result[member] = f"{escape(before)}{named(kind, value)}{escape(after)}"
    return result


def _names(found: list[_Found]) -> dict[tuple[str, str], str]:
    """The one value of a kind is called as the kind is; of several, each after the resource that first has it."""
    first: dict[tuple[str, str], str] = {}
    for kind, value, resource in found:
        first.setdefault((kind, value), resource)
    kinds = [kind for kind, _ in first]
    names: dict[tuple[str, str], str] = {}
    for (kind, value), resource in first.items():
        plain = kind if kinds.count(kind) == 1 else f"{kind}_{re.sub('[^A-Z0-9]', '_', resource.upper())}"
        name, count = plain, 1
        while name in names.values():
            count += 1
            name = f"{plain}_{count}"
        names[kind, value] = name
    return names
