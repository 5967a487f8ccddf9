"""What `make doctor` prints of a report."""

from typing import Any

from infra.doctor import table

COMMAND = "az role assignment create --assignee 00000000-0000-0000-0000-0000000000b1 --role 'AzureML Data Scientist'"
REPORT: dict[str, Any] = {
    "status": "failed",
    "checks": [
        {"name": "settings.value", "subject": "settings", "status": "ok", "message": "each can be used"},
        {
            "name": "connections.right",
            "subject": "contoso: jobs/write",
            "status": "failed",
            "message": "this app's identity lacks the right on the workspace",
            "cure": "give it the role",
            "command": COMMAND,
        },
        {"name": "timers.sweep", "subject": "sweep", "status": "skipped", "message": "not looked at"},
    ],
    "durationMs": 1234,
}


def test_a_line_for_each_check_and_under_it_what_mends_it() -> None:
    assert table(REPORT, width=70).splitlines() == [
        "ok       settings.value     settings: each can be used",
        "FAILED   connections.right  contoso: jobs/write: this app's identity",
        "                            lacks the right on the workspace",
        "                            → give it the role",
        f"                            $ {COMMAND}",
        "",
        "failed: 1 ok, 1 failed, 1 skipped, in 1.2 s",
    ]


def test_what_was_skipped_is_shown_where_all_is_asked_for() -> None:
    assert "skipped  timers.sweep" in table(REPORT, width=70, everything=True)
    assert "timers.sweep" not in table(REPORT, width=70)


def test_an_empty_report_prints_too() -> None:
    assert table({"status": "ok", "checks": [], "durationMs": 3}, width=70).strip() == "ok: , in 0.0 s"
