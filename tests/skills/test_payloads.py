"""Records become a body, and an answer becomes outputs."""

import json
from typing import Any

import pytest

from shared.skills.failures import Failure, Kind
from shared.skills.payloads import AnswerRejected, decode, encode
from tests.skills.fakes import definition

TWO_INPUTS = [{"name": "text", "source": "/document/text"}, {"name": "language", "source": "/document/language"}]
TWO_OUTPUTS = [{"name": "label"}, {"name": "score"}]


def batch(payload: str, **members: Any) -> Any:
    return definition(gateway={"payload": payload, "maxRecordsPerCall": 8}, **members)


def test_a_record_is_its_inputs_object() -> None:
    assert json.loads(encode([{"text": "a", "language": None}], definition())) == {"text": "a", "language": None}


def test_instances_are_the_inputs_objects() -> None:
    body = encode([{"text": "a"}, {"text": "b"}], batch("instances"))

    assert json.loads(body) == {"instances": [{"text": "a"}, {"text": "b"}]}


def test_a_dataframe_has_a_column_for_each_declared_input() -> None:
    body = encode([{"text": "a", "language": "es"}, {"language": "en"}], batch("dataframe_split", inputs=TWO_INPUTS))

    assert json.loads(body) == {
        "dataframe_split": {"columns": ["text", "language"], "index": [0, 1], "data": [["a", "es"], [None, "en"]]}
    }


def test_exactly_the_declared_outputs_are_taken() -> None:
    skill = definition(outputs=TWO_OUTPUTS)

    assert decode({"score": None, "more": 1, "label": "x"}, 1, skill) == [{"label": "x", "score": None}]


def test_an_output_that_is_missing_is_an_error() -> None:
    [outcome] = decode({"more": 1}, 1, definition(outputs=TWO_OUTPUTS))

    assert isinstance(outcome, Failure)
    assert outcome.kind is Kind.OUTPUT_MISSING
    assert outcome.facts == {"output": "label, score"}


@pytest.mark.parametrize("payload", ["instances", "dataframe_split"])
@pytest.mark.parametrize("wrap", [lambda items: items, lambda items: {"predictions": items, "more": 1}])
def test_predictions_are_one_a_record_and_in_order(payload: str, wrap: Any) -> None:
    answer = wrap([{"label": "a"}, {"label": "b", "more": 1}])

    assert decode(answer, 2, batch(payload)) == [{"label": "a"}, {"label": "b"}]


@pytest.mark.parametrize("scalar", ["es", 5, None, True, [0.1, 0.2]])
def test_a_bare_prediction_is_the_only_output(scalar: Any) -> None:
    assert decode([scalar], 1, batch("instances")) == [{"label": scalar}]


def test_a_bare_prediction_cannot_be_two_outputs() -> None:
    [bad, good] = decode(["es", {"label": "a", "score": 1}], 2, batch("instances", outputs=TWO_OUTPUTS))

    assert isinstance(bad, Failure)
    assert (bad.kind, bad.facts) == (Kind.NOT_AN_OBJECT, {"shape": "string"})
    assert good == {"label": "a", "score": 1}


@pytest.mark.parametrize(
    ("answer", "kind"),
    [
        ([{"label": "a"}], Kind.WRONG_COUNT),
        ([{"label": "a"}] * 3, Kind.WRONG_COUNT),
        ({"predictions": []}, Kind.WRONG_COUNT),
        ({"label": "a"}, Kind.NO_PREDICTIONS),
        ({"predictions": {"label": ["a", "b"]}}, Kind.NO_PREDICTIONS),
        ("text", Kind.NO_PREDICTIONS),
        (None, Kind.NO_PREDICTIONS),
    ],
)
def test_an_answer_without_a_prediction_for_each_record_is_rejected(answer: Any, kind: Kind) -> None:
    with pytest.raises(AnswerRejected) as rejected:
        decode(answer, 2, batch("instances"))

    assert rejected.value.failure.kind is kind


@pytest.mark.parametrize(
    ("answer", "shape"),
    [
        ([], "array"),
        ("x", "string"),
        ("5", "string"),
        ("", "string"),
        (5, "number"),
        (0.5, "number"),
        (True, "boolean"),
        (None, "null"),
    ],
)
def test_an_answer_that_is_no_object_is_rejected(answer: Any, shape: str) -> None:
    with pytest.raises(AnswerRejected) as rejected:
        decode(answer, 1, definition())

    assert (rejected.value.failure.kind, rejected.value.failure.facts) == (Kind.NOT_AN_OBJECT, {"shape": shape})


def test_a_string_that_holds_json_is_named_as_such() -> None:
    with pytest.raises(AnswerRejected) as rejected:
        decode('{"label": "es"}', 1, definition())

    assert rejected.value.failure.kind is Kind.JSON_STRING


def test_a_string_that_holds_json_is_unwrapped_where_the_definition_says_so() -> None:
    assert decode('{"label": "es"}', 1, definition(gateway={"unwrapString": True})) == [{"label": "es"}]


def test_only_one_level_is_unwrapped() -> None:
    with pytest.raises(AnswerRejected):
        decode(json.dumps(json.dumps({"label": "es"})), 1, definition(gateway={"unwrapString": True}))


def test_predictions_in_a_string_are_unwrapped_too() -> None:
    gateway = {"unwrapString": True, "payload": "instances"}

    assert decode('[{"label": 1}]', 1, definition(gateway=gateway)) == [{"label": 1}]
