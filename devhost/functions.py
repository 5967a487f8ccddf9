"""What the app declares: its functions, each with one trigger, read from the library's raw bindings."""

import json
from collections.abc import Iterable
from dataclasses import dataclass
from enum import IntEnum
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator
from pydantic.alias_generators import to_camel

from devhost.errors import StartError
from devhost.protos import RpcFunctionMetadata, RpcRetryOptions


class AuthLevel(IntEnum):
    ANONYMOUS = 0
    FUNCTION = 1
    ADMIN = 2


class Binding(BaseModel):
    model_config = ConfigDict(frozen=True, alias_generator=to_camel, populate_by_name=True, extra="ignore")

    name: str


class HttpTrigger(Binding):
    route: str = ""
    methods: tuple[str, ...] = ()  # none: all
    auth_level: AuthLevel = AuthLevel.FUNCTION

    @field_validator("route", mode="before")
    @classmethod
    def _route(cls, value: str | None) -> str:
        return value or ""

    @field_validator("methods", mode="before")
    @classmethod
    def _methods(cls, value: list[str] | None) -> tuple[str, ...]:
        return tuple(method.upper() for method in value or ())

    @field_validator("auth_level", mode="before")
    @classmethod
    def _level(cls, value: str | None) -> AuthLevel:
        return AuthLevel[value.upper()] if value else AuthLevel.FUNCTION


class TimerTrigger(Binding):
    schedule: str
    run_on_startup: bool = False
    use_monitor: bool = True

    @field_validator("run_on_startup", mode="before")
    @classmethod
    def _run_on_startup(cls, value: bool | None) -> bool:
        return bool(value)

    @field_validator("use_monitor", mode="before")
    @classmethod
    def _use_monitor(cls, value: bool | None) -> bool:
        return value is not False


class QueueBinding(Binding):
    queue_name: str = Field(min_length=1)
    connection: str = "AzureWebJobsStorage"

    @field_validator("connection", mode="before")
    @classmethod
    def _connection(cls, value: str | None) -> str:
        return value or "AzureWebJobsStorage"


class QueueTrigger(QueueBinding):
    pass


class QueueOutput(QueueBinding):
    pass


Trigger = HttpTrigger | TimerTrigger | QueueTrigger
TRIGGERS: dict[str, type[HttpTrigger | TimerTrigger | QueueTrigger]] = {
    "httptrigger": HttpTrigger,
    "timertrigger": TimerTrigger,
    "queuetrigger": QueueTrigger,
}


@dataclass(frozen=True)
class Function:
    name: str
    id: str
    trigger: Trigger
    outputs: tuple[QueueOutput, ...] = ()
    script_file: str = ""
    retry: RpcRetryOptions | None = None
    bindings: tuple[dict[str, Any], ...] = ()  # as declared, for /admin

    @property
    def route(self) -> str:
        """What an HTTP function is served under; without a route of its own, its name."""
        return (self.trigger.route if isinstance(self.trigger, HttpTrigger) else "") or self.name


def read_functions(found: Iterable[RpcFunctionMetadata]) -> list[Function]:
    return [read_function(metadata) for metadata in found]


def read_function(metadata: RpcFunctionMetadata) -> Function:
    bindings = tuple(json.loads(raw) for raw in metadata.raw_bindings)
    trigger: Trigger | None = None
    outputs: list[QueueOutput] = []
    for binding in bindings:
        kind = str(binding.get("type", ""))
        try:
            if kind.lower() in TRIGGERS:
                trigger = TRIGGERS[kind.lower()].model_validate(binding)
            elif kind == "queue" and binding.get("direction") == "OUT":
                outputs.append(QueueOutput.model_validate(binding))
            elif kind != "http":
                raise StartError(f"function '{metadata.name}': devhost does not do '{kind}' bindings")
        except (ValidationError, KeyError) as error:
            raise StartError(f"function '{metadata.name}': '{kind}' binding: {error}") from error
    if trigger is None:
        raise StartError(f"function '{metadata.name}' has no trigger")
    return Function(
        name=metadata.name,
        id=metadata.function_id,
        trigger=trigger,
        outputs=tuple(outputs),
        script_file=metadata.script_file,
        retry=metadata.retry_options,
        bindings=bindings,
    )
