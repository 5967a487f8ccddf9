"""All skills, connections and workflows as one document: what an export holds, and what an import reads.

A resource is in it as a PUT takes it, without what only an answer tells. Names of members are sorted, so that the same
configuration gives the same document. Keys of endpoints stay references; one that is kept here as a literal is `***`.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any

from shared.conditions import etag_of
from shared.documents import unknown_parameter
from shared.errors import ErrorDetail, InvalidConfiguration, PayloadTooLarge
from shared.operations.variables import NAME, Variables, escaped, resolve
from shared.skills.catalog import StoredSkill
from shared.skills.definition import REDACTED
from shared.times import rfc3339
from shared.wire import read_json, readable_bytes
from shared.workflows.catalog import StoredWorkflow
from shared.workflows.connections import Connection

VERSION = 1
LARGEST = 4 * 1024 * 1024
"""Bytes of an import."""


class Kind(StrEnum):
    """In the order in which they are saved: each needs only those before it."""

    SKILLS = "skills"
    CONNECTIONS = "connections"
    WORKFLOWS = "workflows"

    @property
    def one(self) -> str:
        return self.value.removesuffix("s")


type Resource = StoredSkill | Connection | StoredWorkflow
type Resources = Mapping[Kind, Mapping[str, Any]]
"""Definitions by kind and name. A kind that a document does not speak of is not in it."""


@dataclass(frozen=True, slots=True)
class Stored:
    """What is there."""

    skills: Sequence[StoredSkill]
    connections: Sequence[Connection]
    workflows: Sequence[StoredWorkflow]

    def of(self, kind: Kind) -> Mapping[str, Resource]:
        """By name in lower case."""
        found: Mapping[Kind, Sequence[Resource]] = {
            Kind.SKILLS: self.skills,
            Kind.CONNECTIONS: self.connections,
            Kind.WORKFLOWS: self.workflows,
        }
        return {resource.name.lower(): resource for resource in found[kind]}

    def resources(self) -> Resources:
        """As definitions, by name."""
        return {
            kind: {resource.name: definition_of(resource) for _, resource in sorted(self.of(kind).items())}
            for kind in Kind
        }

    def etag(self) -> str:
        """Of the whole configuration, the same as long as an export is."""
        return etag_of({kind.value: found for kind, found in self.resources().items()})


def definition_of(resource: Resource) -> dict[str, Any]:
    """What a PUT takes, its members sorted."""
    if isinstance(resource, StoredSkill):
        key = {} if resource.key is None else {"key": _key(resource)}
        return _members({**resource.document, **key})
    if isinstance(resource, Connection):
        return {"consent": True, "tenant": resource.tenant, "workspace": resource.workspace}
    return _members(resource.document)


def _key(skill: StoredSkill) -> str:
    setting = skill.key.setting if skill.key else None
    return REDACTED if setting is None else f"@appsetting('{setting}')"


def _members(found: Mapping[str, Any]) -> dict[str, Any]:
    return {name: _sorted(found[name]) for name in sorted(found)}


def _sorted(value: Any) -> Any:
    if isinstance(value, list):
        return [_sorted(item) for item in value]
    return _members(value) if isinstance(value, dict) else value


def render(resources: Resources, now: datetime) -> dict[str, Any]:
    """The document of `resources`, whose texts are templates already."""
    at = rfc3339(now, "seconds")
    return {"version": VERSION, "exportedAt": at, **{kind.value: resources.get(kind, {}) for kind in Kind}}


def export_document(stored: Stored, now: datetime) -> dict[str, Any]:
    """What `GET /api/export` answers."""
    return render({kind: escaped(found) for kind, found in stored.resources().items()}, now)


def is_same_configuration(document: Any, other: Any) -> bool:
    """But for the time of the export."""
    # Not `==`, to which true is 1.
    return readable_bytes(_timeless(document)) == readable_bytes(_timeless(other))


def _timeless(document: Any) -> Any:
    return {**document, "exportedAt": None} if isinstance(document, dict) else document


def read_import(body: bytes, settings: Mapping[str, str]) -> Resources:
    """What an import brings, with its variables resolved: the document, or `{"document": …, "variables": {…}}`.

    `settings` has the variables that the app's settings give; the import's own come first. Raises InvalidJson,
    InvalidConfiguration, PayloadTooLarge.
    """
    if len(body) > LARGEST:
        raise PayloadTooLarge(
            f"the body has {len(body)} bytes, at most {LARGEST} are imported at once: split the document"
        )
    given = read_json(body)
    if not isinstance(given, dict):
        raise InvalidConfiguration("an import is a JSON object: what GET /api/export answers")
    variables: Variables = settings
    if "document" in given:
        _check_members(given, ["document", "variables"], "")
        variables = {**settings, **_variables(given.get("variables"))}
        given = given["document"]
    return _resources(given, variables)


def _variables(given: object) -> Variables:
    if given is None:
        return {}
    if not isinstance(given, dict):
        raise InvalidConfiguration("variables: is an object of names and values", target="variables")
    faults = [
        ErrorDetail("InvalidVariable", message, f"variables.{name[:100]}")
        for name, value in given.items()
        if (message := _variable_fault(name, value)) is not None
    ]
    if faults:
        raise invalid(faults)
    return given


def _variable_fault(name: str, value: object) -> str | None:
    if not NAME.fullmatch(name):
        return "a variable's name has letters, digits and _, and starts with no digit"
    return None if isinstance(value, str | bool | int | float) else "must be a string, a number, true or false"


def _resources(document: object, variables: Variables) -> Resources:
    if not isinstance(document, dict):
        raise InvalidConfiguration("document: is a JSON object: what GET /api/export answers", target="document")
    _check_members(document, ["version", "exportedAt", *(kind.value for kind in Kind)], "")
    version = document.get("version")
    if version != VERSION or isinstance(version, bool):
        raise InvalidConfiguration(
            f"version: must be {VERSION}, the only one that this release knows; export anew", target="version"
        )
    given = {kind: document[kind] for kind in Kind if document.get(kind) is not None}
    faults = [fault for kind, found in given.items() for fault in _faults_of(kind, found)]
    if faults:
        raise invalid(faults)
    resolved = resolve({kind.value: found for kind, found in given.items()}, variables)
    return {kind: resolved[kind.value] for kind in given}


def _check_members(given: Mapping[str, Any], known: list[str], place: str) -> None:
    faults = [unknown_parameter(name, known, f"{place}{name[:100]}") for name in given if name not in known]
    if faults:
        raise invalid(faults)


def _faults_of(kind: Kind, found: object) -> Sequence[ErrorDetail]:
    if not isinstance(found, dict):
        return [ErrorDetail("InvalidParameter", "must be an object of definitions by name", kind.value)]
    faults = [
        ErrorDetail("InvalidParameter", "must be an object, the definition", f"{kind}.{name[:100]}")
        for name, definition in found.items()
        if not isinstance(definition, dict)
    ]
    first: dict[str, str] = {}
    for name in found:
        if (other := first.setdefault(name.lower(), name)) != name:
            message = f"is the same name as {other!r}: names are unique without regard to case"
            faults.append(ErrorDetail("InvalidName", message, f"{kind}.{name[:100]}"))
    return faults


def invalid(faults: Sequence[ErrorDetail]) -> InvalidConfiguration:
    """The error that has all faults as its details."""
    first = faults[0]
    more = f" (and {len(faults) - 1} more, see details)" if len(faults) > 1 else ""
    return InvalidConfiguration(
        f"nothing was imported: {first.target}: {first.message}{more}", target=first.target, details=faults
    )
