"""The messages that the worker library reads and writes, as plain Python.

The library takes a `protos` module from its caller and asks it for these names only, so neither protobuf nor
gRPC is needed. Names and numbers are those of FunctionRpc.proto; a keyword that is None is a field not set.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from types import SimpleNamespace
from typing import Any, ClassVar


class TypedData:
    """One value and its kind: `TypedData(string="a")`, or `TypedData()` for nothing."""

    KINDS: ClassVar = {
        *("string", "json", "bytes", "stream", "http", "int", "double"),
        *("collection_bytes", "collection_string", "collection_double", "collection_sint64"),
        *("model_binding_data", "collection_model_binding_data"),
    }

    def __init__(self, **value: Any) -> None:
        given = {kind: content for kind, content in value.items() if content is not None}
        if len(given) > 1 or not given.keys() <= self.KINDS:
            raise TypeError(f"TypedData holds at most one of its kinds, not {sorted(given)}")
        self.kind: str | None = next(iter(given), None)
        self.content: Any = next(iter(given.values()), None)

    def WhichOneof(self, _group: str) -> str | None:  # noqa: N802 - protobuf's name
        return self.kind

    def __getattr__(self, name: str) -> Any:
        if name == self.__dict__.get("kind"):
            return self.content
        raise AttributeError(name)  # also for `TypedData`, by which the library tells a message from a module

    def __repr__(self) -> str:
        return f"TypedData({self.kind})"


@dataclass(frozen=True)
class ParameterBinding:
    name: str
    data: TypedData | None

    def WhichOneof(self, _group: str) -> str | None:  # noqa: N802 - protobuf's name
        return None if self.data is None else "data"


class StatusResult:
    Failure: ClassVar = 0
    Success: ClassVar = 1
    Cancelled: ClassVar = 2

    def __init__(self, status: int, exception: "RpcException | None" = None) -> None:
        self.status = status
        self.exception = exception


@dataclass(frozen=True)
class RpcException:
    message: str = ""
    stack_trace: str = ""
    source: str = ""


@dataclass(frozen=True)
class BindingInfo:
    type: str
    data_type: int | None
    direction: int

    undefined: ClassVar = 0
    out: ClassVar = 1
    inout: ClassVar = 2


@dataclass(frozen=True)
class NullableString:
    value: str


@dataclass(frozen=True)
class NullableBool:
    value: bool


@dataclass(frozen=True)
class NullableDouble:
    value: float


@dataclass(frozen=True)
class Timestamp:
    seconds: int


@dataclass(frozen=True)
class NullableTimestamp:
    value: Timestamp


@dataclass(frozen=True)
class RpcHttpCookie:
    name: str
    value: str
    domain: NullableString | None = None
    path: NullableString | None = None
    expires: NullableTimestamp | None = None
    secure: NullableBool | None = None
    http_only: NullableBool | None = None
    same_site: int = 0
    max_age: NullableDouble | None = None

    # So, because `None` cannot be written as a name.
    SameSite: ClassVar = SimpleNamespace(**{"None": 0, "Lax": 1, "Strict": 2, "ExplicitNone": 3})


@dataclass(frozen=True)
class RpcHttp:
    method: str = ""
    url: str = ""
    headers: Mapping[str, str] = field(default_factory=dict)
    params: Mapping[str, str] = field(default_factory=dict)
    query: Mapping[str, str] = field(default_factory=dict)
    body: TypedData | None = None
    status_code: str = ""
    cookies: list[RpcHttpCookie] | None = None
    enable_content_negotiation: bool = False


@dataclass(frozen=True)
class RpcRetryOptions:
    max_retry_count: int
    retry_strategy: str
    delay_interval: timedelta | None = None
    minimum_interval: timedelta | None = None
    maximum_interval: timedelta | None = None


@dataclass(frozen=True)
class RpcFunctionMetadata:
    name: str
    function_id: str
    directory: str
    script_file: str
    entry_point: str
    raw_bindings: list[str]
    bindings: Mapping[str, BindingInfo]
    language: str
    properties: Mapping[str, str]
    retry_options: RpcRetryOptions | None = None
    is_proxy: bool = False
    managed_dependency_enabled: bool = False


@dataclass(frozen=True)
class WorkerMetadata:
    runtime_name: str
    runtime_version: str
    worker_version: str
    worker_bitness: str
    custom_properties: Mapping[str, str]


@dataclass(frozen=True)
class WorkerInitResponse:
    capabilities: Mapping[str, str]
    worker_metadata: WorkerMetadata
    result: StatusResult


@dataclass(frozen=True)
class FunctionMetadataResponse:
    use_default_metadata_indexing: bool
    function_metadata_results: list[RpcFunctionMetadata] | None
    result: StatusResult


@dataclass(frozen=True)
class FunctionLoadResponse:
    function_id: str
    result: StatusResult


@dataclass(frozen=True)
class InvocationResponse:
    invocation_id: str
    result: StatusResult
    return_value: TypedData | None = None
    output_data: list[ParameterBinding] = field(default_factory=list)
