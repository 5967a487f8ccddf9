"""What does an endpoint without a model say? An echo of the inputs, or what a fault makes of it.

{"text": "hello"}           ->  {"echo": {"text": "hello"}, "detected_language_code": "en", "length": 5}
{"instances": [{…}, {…}]}   ->  {"predictions": [{"echo": …}, {"echo": …}]}
{"dataframe_split": {"columns": […], "index": […], "data": [[…], […]]}}   ->  the same
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from http import HTTPStatus
from typing import Any

import orjson

from simulator.scoring.faults import MEMBER, Fault

JSON = "application/json"


class NoInputs(ValueError):
    """A body that holds no inputs; the message goes to the caller."""


@dataclass(frozen=True)
class Answer:
    """An HTTP answer, before it is sent; content type None is none."""

    status: int
    body: bytes
    content_type: str | None = JSON
    headers: Mapping[str, str] = field(default_factory=dict)

    def with_headers(self, headers: Mapping[str, str]) -> "Answer":
        return replace(self, headers={**self.headers, **headers})


@dataclass(frozen=True)
class Inputs:
    """A scoring body: one record, or a batch of `records`."""

    body: Mapping[str, Any]
    records: list[Any] | None

    @classmethod
    def parse(cls, content: bytes) -> "Inputs":
        try:
            body = orjson.loads(content)
        except ValueError as error:
            raise NoInputs(f"the body is not JSON: {error}") from error
        if not isinstance(body, dict):
            raise NoInputs("the body must be a JSON object")
        return cls(body, records_of(body))


def records_of(body: Mapping[str, Any]) -> list[Any] | None:
    if isinstance(instances := body.get("instances"), list):
        return instances
    match body.get("dataframe_split"):
        case {"columns": list(columns), "data": list(rows)}:
            return [dict(zip(columns, row, strict=False)) for row in rows]
    return None


def error_answer(status: int, message: str, headers: Mapping[str, str] | None = None) -> Answer:
    return Answer(status, orjson.dumps({"message": message}), headers=headers or {})


def echo(inputs: Inputs) -> dict[str, Any]:
    if inputs.records is None:
        return echo_record(inputs.body)
    return {"predictions": [echo_record(record) for record in inputs.records]}


def echo_record(record: Any) -> dict[str, Any]:
    """`length` is the number of characters in the record's strings."""
    given = {name: value for name, value in record.items() if name != MEMBER} if isinstance(record, dict) else record
    texts = given.values() if isinstance(given, dict) else [given]
    length = sum(len(text) for text in texts if isinstance(text, str))
    return {"echo": given, "detected_language_code": "en", "length": length}


def echo_answer(body: bytes) -> Answer:
    try:
        return Answer(200, orjson.dumps(echo(Inputs.parse(body))))
    except NoInputs as error:
        return error_answer(400, str(error))


def answer_to(inputs: Inputs, fault: Fault) -> Answer:
    """The answer to `inputs` under `fault`, before the faults of the wire."""
    headers = {"retry-after": fault.retry_after} if fault.retry_after is not None else {}
    answer = rejection(inputs, fault) or model_error(fault) or status_error(fault) or regular(inputs, fault)
    if fault.content_type is not None:
        answer = replace(answer, content_type=fault.content_type or None)
    return answer.with_headers(headers)


def rejection(inputs: Inputs, fault: Fault) -> Answer | None:
    """rejectBatch: a batch of more than n records, or one with a bad record."""
    if fault.reject_batch is None:
        return None
    records = [inputs.body] if inputs.records is None else inputs.records
    if len(records) > fault.reject_batch:
        return error_answer(400, f"{len(records)} records are more than {fault.reject_batch}")
    if any(isinstance(record, dict) and record.get("bad") is True for record in records):
        return error_answer(400, "the batch contains a bad record")
    return None


def model_error(fault: Fault) -> Answer | None:
    if fault.model_status is None and fault.model_reason is None:
        return None
    status = fault.model_status or 500
    reason = fault.model_reason or phrase(status)
    return model_failed(error_answer(status, fault.message or reason), reason)


def model_failed(answer: Answer, reason: str | None = None) -> Answer:
    """What a managed endpoint makes of a model's answer that is not 200: a 424 whose headers tell."""
    headers = {
        "ms-azureml-model-error-statuscode": str(answer.status),
        "ms-azureml-model-error-reason": reason or phrase(answer.status),
    }
    return replace(answer, status=424).with_headers(headers)


def status_error(fault: Fault) -> Answer | None:
    """A fault with an `answer` of its own keeps it: proxies do send 502 with a page."""
    if "answer" in fault.model_fields_set:
        return None
    status = fault.status or (400 if fault.message is not None else 200)
    if status < 400:
        return None
    return error_answer(status, fault.message if fault.message is not None else phrase(status))


def regular(inputs: Inputs, fault: Fault) -> Answer:
    status = fault.status or 200
    if status in (204, 304):
        return Answer(status, b"", None)
    answer = Answer(status, *content(echo(inputs), fault))
    # Somewhere real, so that following a redirect shows.
    return answer.with_headers({"location": "/score/redirected"}) if 300 <= status < 400 else answer


def content(outputs: dict[str, Any], fault: Fault) -> tuple[bytes, str]:
    """The body and its content type."""
    encoded = orjson.dumps(outputs)
    match fault.answer:
        case "invalid":
            return encoded[:-1], JSON
        case "string":
            return orjson.dumps(encoded.decode()), JSON
        case "array":
            return orjson.dumps([outputs]), JSON
        case "number":
            return b"42", JSON
        case "missing":
            return b'{"unrelated": true}', JSON
        case "html":
            return b"<!doctype html><title>Error</title><p>An error page.", "text/html; charset=utf-8"
        case "object" | "huge":
            return encoded, JSON


def phrase(status: int) -> str:
    return HTTPStatus(status).phrase if status in HTTPStatus else f"Status {status}"
