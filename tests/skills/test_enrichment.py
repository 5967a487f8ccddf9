"""The custom skill: records in, enrichments out."""

from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shared.errors import (
    BadRequest,
    BridgeError,
    DeadlineExceeded,
    UpstreamFailed,
    UpstreamThrottled,
    UpstreamUnavailable,
)
from shared.skills.contract import Record, RecordResult
from shared.skills.enrichment import enrich_records, score_inputs
from shared.skills.failures import Failure, Kind, status_failure
from tests.skills.fakes import Call, Reply, Script, fail, label, say, skill, status
from tests.support.virtual_time import in_virtual_time, run_virtual

TWO_INPUTS = [{"name": "text", "source": "/document/text"}, {"name": "language", "source": "/document/language"}]


def records(*data: Any) -> list[Record]:
    return [Record(str(number), item) for number, item in enumerate(data)]


def words(*texts: str) -> list[Record]:
    return records(*({"text": text} for text in texts))


def by_word(replies: dict[str, Reply]) -> Script:
    return lambda call: replies.get(call.body["text"]) or label(call)


# What is sent, what comes back


@in_virtual_time
async def test_every_record_comes_back_once_and_in_order() -> None:
    ready, _ = skill(lambda call: say({"label": 1}, after=3.0 / len(call.body["text"])))
    given = [Record(name, {"text": name}) for name in ("b", "aa", "c" * 9, "0")]

    results = await enrich_records(ready, given, 27)

    assert [result.record_id for result in results] == ["b", "aa", "c" * 9, "0"]


@in_virtual_time
async def test_an_empty_batch_has_an_empty_answer() -> None:
    ready, _ = skill()

    assert await enrich_records(ready, [], 27) == []


@in_virtual_time
async def test_only_declared_inputs_are_sent() -> None:
    ready, endpoint = skill(inputs=TWO_INPUTS)

    await enrich_records(ready, records({"more": 1, "language": "es", "text": "a", "Text": "b"}), 27)

    assert [call.body for call in endpoint.calls] == [{"text": "a", "language": "es"}]


@in_virtual_time
async def test_data_holds_exactly_the_declared_outputs_under_their_names() -> None:
    ready, _ = skill(
        lambda _: say({"label": None, "score": 1, "more": 2}),
        outputs=[{"name": "label", "targetName": "language"}, {"name": "score"}],
    )

    [result] = await enrich_records(ready, words("a"), 27)

    assert (result.data, result.errors) == ({"label": None, "score": 1}, ())


@in_virtual_time
async def test_a_missing_output_is_an_error() -> None:
    ready, _ = skill(lambda _: say({"Label": 1}))

    [result] = await enrich_records(ready, words("a"), 27)

    assert result.data == {}
    assert result.errors == [
        "The answer of the endpoint model lacks the output label: name the outputs of the skill as the scoring script "
        "names them."
    ]


@pytest.mark.parametrize(
    ("data", "sent", "names"),
    [
        ({"text": "a"}, {"text": "a"}, ["language"]),
        ({"text": "a", "language": None}, {"text": "a", "language": None}, ["language"]),
        ({"language": "es", "text": None}, {"text": None, "language": "es"}, ["text"]),
        ({"text": "", "language": []}, {"text": "", "language": []}, []),
        ({"text": False, "language": 0}, {"text": False, "language": 0}, []),
    ],
)
def test_a_missing_or_null_input_is_a_warning_and_the_call_is_made(
    data: dict[str, Any], sent: dict[str, Any], names: list[str]
) -> None:
    ready, endpoint = skill(lambda _: say({"label": 1}), inputs=TWO_INPUTS)

    [result] = run_virtual(enrich_records(ready, records(data), 27))

    assert [call.body for call in endpoint.calls] == [sent]
    assert result.data == {"label": 1}
    assert result.errors == ()
    assert result.warnings == [
        f"Required skill input is missing. Name: {name}, Source: /document/{name}" for name in names
    ]


@pytest.mark.parametrize("data", [{}, {"text": None}, {"text": None, "language": None}, {"other": 1}])
def test_without_any_input_there_is_an_error_and_no_call(data: dict[str, Any]) -> None:
    ready, endpoint = skill(inputs=TWO_INPUTS)

    [result] = run_virtual(enrich_records(ready, records(data), 27))

    assert endpoint.calls == []
    assert result == RecordResult(
        "0",
        {},
        errors=[
            "None of the skill's inputs has a value (text, language), so the endpoint was not called: check the "
            "sources of the skill's inputs in the skillset."
        ],
    )


@in_virtual_time
async def test_data_that_is_no_object_is_an_error_and_no_call() -> None:
    ready, endpoint = skill()

    results = await enrich_records(ready, records(None, {"text": "a"}), 27)

    assert len(endpoint.calls) == 1
    assert [len(result.errors) for result in results] == [1, 0]
    assert results[0].errors[0].startswith("The record's data is not an object")


@in_virtual_time
async def test_records_that_were_not_called_count_in_the_figures() -> None:
    ready, _ = skill()

    await enrich_records(ready, records(None, {}, {"text": "a"}), 27)

    assert ready.stats.records == 3
    assert ready.stats.snapshot()["errors"] == {"InvalidData": 1, "NoInputs": 1}


@pytest.mark.parametrize("on_error", ["error", "warning"])
def test_the_definition_says_whether_a_failure_fails_the_document(on_error: str) -> None:
    ready, _ = skill(by_word({"bad": status(400)}), gateway={"onError": on_error})

    bad, good = run_virtual(enrich_records(ready, words("bad", "good"), 27))

    told = [*bad.errors, *bad.warnings]
    assert len(told) == 1
    assert told[0].startswith("The endpoint model answered 400: ")
    assert bool(bad.warnings) is (on_error == "warning")
    assert bad.data == {}
    assert good == RecordResult("1", {"label": 4}, warnings=[])


@in_virtual_time
async def test_a_failure_keeps_the_warnings_of_its_inputs() -> None:
    ready, _ = skill(lambda _: status(400), inputs=TWO_INPUTS, gateway={"onError": "warning"})

    [result] = await enrich_records(ready, words("a"), 27)

    assert len(result.warnings) == 2
    assert result.warnings[0].startswith("Required skill input is missing. Name: language")


@pytest.mark.parametrize(
    ("detail", "says", "hides"),
    [
        ("text", 'answered 400 ("secret")', "InputRejected"),
        ("status", "answered 400: ", "secret"),
        ("none", "InputRejected", "400"),
    ],
)
def test_the_definition_says_how_much_of_the_answer_an_error_repeats(detail: str, says: str, hides: str) -> None:
    ready, _ = skill(lambda _: status(400, text="secret"), gateway={"errorDetail": detail})

    [result] = run_virtual(enrich_records(ready, words("a"), 27))

    assert says in result.errors[0]
    assert hides not in result.errors[0]


REPLIES = {
    "good": say({"label": 1}),
    "null": say({"label": None}),
    "bad": status(400),
    "busy": status(429),
    "gone": fail(Kind.CONNECT),
    "empty": say({}),
    "array": say([]),
    "slow": say({"label": 1}, after=60),
}


@settings(deadline=None, max_examples=60)
@given(st.lists(st.sampled_from([*REPLIES, None]), max_size=12), st.sampled_from(["error", "warning"]))
def test_no_record_ever_has_both_data_and_errors(replies: list[str | None], on_error: str) -> None:
    ready, _ = skill(by_word(REPLIES), gateway={"onError": on_error}, timeout="PT5S")
    given = records(*({} if reply is None else {"text": reply} for reply in replies))

    try:
        results = run_virtual(enrich_records(ready, given, 20))
    except UpstreamUnavailable:
        assert set(replies) == {"busy"}
        return

    assert [result.record_id for result in results] == [record.record_id for record in given]
    for reply, result in zip(replies, results, strict=True):
        assert bool(result.data) is (reply in ("good", "null"))
        assert bool(result.data) or bool(result.errors or result.warnings)
        assert not (result.data and result.errors)


# A busy batch


BUSY: list[Failure] = [
    status_failure(429),
    status_failure(503),
    status_failure(424, inner=503),
    Failure(Kind.CLOSED, retry_after=4, facts={"silent": 20, "probe": "10"}),
    Failure(Kind.PAUSED, retry_after=4, facts={"wait": "4"}),
    Failure(Kind.ARM_THROTTLED),
]


@pytest.mark.parametrize("failure", BUSY, ids=lambda failure: failure.kind.code)
def test_a_wholly_busy_batch_is_to_be_sent_again(failure: Failure) -> None:
    ready, _ = skill(lambda _: Reply(failure=failure))

    with pytest.raises(UpstreamUnavailable, match="No record was scored, so send the batch again later: ") as refused:
        run_virtual(enrich_records(ready, words("a", "b"), 27))

    assert refused.value.status == 503
    assert refused.value.retry_after is not None
    assert refused.value.retry_after >= 1


@in_virtual_time
async def test_the_longest_wait_is_told() -> None:
    ready, _ = skill(by_word({"a": status(503, retry_after=40.2), "b": status(429)}))

    with pytest.raises(UpstreamUnavailable) as refused:
        await enrich_records(ready, words("a", "b"), 27)

    assert refused.value.retry_after == 41


@in_virtual_time
async def test_a_busy_batch_larger_than_its_time_is_to_be_sent_again_all_the_same() -> None:
    ready, endpoint = skill(lambda _: status(429, after=1.0))

    with pytest.raises(UpstreamUnavailable, match="429"):
        await enrich_records(ready, words(*(f"text {number}" for number in range(500))), 10)

    assert len(endpoint.calls) < 500


@in_virtual_time
async def test_a_busy_batch_whose_last_calls_were_aborted_is_to_be_sent_again() -> None:
    ready, _ = skill(lambda call: status(429) if call.body["text"] < "c" else say({}, after=99))

    with pytest.raises(UpstreamUnavailable, match="answered 429"):
        await enrich_records(ready, words("a", "b", "c", "d"), 10)


@pytest.mark.parametrize(
    "other",
    [say({"label": 1}), status(400), status(500), fail(Kind.CONNECT), say({}), say({"label": 1}, after=60)],
)
def test_a_batch_that_is_busy_only_in_part_is_answered(other: Reply) -> None:
    ready, _ = skill(by_word({"busy": status(429), "other": other}), timeout="PT5S")

    results = run_virtual(enrich_records(ready, words("busy", "other"), 27))

    assert len(results) == 2
    assert "answered 429" in results[0].errors[0]


@in_virtual_time
async def test_a_batch_with_a_record_without_inputs_is_answered() -> None:
    ready, _ = skill(lambda _: status(429))

    results = await enrich_records(ready, records({"text": "a"}, {}), 27)

    assert [len(result.errors) for result in results] == [1, 1]


@in_virtual_time
async def test_a_batch_that_an_endpoint_lets_hang_is_answered() -> None:
    ready, _ = skill(lambda _: say({}, after=200), timeout="PT100S")

    results = await enrich_records(ready, words(*"abcdefgh"), 10)

    assert ["before the endpoint model had answered" in result.errors[0] for result in results] == [True] * 5 + [
        False
    ] * 3


# The bare contract


@in_virtual_time
async def test_the_bare_contract_takes_inputs_and_gives_outputs() -> None:
    ready, endpoint = skill()

    assert await score_inputs(ready, {"text": "abc", "more": 1}, 30) == {"label": 3}
    assert endpoint.calls[0].body == {"text": "abc"}


BARE: list[tuple[Failure, type[BridgeError]]] = [
    (status_failure(429, retry_after=3), UpstreamThrottled),
    (status_failure(424, inner=429), UpstreamThrottled),
    (status_failure(503), UpstreamUnavailable),
    (Failure(Kind.CLOSED), UpstreamUnavailable),
    (Failure(Kind.TIMED_OUT), DeadlineExceeded),
    (status_failure(400), UpstreamFailed),
    (status_failure(401), UpstreamFailed),
    (status_failure(424, inner=500), UpstreamFailed),
    (status_failure(502), UpstreamFailed),
    (status_failure(504), UpstreamFailed),
    (Failure(Kind.CONNECT), UpstreamFailed),
    (Failure(Kind.INVALID_JSON), UpstreamFailed),
]


@pytest.mark.parametrize(("failure", "error"), BARE, ids=lambda case: getattr(case, "kind", case).__class__.__name__)
def test_a_failure_of_the_bare_contract_is_its_status_at_once(failure: Failure, error: type[BridgeError]) -> None:
    ready, endpoint = skill(lambda _: Reply(failure=failure))

    with pytest.raises(BridgeError) as raised:
        run_virtual(score_inputs(ready, {"text": "a"}, 30))

    assert type(raised.value) is error
    assert len(endpoint.calls) == 1
    assert (raised.value.retry_after is not None) is failure.kind.busy


@in_virtual_time
async def test_the_deadline_of_the_bare_contract_is_a_504() -> None:
    ready, _ = skill(lambda _: say({}, after=60), timeout="PT200S")

    with pytest.raises(DeadlineExceeded, match="The deadline of 30 s was reached") as raised:
        await score_inputs(ready, {"text": "a"}, 30)

    assert raised.value.status == 504


@in_virtual_time
async def test_the_bare_contract_retries_where_the_definition_says_how_often() -> None:
    def script(call: Call) -> Reply:
        return label(call) if call.repeat else status(503)

    ready, endpoint = skill(script, gateway={"retries": 1})

    assert await score_inputs(ready, {"text": "a"}, 30) == {"label": 1}
    assert len(endpoint.calls) == 2


@pytest.mark.parametrize("inputs", [None, [], "text", 5, [{"text": "a"}]])
def test_the_bare_contract_takes_an_object_only(inputs: Any) -> None:
    ready, endpoint = skill()

    with pytest.raises(BadRequest, match="the body is not an object of the skill's inputs"):
        run_virtual(score_inputs(ready, inputs, 30))
    assert endpoint.calls == []


@pytest.mark.parametrize("inputs", [{}, {"text": None}, {"other": 1}])
def test_the_bare_contract_wants_an_input(inputs: Any) -> None:
    ready, endpoint = skill()

    with pytest.raises(BadRequest, match="None of the skill's inputs has a value") as raised:
        run_virtual(score_inputs(ready, inputs, 30))
    assert raised.value.status == 400
    assert endpoint.calls == []


def count(results: Sequence[RecordResult]) -> int:
    return sum(bool(result.data) for result in results)


@in_virtual_time
async def test_a_thousand_records_are_one_batch() -> None:
    ready, endpoint = skill(lambda _: say({"label": 1}, after=0.02), degreeOfParallelism=10)

    results = await enrich_records(ready, words(*(f"text {number}" for number in range(1000))), 27)

    assert count(results) == 1000
    assert endpoint.most_in_flight == 10
