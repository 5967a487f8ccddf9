"""Timers in the real host: the schedule, the stored status, the missed turn."""

import json
import signal
from datetime import UTC, datetime, timedelta
from pathlib import Path

from azure.storage.blob import ContainerClient

from tests.devhost.running import SAMPLE, eventually, hosting


def test_a_timer_fires_on_and_on_although_it_fails_each_time(storage: str, tmp_path: Path) -> None:
    with hosting(
        SAMPLE, AzureWebJobsStorage=storage, BRIDGE_DATA=str(tmp_path), TICK="* * * * * *", OUT_QUEUE="t-out"
    ) as host:
        ticks = eventually(lambda: found if len(found := host.seen("tick")) >= 2 else [])
        nightly = host.seen("nightly")

        assert ticks[0] == {"pastDue": False, "status": {}}  # more than once a minute: no status
        assert host.lines("Executed 'Functions.tick' (Failed")
        assert nightly[0]["pastDue"] is False  # run on startup
        assert host.lines("UnscheduledInvocationReason: RunOnStartup")
        assert host.stop(signal.SIGINT) == 0


def test_a_turn_that_was_missed_is_made_up_for_at_once_and_the_status_is_kept(storage: str, tmp_path: Path) -> None:
    with ContainerClient.from_connection_string(storage, "azure-webjobs-hosts", api_version="2021-12-02") as container:
        if not container.exists():
            container.create_container()
        blob = container.get_blob_client("timers/missed/Host.Functions.tick/status")
        yesterday = datetime.now(UTC).replace(hour=4, minute=0, second=0, microsecond=0) - timedelta(days=2)
        status = {"Last": yesterday, "Next": yesterday + timedelta(days=1), "LastUpdated": yesterday}
        blob.upload_blob(json.dumps({name: moment.isoformat() for name, moment in status.items()}))

        with hosting(
            SAMPLE,
            AzureWebJobsStorage=storage,
            BRIDGE_DATA=str(tmp_path),
            TICK="0 0 4 * * *",
            OUT_QUEUE="t-out",
            AzureFunctionsWebHost__hostid="missed",
        ) as host:
            [call] = eventually(lambda: host.seen("tick"))

            assert call["pastDue"] is True
            assert call["status"]["Next"] == status["Next"].isoformat()
            assert host.lines("UnscheduledInvocationReason: IsPastDue, OriginalSchedule: ")
            eventually(lambda: json.loads(blob.download_blob().readall())["Next"] > datetime.now(UTC).isoformat())


def test_without_storage_the_status_is_kept_in_the_data_folder(tmp_path: Path) -> None:
    (tmp_path / "host.json").write_text('{"version": "2.0"}')
    (tmp_path / "function_app.py").write_text(
        "import azure.functions as func\napp = func.FunctionApp()\n"
        "@app.timer_trigger(arg_name='t', schedule='0 0 4 1 1 *')\ndef yearly(t: func.TimerRequest) -> None: ...\n"
    )
    file = tmp_path / ".local" / "timers" / "yearly.json"

    with hosting(tmp_path, WEBSITE_TIME_ZONE="Asia/Tokyo"):
        eventually(file.is_file)

    assert json.loads(file.read_text())["Next"].endswith("-01-01T04:00:00+09:00")
