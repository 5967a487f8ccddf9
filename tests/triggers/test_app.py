"""The app as a whole: keys, settings that cannot be used, modules that do not load, storage that is away."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.devhost.running import eventually, hosting
from tests.support.azurite import connection_string
from tests.support.bridge import INPUTS_AND_OUTPUTS, ROOT, Bridge, running_bridge
from tests.support.ports import free_port

KEY = "sentinel-host-key"
DEFINITION = {**INPUTS_AND_OUTPUTS, "uri": "https://language.westeurope.inference.ml.azure.com/score"}


# With keys


@pytest.fixture(scope="module")
def locked(azurite: str, simulated: str) -> Iterator[Bridge]:
    with running_bridge(azurite, simulated, BRIDGE_AUTH="on", BRIDGE_KEY=KEY) as bridge:
        yield bridge


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "skills"),
        ("PUT", "skills/a"),
        ("GET", "skills/a"),
        ("DELETE", "skills/a"),
        ("POST", "skills/a"),
        ("POST", "skills/a/score"),
        ("POST", "skills/a/enrich"),
        ("GET", "skills/a/web-api-skill"),
        ("GET", "skills/a/stats"),
        ("GET", "entities"),
        ("GET", "entities/A"),
        ("DELETE", "entities/A"),
        ("POST", "entities/A/rollback"),
        ("POST", "entities/A/unpin"),
        ("GET", "entities/A/rejects"),
        ("POST", "entities/A/rebuild"),
        ("GET", "export"),
        ("POST", "import"),
        ("GET", "customers/A"),
        ("DELETE", "customers/A"),
        ("DELETE", "customers/A/tombstone"),
        ("POST", "customers/lookup"),
        ("POST", "reader-keys"),
        ("GET", "reader-keys"),
        ("GET", "reader-keys/a"),
        ("DELETE", "reader-keys/a"),
    ],
)
@pytest.mark.parametrize("headers", [{}, {"x-functions-key": "wrong"}], ids=["no key", "wrong key"])
def test_every_function_but_health_and_the_data_plane_wants_a_key_of_the_hosts(
    locked: Bridge, method: str, path: str, headers: dict[str, str]
) -> None:
    reply = locked.call(method, path, {} if method in ("PUT", "POST") else None, headers)

    assert (reply.status, reply.body) == (401, b"")


def test_with_a_key_in_header_or_query(locked: Bridge) -> None:
    assert locked.call("GET", "skills", headers={"x-functions-key": KEY}).status == 200
    assert locked.call("GET", f"skills?code={KEY}").status == 200


def test_health_is_open(locked: Bridge) -> None:
    assert locked.call("GET", "health").status == 200


def test_the_key_in_a_url_goes_into_no_answer(locked: Bridge) -> None:
    locked.call("PUT", "skills/with-code", DEFINITION, {"x-functions-key": KEY})

    reply = locked.call("GET", f"skills/with-code/web-api-skill?code={KEY}")

    assert reply.status == 200
    assert KEY.encode() not in reply.body


# Settings


@pytest.mark.parametrize(
    ("setting", "value"),
    [
        ("MAX_RECORDS", "many"),
        ("AZURE_CLOUD", "AzureGermanCloud"),
        ("SCORING_HOSTS", "https://a.example/score"),
        ("WEBSITE_SITE_NAME", "in-azure"),
    ],
)
def test_a_setting_that_cannot_be_used_is_a_500_that_names_it(
    azurite: str, simulated: str, setting: str, value: str
) -> None:
    with running_bridge(azurite, simulated, ROOT, **{setting: value}) as bridge:
        replies = [
            bridge.call("GET", "health"),
            bridge.call("GET", "skills"),
            bridge.call("PUT", "skills/a", DEFINITION),
        ]

    named = {"WEBSITE_SITE_NAME": "ALLOW_LOOPBACK_SCORING"}.get(setting, setting)
    for reply in replies:
        assert reply.status == 500
        assert reply.json["error"]["code"] == "ConfigurationError"
        assert named in reply.json["error"]["message"]


def test_no_storage_is_a_500_that_names_the_settings(simulated: str) -> None:
    # The host asks for a connection of its queues, and finds it by this name too; the app does not.
    host_alone = {"AzureWebJobsAzureWebJobsStorage": connection_string(queue=free_port())}
    with running_bridge("", simulated, ROOT, **host_alone) as bridge:
        reply = bridge.call("GET", "skills")

        assert bridge.call("GET", "health").status == 200
    assert reply.status == 500
    assert reply.json["error"]["code"] == "ConfigurationError"
    assert "BRIDGE_STORAGE" in reply.json["error"]["message"]


def test_storage_that_is_away_is_a_503_with_a_cure(simulated: str) -> None:
    with running_bridge(connection_string(table=free_port()), simulated) as bridge:
        replies = [bridge.call("GET", "skills"), bridge.enrich("any", "x"), bridge.call("PUT", "skills/a", DEFINITION)]

    for reply in replies:
        assert reply.status == 503
        assert reply.json["error"]["code"] == "StorageUnavailable"
        assert "table storage did not answer" in reply.json["error"]["message"]


def test_the_address_to_paste_is_the_apps_own_whatever_the_caller_calls_it(azurite: str, simulated: str) -> None:
    with running_bridge(azurite, simulated, WEBSITE_HOSTNAME="bridge.azurewebsites.net") as bridge:
        bridge.put("addressed")
        reply = bridge.call("GET", "skills/addressed/web-api-skill", headers={"X-Forwarded-Host": "evil.example"})
        forged = bridge.host.raw(
            b"GET /api/skills/addressed/web-api-skill HTTP/1.1\r\nHost: evil.example\r\nConnection: close\r\n\r\n"
        )

    assert reply.json["skill"]["uri"] == "https://bridge.azurewebsites.net/api/skills/addressed"
    assert b"https://bridge.azurewebsites.net/" in forged
    assert b"evil.example" not in forged


# An app that does not load


def copied_app(folder: Path) -> Path:
    for name in ("function_app.py", "host.json"):
        shutil.copy(ROOT / name, folder / name)
    shutil.copytree(ROOT / "shared", folder / "shared", ignore=shutil.ignore_patterns("__pycache__"))
    return folder


FAULTS = {
    "a package that is missing": ("import sentinel_package\n", "ModuleNotFoundError", "sentinel_package"),
    "syntax": ("def (:\n", "SyntaxError", "{name}.py"),
    "it raises": ("raise RuntimeError('sentinel-secret')\n", "RuntimeError", "{module}"),
    "a name": ("x = undefined_name\n", "NameError", "{module}"),
}


def broken_app(folder: Path, module: str, code: str) -> Path:
    app = copied_app(folder)
    (app / module.replace(".", "/")).with_suffix(".py").write_text(code)
    return app


@pytest.mark.parametrize("fault", FAULTS)
def test_an_app_that_does_not_load_says_so(tmp_path: Path, fault: str) -> None:
    code, error, named = FAULTS[fault]
    app = broken_app(tmp_path, "shared.triggers.http", code)

    with running_bridge("", "http://127.0.0.1:1", app, PYTHONPATH=str(ROOT)) as bridge:
        reply = bridge.call("GET", "health")

        assert bridge.call("GET", "skills").status == 404
    assert reply.status == 503
    module = named.format(name="http", module="shared.triggers.http")
    assert reply.json == {"status": "unhealthy", "error": error, "module": module}
    assert b"sentinel-secret" not in reply.body


def test_an_app_that_does_not_load_says_so_in_a_call_for_the_host_passes_nothing_else_on(
    tmp_path: Path, azurite: str
) -> None:
    app = broken_app(tmp_path, "shared.triggers.http", "raise RuntimeError('sentinel-secret')\n")

    with hosting(app, AzureWebJobsStorage=azurite, PYTHONPATH=str(ROOT)) as host:
        at_loading = len(host.lines("app_not_loaded"))
        host.call("POST", "/admin/functions/schedule_tick", b"{}", {"Content-Type": "application/json"})
        eventually(lambda: len(host.lines("app_not_loaded")) > at_loading)

    assert host.lines("app_not_loaded", "error=RuntimeError")
    assert not host.lines("app_not_loaded", "sentinel-secret")


@pytest.mark.parametrize("fault", FAULTS)
def test_a_module_that_does_not_load_when_it_is_needed_is_told_by_health(tmp_path: Path, fault: str) -> None:
    code, error, named = FAULTS[fault]
    app = broken_app(tmp_path, "shared.skills.contract", code)

    with running_bridge(
        connection_string(queue=free_port()), "http://127.0.0.1:1", app, PYTHONPATH=str(ROOT)
    ) as bridge:
        call = bridge.call("POST", "skills/a", {"values": []})
        replies = [bridge.call("GET", "health"), bridge.call("GET", "health")]
        unaffected = bridge.call("GET", "consent")

    assert (call.status, call.json["error"]["code"]) == (500, "InternalError")
    assert unaffected.status == 200
    module = named.format(name="contract", module="shared.skills.contract")
    for reply in replies:
        assert reply.status == 503
        assert reply.json == {"status": "unhealthy", "error": error, "module": module}
    assert b"sentinel" not in call.body
    assert f"app_not_loaded error={error}" in "\n".join(bridge.host.log)


def test_a_module_that_only_a_client_needs_is_told_by_health_too(tmp_path: Path) -> None:
    app = broken_app(tmp_path, "shared.storage.tables", "import sentinel_package\n")

    with running_bridge(
        connection_string(queue=free_port()), "http://127.0.0.1:1", app, PYTHONPATH=str(ROOT)
    ) as bridge:
        reply = bridge.call("GET", "health")

    assert reply.status == 503
    assert reply.json == {"status": "unhealthy", "error": "ModuleNotFoundError", "module": "sentinel_package"}


# The log


def test_the_log_holds_no_key_no_payload_and_no_address_of_a_row(bridge: Bridge) -> None:
    skill = bridge.put("logged", key="sentinel-log-key")
    bridge.enrich(skill, "sentinel-log-payload")
    bridge.put("logged", fault="?status=500", key="sentinel-log-key")
    bridge.enrich(skill, "sentinel-log-payload")

    log = "\n".join([*bridge.host.log, *bridge.host.out])

    assert "sentinel-log" not in log
    assert "PartitionKey" not in log
    assert "Executed 'Functions.call_skill' (Succeeded" in log
