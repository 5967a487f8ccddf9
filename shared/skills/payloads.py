"""How records become one call's body, and the answer becomes a record's outputs again.

`record` is the AML skill's own contract: the inputs object in, an object with the outputs back. `instances` and
`dataframe_split` are the two shapes that MLflow models and most batch-aware scoring scripts take; both answer
`{"predictions": [...]}` or the bare list, one item a record and in order.
"""

from collections.abc import Sequence

from shared.skills.definition import Payload, SkillDefinition
from shared.skills.failures import Failure, Kind
from shared.wire import Json, json_bytes, parse_json

type Inputs = dict[str, Json]
type Outputs = dict[str, Json]


class AnswerRejected(Exception):
    """The answer is no enrichment; `failure` says why."""

    def __init__(self, failure: Failure) -> None:
        super().__init__(failure.kind.code)
        self.failure = failure


def encode(records: Sequence[Inputs], definition: SkillDefinition) -> bytes:
    """The body of the call that scores `records` (exactly one where the payload is `record`)."""
    match definition.gateway.payload:
        case Payload.RECORD:
            return json_bytes(records[0])
        case Payload.INSTANCES:
            return json_bytes({"instances": records})
        case Payload.DATAFRAME_SPLIT:
            columns = [item.name for item in definition.inputs]
            rows = [[record.get(column) for column in columns] for record in records]
            frame = {"columns": columns, "index": list(range(len(records))), "data": rows}
            return json_bytes({"dataframe_split": frame})


def decode(answer: Json, count: int, definition: SkillDefinition) -> list[Outputs | Failure]:
    """The outputs of each record of a call that scored `count`. Raises AnswerRejected where the whole answer is none."""
    answer = _unwrap(answer, definition)
    if definition.gateway.payload is Payload.RECORD:
        if not isinstance(answer, dict):
            raise AnswerRejected(_not_an_object(answer))
        return [_outputs(answer, definition)]
    predictions = answer.get("predictions") if isinstance(answer, dict) else answer
    if not isinstance(predictions, list):
        raise AnswerRejected(Failure(Kind.NO_PREDICTIONS))
    if len(predictions) != count:
        raise AnswerRejected(_failure(Kind.WRONG_COUNT, got=len(predictions), sent=count))
    return [_prediction(prediction, definition) for prediction in predictions]


def _unwrap(answer: Json, definition: SkillDefinition) -> Json:
    """A scoring script that ends in `json.dumps` answers a string that holds JSON; one level of that can be undone."""
    if not isinstance(answer, str):
        return answer
    try:
        inner = parse_json(answer)
    except ValueError:
        return answer
    if not isinstance(inner, dict | list):
        return answer
    if not definition.gateway.unwrap_string:
        raise AnswerRejected(Failure(Kind.JSON_STRING))
    return inner


def _prediction(prediction: Json, definition: SkillDefinition) -> Outputs | Failure:
    if isinstance(prediction, dict):
        return _outputs(prediction, definition)
    if len(definition.outputs) == 1:
        return {definition.outputs[0].name: prediction}
    return _not_an_object(prediction)


def _outputs(answer: dict[str, Json], definition: SkillDefinition) -> Outputs | Failure:
    """Exactly the declared outputs; null is a value, absence is not."""
    missing = [output.name for output in definition.outputs if output.name not in answer]
    if missing:
        return _failure(Kind.OUTPUT_MISSING, output=", ".join(missing))
    return {output.name: answer[output.name] for output in definition.outputs}


def _not_an_object(value: Json) -> Failure:
    names: dict[type, str] = {list: "array", str: "string", bool: "boolean", int: "number", float: "number"}
    return _failure(Kind.NOT_AN_OBJECT, shape=names.get(type(value), "null"))


def _failure(kind: Kind, **facts: object) -> Failure:
    return Failure(kind, facts=facts)
