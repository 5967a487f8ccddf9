"""The Web API custom skill envelope: what Azure AI Search posts, and what it takes back.

Source: Azure AI Search, "Custom Web API skill". Request `{"values": [{"recordId", "data"}]}`, answer the same
with `errors` and `warnings` per record, in the order of the request.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from shared.errors import InvalidEnvelope, PayloadTooLarge
from shared.wire import Json, read_json


@dataclass(frozen=True, slots=True)
class Record:
    """One item of `values`. `data` is the skill's inputs; None where it was no object."""

    record_id: str
    data: dict[str, Json] | None


@dataclass(frozen=True, slots=True)
class RecordResult:
    """One item of the answer: never both data and errors."""

    record_id: str
    data: dict[str, Json]
    errors: Sequence[str] = ()
    warnings: Sequence[str] = ()


def parse_request(body: bytes, *, most_records: int) -> list[Record]:
    """Read the envelope. Raises InvalidJson, InvalidEnvelope (with the record's place) and PayloadTooLarge."""
    envelope = read_json(body)
    values = envelope.get("values") if isinstance(envelope, dict) else None
    if not isinstance(values, list):
        raise InvalidEnvelope(
            'the body is not a custom skill request: send {"values": [{"recordId": "…", "data": {…}}]}'
        )
    if len(values) > most_records:
        raise PayloadTooLarge(
            f"{len(values)} records in one request, at most {most_records} are taken: lower the skill's batchSize "
            "(or raise the app setting MAX_RECORDS)"
        )
    records = [_parse_record(value, index) for index, value in enumerate(values)]
    _refuse_twice(records)
    return records


def _parse_record(value: Json, index: int) -> Record:
    if not isinstance(value, dict):
        raise InvalidEnvelope(f"values[{index}] is not an object with recordId and data", target=f"values[{index}]")
    record_id = value.get("recordId")
    if not isinstance(record_id, str) or not record_id:
        raise InvalidEnvelope(
            f"values[{index}].recordId is missing, empty or not a string; every record needs one of its own",
            target=f"values[{index}].recordId",
        )
    data = value.get("data")
    return Record(record_id, {} if data is None else data if isinstance(data, dict) else None)


def _refuse_twice(records: Sequence[Record]) -> None:
    seen: dict[str, int] = {}
    for index, record in enumerate(records):
        first = seen.setdefault(record.record_id, index)
        if first != index:
            raise InvalidEnvelope(
                f"values[{index}].recordId is that of values[{first}] again; a recordId stands once in a request",
                target=f"values[{index}].recordId",
            )


def render_response(results: Sequence[RecordResult]) -> dict[str, Json]:
    """The answer's body; `errors` and `warnings` are always there, also when empty."""
    return {
        "values": [
            {
                "recordId": result.record_id,
                "data": result.data,
                "errors": [{"message": message} for message in result.errors],
                "warnings": [{"message": message} for message in result.warnings],
            }
            for result in results
        ]
    }
