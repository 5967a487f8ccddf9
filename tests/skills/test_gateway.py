"""The engine: many records, few calls, one deadline, an outcome for each."""

import asyncio
from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shared.skills.failures import Failure, Kind
from shared.skills.gateway import Outcome, Skill, score
from shared.skills.payloads import Inputs
from shared.skills.results import ResultCache
from tests.skills.fakes import Call, FakeEndpoint, Reply, Script, fail, label, say, skill, status
from tests.support.virtual_time import in_virtual_time, run_virtual


def texts(*words: str) -> list[Inputs]:
    return [{"text": word} for word in words]


def numbered(count: int) -> list[Inputs]:
    return texts(*(f"text {number}" for number in range(count)))


def kinds(outcomes: Sequence[Outcome]) -> list[Kind | None]:
    return [outcome.kind if isinstance(outcome, Failure) else None for outcome in outcomes]


async def timed(ready: Skill, batch: Sequence[Inputs], seconds: float = 100.0) -> tuple[list[Outcome], float]:
    loop = asyncio.get_running_loop()
    started = loop.time()
    outcomes = await score(ready, batch, seconds)
    return outcomes, loop.time() - started


def after(seconds: float) -> Script:
    """The model that takes `seconds`."""
    return lambda call: say({"label": call.body["text"]}, after=seconds)


# Order, window


@in_virtual_time
async def test_outcomes_are_in_the_order_of_the_batch_whatever_ends_first() -> None:
    ready, _ = skill(lambda call: say({"label": call.body["text"]}, after=5 / len(call.body["text"])))

    outcomes, _ = await timed(ready, texts("a", "bbbb", "cc", "ddddd"))

    assert outcomes == [{"label": "a"}, {"label": "bbbb"}, {"label": "cc"}, {"label": "ddddd"}]


@in_virtual_time
async def test_an_empty_batch_makes_no_call() -> None:
    ready, endpoint = skill()

    assert await score(ready, [], 10) == []
    assert endpoint.calls == []


@pytest.mark.parametrize("parallelism", [1, 5, 10])
def test_a_window_slides_over_the_calls(parallelism: int) -> None:
    async def main() -> tuple[float, FakeEndpoint]:
        ready, endpoint = skill(after(1), degreeOfParallelism=parallelism)
        return (await timed(ready, numbered(20)))[1], endpoint

    duration, endpoint = run_virtual(main())

    assert endpoint.most_in_flight == parallelism
    assert duration == pytest.approx(20 / parallelism)


@in_virtual_time
async def test_a_slow_call_holds_up_nobody() -> None:
    ready, _ = skill(lambda call: say({"label": 1}, after=10 if call.number == 0 else 1), degreeOfParallelism=2)

    _, duration = await timed(ready, numbered(11))

    assert duration == pytest.approx(10)


@in_virtual_time
async def test_two_batches_of_one_skill_share_its_degree_of_parallelism() -> None:
    ready, endpoint = skill(after(1), degreeOfParallelism=4)

    both = await asyncio.gather(timed(ready, numbered(8)), timed(ready, numbered(8)))

    assert endpoint.most_in_flight == 4
    assert max(duration for _, duration in both) == pytest.approx(4)
    assert all(isinstance(outcome, dict) for outcomes, _ in both for outcome in outcomes)


@in_virtual_time
async def test_the_request_id_and_the_timeout_go_with_each_call() -> None:
    ready, endpoint = skill(timeout="PT7S")

    await score(ready, numbered(2), 10, "request 1")

    assert {(call.request_id, call.timeout) for call in endpoint.calls} == {("request 1", 7.0)}


# Failures and retries


@in_virtual_time
async def test_one_failure_touches_no_other_record() -> None:
    ready, _ = skill(lambda call: status(400, text="bad") if call.body["text"] == "bad" else label(call))

    outcomes, _ = await timed(ready, texts("one", "bad", "three"))

    assert kinds(outcomes) == [None, Kind.REJECTED, None]


@in_virtual_time
async def test_a_lost_connection_is_tried_again() -> None:
    ready, endpoint = skill(lambda call: fail(Kind.CONNECT) if call.repeat < 2 else label(call))

    outcomes, duration = await timed(ready, texts("a"))

    assert outcomes == [{"label": 1}]
    assert len(endpoint.calls) == 3
    assert duration == pytest.approx(0.2 + 0.4)
    assert ready.stats.retries == 2


@in_virtual_time
async def test_retries_are_counted_and_end() -> None:
    ready, endpoint = skill(lambda _: fail(Kind.CONNECT))

    [outcome] = await score(ready, texts("a"), 100)

    assert isinstance(outcome, Failure)
    assert (outcome.kind, outcome.attempts, len(endpoint.calls)) == (Kind.CONNECT, 3, 3)


@in_virtual_time
async def test_a_timed_out_attempt_is_not_tried_again() -> None:
    ready, endpoint = skill(after(60), timeout="PT3S")

    outcomes, duration = await timed(ready, texts("a"))

    assert kinds(outcomes) == [Kind.TIMED_OUT]
    assert len(endpoint.calls) == 1
    assert duration == pytest.approx(3)


@in_virtual_time
async def test_the_retry_budget_bounds_the_load_on_a_failing_endpoint() -> None:
    ready, endpoint = skill(lambda _: status(502))

    await score(ready, numbered(400), 200)

    retried = len(endpoint.calls) - 400
    assert 100 <= retried <= 10 + 400 * 0.25


@in_virtual_time
async def test_push_backs_of_an_endpoint_that_answers_do_not_count_as_retries() -> None:
    ready, endpoint = skill(
        lambda call: status(429) if call.body["text"] == "busy" and call.repeat < 7 else label(call),
    )

    outcomes, _ = await timed(ready, texts("good", "busy"))

    assert kinds(outcomes) == [None, None]
    assert len(endpoint.calls) == 1 + 8


@in_virtual_time
async def test_a_record_that_is_always_pushed_back_is_given_up_after_ten_attempts() -> None:
    ready, endpoint = skill(lambda call: status(503) if call.body["text"] == "busy" else label(call))

    outcomes, _ = await timed(ready, texts("good", "busy"))

    assert kinds(outcomes) == [None, Kind.UNAVAILABLE]
    assert len(endpoint.calls) == 1 + 10


@in_virtual_time
async def test_push_backs_of_an_endpoint_that_answers_nobody_count() -> None:
    ready, endpoint = skill(lambda _: status(429))

    outcomes, _ = await timed(ready, texts("a"))

    assert kinds(outcomes) == [Kind.THROTTLED]
    assert len(endpoint.calls) == 3


@in_virtual_time
async def test_what_was_given_up_before_the_endpoint_answered_anybody_is_taken_up_again() -> None:
    def script(call: Call) -> Reply:
        if call.body["text"] == "slow":
            return say({"label": 1}, after=10)
        return status(429) if call.repeat < 5 else label(call)

    ready, endpoint = skill(script)

    outcomes, _ = await timed(ready, texts("slow", "busy"))

    assert kinds(outcomes) == [None, None]
    assert [call.at - endpoint.calls[0].at < 10 for call in endpoint.calls] == [True] * 4 + [False] * 3


@in_virtual_time
async def test_retry_after_is_waited_for() -> None:
    ready, endpoint = skill(lambda call: label(call) if call.repeat else status(503, retry_after=20))

    outcomes, duration = await timed(ready, texts("a"))

    assert kinds(outcomes) == [None]
    assert duration == pytest.approx(20)
    assert len(endpoint.calls) == 2


@in_virtual_time
async def test_a_call_that_waits_for_its_next_attempt_holds_no_place() -> None:
    ready, _ = skill(
        lambda call: status(503, retry_after=50) if call.number == 0 else after(1)(call), degreeOfParallelism=1
    )

    outcomes, duration = await timed(ready, numbered(11))

    assert kinds(outcomes) == [None] * 11
    assert duration == pytest.approx(51)


# The deadline


@in_virtual_time
async def test_at_the_deadline_calls_in_flight_are_aborted_and_the_others_keep_their_data() -> None:
    ready, endpoint = skill(
        lambda call: say({"label": 1}, after=20 if call.body["text"] in ("text 3", "text 4") else 1),
        degreeOfParallelism=2,
    )

    outcomes, duration = await timed(ready, numbered(8), seconds=10)

    assert kinds(outcomes) == [None, None, None, Kind.DEADLINE, Kind.DEADLINE, *[Kind.NOT_REACHED] * 3]
    assert duration == pytest.approx(10)
    assert (endpoint.aborted, endpoint.in_flight) == (2, 0)
    assert isinstance(outcomes[3], Failure)
    assert outcomes[3].facts == {"deadline": "10"}


@settings(deadline=None, max_examples=30)
@given(
    st.lists(st.sampled_from([0.0, 0.5, 3.0, 40.0]), min_size=1, max_size=20),
    st.sampled_from([0.1, 2.0, 9.0]),
    st.integers(1, 10),
)
def test_a_batch_ends_within_its_seconds(times: list[float], seconds: float, parallelism: int) -> None:
    async def main() -> float:
        ready, endpoint = skill(
            lambda call: say({"label": 1}, after=times[int(call.body["text"].split()[1])]),
            degreeOfParallelism=parallelism,
        )
        outcomes, duration = await timed(ready, numbered(len(times)), seconds)
        assert len(outcomes) == len(times)
        assert endpoint.in_flight == 0
        return duration

    assert run_virtual(main()) <= seconds + 1e-6


@in_virtual_time
async def test_a_push_back_says_more_than_the_deadline_that_ends_its_next_attempt() -> None:
    def script(call: Call) -> Reply:
        return after(60)(call) if call.repeat else status(429)

    ready, _ = skill(script)

    outcomes, _ = await timed(ready, texts("a"), seconds=5)

    assert kinds(outcomes) == [Kind.THROTTLED]


@in_virtual_time
async def test_a_failure_stays_told_when_the_deadline_aborts_the_next_attempt() -> None:
    ready, _ = skill(lambda call: after(60)(call) if call.repeat else fail(Kind.CONNECT))

    outcomes, _ = await timed(ready, texts("a"), seconds=5)

    assert kinds(outcomes) == [Kind.CONNECT]


@in_virtual_time
async def test_a_failed_call_whose_next_attempt_comes_too_late_keeps_its_reason() -> None:
    ready, endpoint = skill(lambda _: status(503, retry_after=60))

    outcomes, duration = await timed(ready, texts("a"), seconds=5)

    assert kinds(outcomes) == [Kind.UNAVAILABLE]
    assert len(endpoint.calls) == 1
    assert duration == pytest.approx(0)


@in_virtual_time
async def test_who_waits_for_another_batch_until_the_deadline_was_not_reached() -> None:
    ready, endpoint = skill(after(30), degreeOfParallelism=1)
    first = asyncio.create_task(score(ready, texts("first"), 60))
    await asyncio.sleep(0)

    second = await score(ready, texts("second"), 5)

    assert kinds(second) == [Kind.NOT_REACHED]
    assert await first == [{"label": "first"}]
    assert len(endpoint.calls) == 1


@in_virtual_time
async def test_a_caller_that_goes_away_ends_the_calls() -> None:
    ready, endpoint = skill(after(30))
    task = asyncio.create_task(score(ready, numbered(9), 60))
    await asyncio.sleep(1)

    task.cancel()

    with pytest.raises(asyncio.CancelledError):
        await task
    assert endpoint.in_flight == 0


@in_virtual_time
async def test_a_fault_of_ours_is_raised_as_it_is() -> None:
    def script(_: Call) -> Reply:
        raise ZeroDivisionError

    ready, _ = skill(script)

    with pytest.raises(ZeroDivisionError):
        await score(ready, numbered(3), 5)


# Many records in a call


def batched(size: int, payload: str = "instances", **gateway: Any) -> dict[str, Any]:
    return {"gateway": {"payload": payload, "maxRecordsPerCall": size, **gateway}}


def labels(call: Call) -> Reply:
    return say([{"label": item["text"]} for item in call.body["instances"]])


@in_virtual_time
async def test_records_share_calls_up_to_the_size() -> None:
    ready, endpoint = skill(labels, **batched(4))

    outcomes, _ = await timed(ready, numbered(10))

    assert sorted(len(call.body["instances"]) for call in endpoint.calls) == [2, 4, 4]
    assert outcomes == [{"label": f"text {number}"} for number in range(10)]


@in_virtual_time
async def test_a_dataframe_is_split_likewise() -> None:
    ready, endpoint = skill(
        lambda call: say({"predictions": [row[0] for row in call.body["dataframe_split"]["data"]]}),
        **batched(4, "dataframe_split"),
    )

    outcomes, _ = await timed(ready, numbered(10))

    assert len(endpoint.calls) == 3
    assert outcomes == [{"label": f"text {number}"} for number in range(10)]


REJECTIONS = [
    status(400),
    status(424, inner=500),
    status(500),
    status(413),
    say([]),
    say("text"),
    say('[{"label": 1}]'),
    Reply(failure=Failure(Kind.CONTENT_TYPE)),
    Reply(failure=Failure(Kind.INVALID_JSON)),
    Reply(failure=Failure(Kind.ANSWER_TOO_LARGE)),
]


@settings(deadline=None, max_examples=60)
@given(st.data())
def test_a_bad_record_fails_alone(data: st.DataObject) -> None:
    count = data.draw(st.integers(1, 40))
    size = data.draw(st.integers(2, 40))
    bad = data.draw(st.sets(st.integers(0, count - 1), max_size=6))
    rejection = data.draw(st.sampled_from(REJECTIONS))

    def script(call: Call) -> Reply:
        numbers = {int(item["text"].split()[1]) for item in call.body["instances"]}
        return rejection if numbers & bad else labels(call)

    async def main() -> list[Outcome]:
        ready, _ = skill(script, **batched(size))
        return await score(ready, numbered(count), 100)

    outcomes = run_virtual(main())

    assert {index for index, kind in enumerate(kinds(outcomes)) if kind is not None} == bad
    for index, outcome in enumerate(outcomes):
        assert index in bad or outcome == {"label": f"text {index}"}


@in_virtual_time
async def test_halving_takes_about_two_calls_a_level() -> None:
    ready, endpoint = skill(
        lambda call: status(400) if {"text": "text 5"} in call.body["instances"] else labels(call), **batched(32)
    )

    outcomes, _ = await timed(ready, numbered(32))

    assert kinds(outcomes).count(None) == 31
    assert len(endpoint.calls) == 1 + 2 * 5


@in_virtual_time
async def test_a_prediction_without_the_output_fails_alone_without_halving() -> None:
    ready, endpoint = skill(lambda _: say([{"label": 1}, {"other": 1}, {"label": 3}]), **batched(3))

    outcomes, _ = await timed(ready, numbered(3))

    assert kinds(outcomes) == [None, Kind.OUTPUT_MISSING, None]
    assert len(endpoint.calls) == 1


@in_virtual_time
async def test_a_busy_endpoint_is_no_reason_to_halve() -> None:
    ready, endpoint = skill(lambda _: status(503), **batched(8))

    outcomes, _ = await timed(ready, numbered(8))

    assert kinds(outcomes) == [Kind.UNAVAILABLE] * 8
    assert {len(call.body["instances"]) for call in endpoint.calls} == {8}


@in_virtual_time
async def test_the_deadline_blames_no_record_of_a_batch_that_was_rejected_as_a_whole() -> None:
    def script(call: Call) -> Reply:
        return status(400, after=3) if len(call.body["instances"]) == 4 else say([], after=60)

    ready, _ = skill(script, degreeOfParallelism=1, **batched(4))

    outcomes, _ = await timed(ready, numbered(4), seconds=5)

    assert kinds(outcomes) == [Kind.DEADLINE] * 4


# Strings


@in_virtual_time
async def test_a_json_string_is_taken_only_where_the_definition_says_so() -> None:
    strict, _ = skill(lambda _: say('{"label": "es"}'))
    lenient, _ = skill(lambda _: say('{"label": "es"}'), gateway={"unwrapString": True})

    assert kinds(await score(strict, texts("a"), 9)) == [Kind.JSON_STRING]
    assert await score(lenient, texts("a"), 9) == [{"label": "es"}]


# The cache


def cache() -> ResultCache:
    return ResultCache(asyncio.get_running_loop().time)


@in_virtual_time
async def test_a_repeated_batch_goes_on_where_it_stopped() -> None:
    ready, endpoint = skill(after(1), results=cache(), degreeOfParallelism=1)

    first = await score(ready, numbered(6), 3.5)
    second = await score(ready, numbered(6), 3.5)

    assert [kind is None for kind in kinds(first)] == [True] * 3 + [False] * 3
    assert kinds(second) == [None] * 6
    assert len(endpoint.calls) == 4 + 3
    assert ready.stats.remembered == 3
    assert ready.stats.records == 12


@in_virtual_time
async def test_failures_are_not_remembered() -> None:
    ready, endpoint = skill(lambda call: label(call) if call.repeat else status(400), results=cache())

    assert kinds(await score(ready, texts("a"), 9)) == [Kind.REJECTED]
    assert kinds(await score(ready, texts("a"), 9)) == [None]
    assert len(endpoint.calls) == 2


@in_virtual_time
async def test_results_are_forgotten_after_ten_minutes() -> None:
    ready, endpoint = skill(results=cache())
    await score(ready, texts("a"), 9)
    await asyncio.sleep(601)

    await score(ready, texts("a"), 9)

    assert len(endpoint.calls) == 2


@in_virtual_time
async def test_another_version_of_the_definition_remembers_nothing() -> None:
    results = cache()
    one, endpoint = skill(results=results, version="v1")
    other, _ = skill(endpoint=endpoint, results=results, version="v2")

    await score(one, texts("a"), 9)
    await score(other, texts("a"), 9)

    assert len(endpoint.calls) == 2


@in_virtual_time
async def test_a_changed_answer_does_not_change_what_is_remembered() -> None:
    ready, _ = skill(lambda _: say({"label": ["x"]}), results=cache())
    [first] = await score(ready, texts("a"), 9)
    assert isinstance(first, dict)
    first["label"] = "changed"

    assert await score(ready, texts("a"), 9) == [{"label": ["x"]}]


# Figures


@in_virtual_time
async def test_the_figures_tell_records_calls_retries_and_errors() -> None:
    def script(call: Call) -> Reply:
        match call.body["text"]:
            case "busy":
                return label(call) if call.repeat else status(503, after=0.5)
            case "bad":
                return status(400, after=0.5)
        return after(0.5)(call)

    ready, _ = skill(script)

    await score(ready, texts("a", "busy", "bad"), 9)

    snapshot = ready.stats.snapshot()
    assert {name: snapshot[name] for name in ("records", "remembered", "calls", "retries", "pushBacks", "errors")} == {
        "records": 3,
        "remembered": 0,
        "calls": 4,
        "retries": 1,
        "pushBacks": 1,
        "errors": {"InputRejected": 1},
    }
    assert snapshot["latencyMs"]["p90"] == 500
