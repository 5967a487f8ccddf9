"""Settings: host.json, local.settings.json and the environment."""

import json
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from devhost.connections import AZURITE, connection_string, queue_name
from devhost.errors import StartError
from devhost.settings import Settings, load_settings, resolve, time_zone


def load(app: Path, env: dict[str, str] | None = None, *, local: Any = None, **host: Any) -> Settings:
    (app / "host.json").write_text(json.dumps({"version": "2.0", **host}))
    if local is not None:
        (app / "local.settings.json").write_text(json.dumps(local))
    return load_settings(app, {} if env is None else env, None, quiet=False)


def test_an_empty_host_json_gives_the_hosts_defaults(tmp_path: Path) -> None:
    settings = load(tmp_path)
    queues = settings.host.extensions.queues

    assert settings.host.function_timeout == timedelta(minutes=30)
    assert settings.host.extensions.http.route_prefix == "api"
    assert (queues.batch_size, queues.max_dequeue_count, queues.message_encoding) == (16, 5, "base64")
    assert queues.max_polling_interval == timedelta(seconds=2)
    assert (settings.port, settings.auth, settings.body_limit) == (7071, False, 104857600)


def test_values_of_local_settings_go_to_the_environment_unless_it_has_them(tmp_path: Path) -> None:
    env = {"A": "from env"}

    load(tmp_path, env, local={"IsEncrypted": False, "Values": {"A": "1", "B": "2", "C": True}})

    assert env == {"A": "from env", "B": "2", "C": "true", "BRIDGE_AUTH": "off"}


@pytest.mark.parametrize(
    ("given", "told"), [({}, "off"), ({"BRIDGE_AUTH": "off"}, "off"), ({"BRIDGE_AUTH": "on"}, "on")]
)
def test_the_app_is_told_whether_keys_are_asked_for(tmp_path: Path, given: dict[str, str], told: str) -> None:
    env = dict(given)

    load(tmp_path, env)

    assert env["BRIDGE_AUTH"] == told


@pytest.mark.parametrize(
    ("env", "local", "port"),
    [
        ({}, None, 7071),
        ({"BRIDGE_PORT": "1234"}, {"Host": {"LocalHttpPort": 99}}, 1234),
        ({}, {"Host": {"LocalHttpPort": 99}}, 99),
    ],
)
def test_port_is_the_environments_then_the_files_then_the_default(
    tmp_path: Path, env: dict[str, str], local: Any, port: int
) -> None:
    assert load(tmp_path, env, local=local).port == port


def test_environment_overrides_host_json_without_regard_to_case(tmp_path: Path) -> None:
    env = {
        "AzureFunctionsJobHost__extensions__queues__BatchSize": "3",
        "AZUREFUNCTIONSJOBHOST__functionTimeout": "-1",
    }

    host = load(tmp_path, env, extensions={"queues": {"batchSize": 8}}).host

    assert host.extensions.queues.batch_size == 3
    assert host.function_timeout is None


@pytest.mark.parametrize(
    ("host", "reason"),
    [
        ({"version": "1.0"}, "version"),
        ({"functionTimeout": "soon"}, "functionTimeout"),
        ({"extensions": {"queues": {"batchSize": 33}}}, "extensions.queues.batchSize"),
        ({"extensions": {"queues": {"messageEncoding": "gzip"}}}, "messageEncoding"),
        ({"extensions": {"queues": {"maxPollingInterval": "00:00:00"}}}, "maxPollingInterval"),
    ],
)
def test_a_host_json_that_is_wrong_is_refused_by_name(tmp_path: Path, host: dict[str, Any], reason: str) -> None:
    with pytest.raises(StartError, match=reason):
        load(tmp_path, **host)


@pytest.mark.parametrize(
    ("env", "reason"),
    [
        ({"BRIDGE_AUTH": "maybe"}, "BRIDGE_AUTH"),
        ({"BRIDGE_PORT": "x"}, "BRIDGE_PORT"),
        ({"FUNCTIONS_REQUEST_BODY_SIZE_LIMIT": "-1"}, "BODY_SIZE"),
        ({"BRIDGE_FUNCTION_KEYS": "{"}, "BRIDGE_FUNCTION_KEYS"),
        ({"BRIDGE_FUNCTION_KEYS": "/no/such/file"}, "BRIDGE_FUNCTION_KEYS"),
    ],
)
def test_a_setting_that_is_wrong_is_refused_by_name(tmp_path: Path, env: dict[str, str], reason: str) -> None:
    with pytest.raises(StartError, match=reason):
        load(tmp_path, env)


def test_function_keys_come_as_json_or_from_a_file(tmp_path: Path) -> None:
    file = tmp_path / "keys.json"
    file.write_text('{"f": {"default": "b"}}')

    inline = load(tmp_path, {"BRIDGE_FUNCTION_KEYS": '{"f": {"default": "a"}}'})
    from_file = load(tmp_path, {"BRIDGE_FUNCTION_KEYS": str(file)})

    assert inline.function_keys == {"f": {"default": "a"}}
    assert from_file.function_keys == {"f": {"default": "b"}}


def test_a_missing_host_json_and_encrypted_settings_are_refused(tmp_path: Path) -> None:
    with pytest.raises(StartError, match=r"host\.json"):
        load_settings(tmp_path, {}, None, quiet=False)
    with pytest.raises(StartError, match="encrypted"):
        load(tmp_path, local={"IsEncrypted": True})


@pytest.mark.parametrize(("value", "disabled"), [("true", True), ("1", True), ("false", False), ("", False)])
def test_a_function_is_disabled_by_its_setting(tmp_path: Path, value: str, disabled: bool) -> None:
    assert load(tmp_path, {"AzureWebJobs.f.Disabled": value}).disabled("f") is disabled


def test_percent_names_stand_for_settings() -> None:
    assert resolve("a-%X%-%Y%", {"X": "1", "Y": "2"}) == "a-1-2"
    with pytest.raises(StartError, match="NOPE"):
        resolve("%NOPE%", {})


@pytest.mark.parametrize(
    ("env", "found"),
    [
        ({"Data": "x=1"}, "x=1"),
        ({"AzureWebJobsData": "x=2", "Data": "x=1"}, "x=2"),
        ({"Data": "UseDevelopmentStorage=true"}, AZURITE),
    ],
)
def test_a_connection_is_found_by_its_name_or_with_the_prefix(env: dict[str, str], found: str) -> None:
    assert connection_string("Data", env) == found


@pytest.mark.parametrize(
    ("env", "reason"),
    [
        ({}, "no value"),
        ({"Data__queueServiceUri": "https://x"}, "by identity"),
        ({"Data__accountName": "x"}, "identity"),
    ],
)
def test_a_connection_that_cannot_be_made_is_told_with_the_cure(env: dict[str, str], reason: str) -> None:
    with pytest.raises(StartError, match=reason):
        connection_string("Data", env)


@pytest.mark.parametrize("name", ["{id}", "ab", "a--b", "-ab", "a_b", "q" * 64])
def test_a_name_that_no_queue_can_have_is_refused(name: str) -> None:
    with pytest.raises(StartError):
        queue_name(name, {})


def test_a_queue_name_is_resolved_and_in_lower_case() -> None:
    assert queue_name("%Q%-In", {"Q": "Jobs"}) == "jobs-in"


def test_time_zone_is_utc_unless_set() -> None:
    assert str(time_zone({})) == "UTC"
    assert str(time_zone({"TZ": "Asia/Tokyo", "WEBSITE_TIME_ZONE": "Europe/Berlin"})) == "Europe/Berlin"
    with pytest.raises(StartError, match="Mars"):
        time_zone({"TZ": "Mars"})
