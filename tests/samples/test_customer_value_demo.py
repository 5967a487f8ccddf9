"""The workflow half of the demo, against a function app that is a table of answers."""

from collections.abc import Mapping
from typing import Any

import pytest

from samples.customer_value.demo import DemoFailed, explain, run_demo

RUN = "/api/runs/run-1"
ROW = {
    "@odata.etag": "etag",
    "CustomerId": "00027",
    "frequency": 2,
    "recency": 30.43,
    "age": 38.86,
    "expected_purchases": 1.226,
    "probability_alive": 0.726,
    "expected_spend": 44.137,
}
TIMELINE = [
    {"status": "queued", "at": "2026-11-22T10:00:00.000Z", "note": "by saving the workflow"},
    {"status": "running", "at": "2026-11-22T10:00:00.500Z", "note": "job run-1"},
    {"status": "importing", "at": "2026-11-22T10:00:02.500Z"},
    {"status": "publishing", "at": "2026-11-22T10:00:12.500Z"},
    {"status": "succeeded", "at": "2026-11-22T10:00:12.600Z"},
]
SUCCEEDED = {
    "id": "run-1",
    "status": "succeeded",
    "job": {"status": "Completed"},
    "import": {"parts": 1, "partsDone": 1, "rows": 23570, "rejected": 0},
    "timeline": TIMELINE,
}


class FakeBridge:
    """Answers as the function app does; `looks` are the run at each look, the last one from then on."""

    def __init__(self, *looks: dict[str, Any] | BaseException, earlier: list[dict[str, Any]] | None = None) -> None:
        self.looks = list(looks)
        self.earlier = earlier or []
        self.calls: list[str] = []

    def send(self, method: str, path: str, body: object) -> tuple[Any, Mapping[str, str]]:
        self.calls.append(f"{method} {path}")
        return self._answer(method, path), {"Operation-Location": f"http://127.0.0.1:7071{RUN}"}

    def _answer(self, method: str, path: str) -> Any:
        if (method, path) == ("GET", RUN):
            look = self.looks.pop(0) if len(self.looks) > 1 else self.looks[0]
            if isinstance(look, BaseException):
                raise look
            return look
        if path.startswith("/api/runs?"):
            return {"value": self.earlier}
        if "/data/" in path:
            return {"value": [{**ROW, "CustomerId": "00001", "expected_purchases": 0.1}, ROW]}
        return {"text": "Data is transferred."}


def test_a_run_is_told_in_the_order_in_which_it_happened_however_much_a_look_finds(
    capsys: pytest.CaptureFixture[str],
) -> None:
    bridge = FakeBridge({**SUCCEEDED, "status": "running", "timeline": TIMELINE[:2], "import": None}, SUCCEEDED)

    run_demo(bridge.send)

    told = [line[10:] for line in capsys.readouterr().out.splitlines() if line[7:10] == "s  "]
    assert told == [
        "queued     by saving the workflow",
        "running    job run-1",
        "  job      Completed",
        "importing",
        "  import   1 of 1 parts, 23,570 rows",
        "publishing",
        "succeeded",
    ]


def test_the_summary_has_the_time_in_each_status(capsys: pytest.CaptureFixture[str]) -> None:
    run_demo(FakeBridge(SUCCEEDED).send)

    assert (
        "23,570 rows in 12.6 s: queued 0.5 s, running 2.0 s, importing 10.0 s, publishing 0.1 s."
        in capsys.readouterr().out
    )


def test_the_customer_of_whom_most_is_expected_is_asked_for_in_the_documented_address() -> None:
    bridge = FakeBridge(SUCCEEDED)

    run_demo(bridge.send)

    assert bridge.calls[-1] == "GET /v1/instances/local/data/CustomerValue%3Ffilter%3DCustomerId%20eq%20'00027'"


@pytest.mark.parametrize(
    ("end", "message"),
    [
        (
            {"status": "failed", "error": {"code": "JobFailed", "message": "no customers"}},
            "the run run-1 is failed: JobFailed: no customers",
        ),
        (
            {"status": "held", "heldFor": ["0 rows were imported"]},
            "the run run-1 is held: held: 0 rows were imported",
        ),
        ({"status": "canceled"}, "the run run-1 is canceled: canceled: no reason given"),
    ],
)
def test_a_run_that_does_not_succeed_fails_the_demo_with_its_error(end: dict[str, Any], message: str) -> None:
    bridge = FakeBridge({"id": "run-1", "timeline": TIMELINE[:1], **end})

    with pytest.raises(DemoFailed) as failed:
        run_demo(bridge.send)

    assert str(failed.value) == message


def test_a_demo_that_is_stopped_cancels_its_run() -> None:
    bridge = FakeBridge(KeyboardInterrupt(), {**SUCCEEDED, "status": "canceled"})

    with pytest.raises(KeyboardInterrupt):
        run_demo(bridge.send)

    assert bridge.calls[-2:] == [f"POST {RUN}/cancel", f"GET {RUN}"]


def test_a_run_that_an_earlier_demo_left_is_cancelled_before_the_new_one_begins() -> None:
    bridge = FakeBridge(SUCCEEDED, earlier=[{"id": "old", "status": "running"}, {"id": "older", "status": "failed"}])

    run_demo(bridge.send)

    before = bridge.calls[: bridge.calls.index("PUT /api/workflows/customer-value?run=true")]
    assert [call for call in before if "cancel" in call] == ["POST /api/runs/old/cancel"]


def test_the_sentence_about_a_customer_says_what_each_number_means() -> None:
    assert explain(ROW) == (
        "Customer 00027 bought again on 2 days, the last time 30 weeks after the first, and was watched for 39 weeks: "
        "still a customer with a probability of 72.6%, who will buy 1.2 times in the next 90 days and spend "
        "44.14 dollars, if the model is right."
    )
