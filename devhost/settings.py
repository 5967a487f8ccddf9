"""What the host is told: the environment, local.settings.json and host.json."""

import json
import re
import secrets
from collections.abc import Mapping, MutableMapping
from dataclasses import dataclass, field
from datetime import timedelta, tzinfo
from pathlib import Path
from typing import Annotated, Any, Literal
from zoneinfo import ZoneInfo

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError
from pydantic.alias_generators import to_camel

from devhost.errors import StartError
from devhost.timespan import parse_timespan

MEGABYTE = 1024 * 1024
OVERRIDE = "AzureFunctionsJobHost__"  # AzureFunctionsJobHost__extensions__queues__batchSize=1


def read_span(value: Any) -> Any:
    return parse_timespan(value) if isinstance(value, str) else value


def read_timeout(value: Any) -> Any:
    return None if value == "-1" else read_span(value)


Span = Annotated[timedelta, BeforeValidator(read_span)]


class Section(BaseModel):
    model_config = ConfigDict(frozen=True, alias_generator=to_camel, populate_by_name=True, extra="ignore")


class HttpOptions(Section):
    route_prefix: str = "api"
    max_outstanding_requests: int = Field(-1, ge=-1)
    max_concurrent_requests: int = Field(-1, ge=-1)


class QueueOptions(Section):
    batch_size: int = Field(16, ge=1, le=32)
    new_batch_threshold: int | None = Field(None, ge=0)  # none: half the batch for each processor
    max_dequeue_count: int = Field(5, ge=1)
    visibility_timeout: Span = timedelta(0)
    # A minute in Azure; two seconds where the host is in Development, as `func start` is.
    max_polling_interval: Span = Field(timedelta(seconds=2), ge=timedelta(milliseconds=100))
    message_encoding: Annotated[Literal["base64", "none"], BeforeValidator(str.lower)] = "base64"


class Extensions(Section):
    http: HttpOptions = HttpOptions()
    queues: QueueOptions = QueueOptions()


class Logging(Section):
    log_level: Mapping[str, str] = Field(default_factory=dict)


class HostJson(Section):
    version: Literal["2.0"]
    function_timeout: Annotated[timedelta | None, BeforeValidator(read_timeout)] = timedelta(minutes=30)
    extensions: Extensions = Extensions()
    logging: Logging = Logging()
    telemetry_mode: Literal["ApplicationInsights", "OpenTelemetry"] = "ApplicationInsights"


@dataclass(frozen=True)
class Settings:
    app: Path
    host: HostJson
    env: Mapping[str, str]
    port: int = 7071
    data: Path = Path(".local")
    auth: bool = False
    host_key: str = ""
    master_key: str = ""
    function_keys: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    body_limit: int = 100 * MEGABYTE
    homepage: bool = True
    quiet: bool = False
    access_log: bool = False

    @property
    def host_id(self) -> str:
        given = self.env.get("AzureFunctionsWebHost__hostid")
        return given or re.sub(r"[^a-z0-9]+", "-", f"devhost-{self.app.name}".lower()).strip("-")[:32]

    @property
    def records_traces(self) -> bool:
        """The real host would export spans of its own; this one only samples the traces that it begins."""
        is_on = first(self.env, "APPLICATIONINSIGHTS_CONNECTION_STRING", "OTEL_EXPORTER_OTLP_ENDPOINT") is not None
        return self.host.telemetry_mode == "OpenTelemetry" and is_on

    def disabled(self, function: str) -> bool:
        value = first(self.env, f"AzureWebJobs.{function}.Disabled", f"AzureWebJobs_{function}_Disabled")
        return (value or "").strip().lower() in ("1", "true")


def load_settings(
    app: Path, env: MutableMapping[str, str], port: int | None, quiet: bool, access_log: bool = False
) -> Settings:
    """Read both files of the app; Values of local.settings.json go into `env` where it has no such name."""
    local = read_json(app / "local.settings.json", needed=False)
    if local.get("IsEncrypted"):
        raise StartError("local.settings.json is encrypted: run `func settings decrypt`")
    for name, value in (local.get("Values") or {}).items():
        env.setdefault(name, value if isinstance(value, str) else json.dumps(value))
    auth = env.setdefault("BRIDGE_AUTH", "off").lower()  # the app asks unless it is told not to
    if auth not in ("on", "off"):
        raise StartError(f"BRIDGE_AUTH is 'on' or 'off', not '{auth}'")
    if auth == "on":
        provide_keys(env)
    port_setting = env.get("BRIDGE_PORT") or (local.get("Host") or {}).get("LocalHttpPort") or 7071
    return Settings(
        app=app,
        host=read_host_json(app, env),
        env=env,
        port=whole_number("BRIDGE_PORT", port_setting) if port is None else port,
        data=app / env.get("BRIDGE_DATA", ".local"),
        auth=auth == "on",
        host_key=env.get("BRIDGE_KEY", ""),
        master_key=env.get("BRIDGE_MASTER_KEY", ""),
        function_keys=read_function_keys(env.get("BRIDGE_FUNCTION_KEYS", "")),
        body_limit=whole_number(
            "FUNCTIONS_REQUEST_BODY_SIZE_LIMIT",
            env.get("FUNCTIONS_REQUEST_BODY_SIZE_LIMIT") or 100 * MEGABYTE,
        ),
        homepage=env.get("AzureWebJobsDisableHomepage", "").lower() != "true",
        quiet=quiet,
        access_log=access_log,
    )


def provide_keys(env: MutableMapping[str, str]) -> None:
    """A key that is not set is made and told once; the app finds it in the environment too."""
    for name in ("BRIDGE_KEY", "BRIDGE_MASTER_KEY"):
        if not env.get(name):
            env[name] = secrets.token_urlsafe(32)
            print(f"devhost {name}={env[name]}", flush=True)


def read_host_json(app: Path, env: Mapping[str, str]) -> HostJson:
    content = read_json(app / "host.json", needed=True)
    for name, value in env.items():
        if name.lower().startswith(OVERRIDE.lower()):
            override(content, name[len(OVERRIDE) :].split("__"), value)
    try:
        return HostJson.model_validate(content)
    except ValidationError as error:
        problem = error.errors()[0]
        where = ".".join(str(part) for part in problem["loc"])
        raise StartError(f"host.json: {where}: {problem['msg']}") from error


def override(content: dict[str, Any], path: list[str], value: str) -> None:
    *parents, last = path
    for parent in parents:
        step = content.setdefault(spelled(content, parent), {})
        if not isinstance(step, dict):
            return
        content = step
    content[spelled(content, last)] = value


def spelled(content: Mapping[str, Any], name: str) -> str:
    """The key of `content` that is `name` but for case, else `name`."""
    return next((key for key in content if key.lower() == name.lower()), name)


def read_json(path: Path, *, needed: bool) -> dict[str, Any]:
    if not path.is_file():
        if needed:
            raise StartError(f"no {path.name} in {path.parent}")
        return {}
    try:
        content = json.loads(path.read_text("utf-8-sig"))
    except ValueError as error:
        raise StartError(f"{path.name} is not JSON: {error}") from error
    if not isinstance(content, dict):
        raise StartError(f"{path.name} is not a JSON object")
    return content


def read_function_keys(text: str) -> dict[str, dict[str, str]]:
    """From JSON, or from the file it names: {"function": {"key name": "key"}}."""
    if not text.strip():
        return {}
    try:
        content = json.loads(text if text.lstrip().startswith("{") else Path(text).read_text("utf-8"))
        return {str(function): dict(keys) for function, keys in content.items()}
    except (OSError, ValueError, TypeError, AttributeError) as error:
        raise StartError(f"BRIDGE_FUNCTION_KEYS is neither JSON nor a file of it: {error}") from error


def whole_number(name: str, value: str | int) -> int:
    try:
        number = int(value)
    except ValueError:
        raise StartError(f"{name} is not a whole number: '{value}'") from None
    if number < 0:
        raise StartError(f"{name} is negative: {number}")
    return number


def resolve(text: str, env: Mapping[str, str]) -> str:
    """`%NAME%` in a binding stands for that app setting."""

    def value_of(match: re.Match[str]) -> str:
        value = first(env, match[1])
        if value is None:
            raise StartError(f"'%{match[1]}%' does not resolve to a value: no such app setting")
        return value

    return re.sub(r"%([^%]+)%", value_of, text)


def time_zone(env: Mapping[str, str]) -> tzinfo:
    name = first(env, "WEBSITE_TIME_ZONE", "TZ") or "UTC"
    try:
        return ZoneInfo(name.removeprefix(":"))
    except (ValueError, OSError, KeyError):  # a KeyError is an unknown name
        raise StartError(f"time zone '{name}' is not known: give an IANA name such as Europe/Berlin") from None


def first(env: Mapping[str, str], *names: str) -> str | None:
    return next((env[name] for name in names if env.get(name)), None)
