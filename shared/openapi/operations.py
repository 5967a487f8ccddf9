"""What is an operation of the API, as its description tells it? One for each function and route; the tables of the rooms
name them, `shared.openapi.document` renders them, and a test holds them against the functions that are registered.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from pydantic import BaseModel

type Schema = dict[str, Any]

TEXT: Schema = {"type": "string"}
TRUTH: Schema = {"type": "boolean", "default": False}
JSON = "application/json"


@dataclass(frozen=True, slots=True)
class Parameter:
    name: str
    place: Literal["path", "query", "header"]
    description: str
    schema: Schema = field(default_factory=lambda: TEXT)

    def render(self) -> dict[str, Any]:
        return {
            "name": self.name,
            "in": self.place,
            "description": self.description,
            "required": self.place == "path",
            "schema": self.schema,
        }


@dataclass(frozen=True, slots=True)
class Answer:
    """One with a status of success. No `shape`: no body; `media`, where it is no JSON."""

    description: str
    shape: type[BaseModel] | None = None
    media: str = JSON
    headers: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Operation:
    function: str
    """The function's name: its keys are given by it."""
    method: str
    path: str
    summary: str
    answers: Mapping[int, Answer]
    description: str = ""
    parameters: Sequence[Parameter] = ()
    takes: type[BaseModel] | None = None
    takes_media: str = JSON
    errors: Sequence[int] = ()
    variant: str = ""
    """Tells the routes of one function apart."""
    is_open: bool = False
    """The host asks for no key."""
    does_sign_in: bool = False
    """It asks for a reader key itself."""

    @property
    def id(self) -> str:
        return self.function + (f"_{self.variant}" if self.variant else "")


def option(name: str, description: str, schema: Schema | None = None) -> Parameter:
    return Parameter(name, "query", description, TEXT if schema is None else schema)


def header(name: str, description: str) -> Parameter:
    return Parameter(name, "header", description)


def one_of(*values: str, default: str | None = None) -> Schema:
    schema: Schema = {"type": "string", "enum": list(values)}
    return schema if default is None else {**schema, "default": default}


def whole(least: int, most: int, default: int | None = None) -> Schema:
    schema: Schema = {"type": "integer", "minimum": least, "maximum": most}
    return schema if default is None else {**schema, "default": default}


IF_MATCH = header("If-Match", "The ETag that the resource must still have; else 412.")
IF_NONE_MATCH = header("If-None-Match", "`*`: only if there is none yet; else 412.")
OPERATION_ID = header("Operation-Id", "1 to 200 printable characters; a repeated one gives the same run again.")
ETAG = {"ETag": "Of what was saved, for `If-Match`."}
FOLLOW = {"Operation-Location": "Where to follow the run.", "Retry-After": "Seconds until a look is worth it."}
GONE = {204: Answer("It is gone.")}


def lists(shape: type[BaseModel], description: str = "All of them, by name.") -> Mapping[int, Answer]:
    return {200: Answer(description, shape)}


def saves(shape: type[BaseModel]) -> Mapping[int, Answer]:
    return {201: Answer("It is new.", shape, headers=ETAG), 200: Answer("It was replaced.", shape, headers=ETAG)}


def reads(shape: type[BaseModel], description: str = "As it stands.") -> Mapping[int, Answer]:
    return {200: Answer(description, shape)}
