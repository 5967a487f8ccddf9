"""The custom skill envelope."""

import json
from typing import Any

import pytest

from shared.errors import BridgeError, InvalidEnvelope, InvalidJson, PayloadTooLarge
from shared.skills.contract import Record, RecordResult, parse_request, render_response


def body(*values: Any) -> bytes:
    return json.dumps({"values": list(values)}).encode()


def test_records_come_in_their_order() -> None:
    records = parse_request(
        body({"recordId": "b", "data": {"text": "x"}}, {"recordId": "a", "data": {}}), most_records=10
    )

    assert records == [Record("b", {"text": "x"}), Record("a", {})]


def test_an_empty_batch_is_a_batch() -> None:
    assert parse_request(b'{"values": []}', most_records=10) == []
    assert render_response([]) == {"values": []}


@pytest.mark.parametrize(
    ("data", "read"), [({"data": None}, {}), ({}, {}), ({"data": []}, None), ({"data": "x"}, None), ({"data": 0}, None)]
)
def test_data_that_is_no_object_is_that_records_own_trouble(data: dict[str, Any], read: Any) -> None:
    assert parse_request(body({"recordId": "1", **data}), most_records=10) == [Record("1", read)]


def test_members_that_nobody_asked_for_are_ignored() -> None:
    records = parse_request(b'{"values": [{"recordId": "1", "data": {}, "errors": null}], "more": 1}', most_records=1)

    assert records == [Record("1", {})]


@pytest.mark.parametrize(
    ("request_body", "error", "target", "says"),
    [
        (b"", InvalidJson, None, "the body is empty"),
        (b"{", InvalidJson, None, "the body is not JSON"),
        (b"[]", InvalidEnvelope, None, 'send {"values":'),
        (b"{}", InvalidEnvelope, None, 'send {"values":'),
        (b'{"Values": []}', InvalidEnvelope, None, 'send {"values":'),
        (b'{"values": {}}', InvalidEnvelope, None, 'send {"values":'),
        (b'{"values": null}', InvalidEnvelope, None, 'send {"values":'),
        (b'"values"', InvalidEnvelope, None, 'send {"values":'),
        (body("x"), InvalidEnvelope, "values[0]", "not an object with recordId and data"),
        (body({"recordId": "1"}, None), InvalidEnvelope, "values[1]", "not an object with recordId and data"),
        (body({"data": {}}), InvalidEnvelope, "values[0].recordId", "missing, empty or not a string"),
        (body({"recordId": ""}), InvalidEnvelope, "values[0].recordId", "missing, empty or not a string"),
        (body({"recordId": 1}), InvalidEnvelope, "values[0].recordId", "missing, empty or not a string"),
        (body({"recordId": None}), InvalidEnvelope, "values[0].recordId", "missing, empty or not a string"),
        (body({"recordid": "1"}), InvalidEnvelope, "values[0].recordId", "missing, empty or not a string"),
        (
            body({"recordId": "1"}, {"recordId": "2"}, {"recordId": "1"}),
            InvalidEnvelope,
            "values[2].recordId",
            "that of values[0] again",
        ),
    ],
)
def test_what_is_no_envelope_is_refused_with_the_place(
    request_body: bytes, error: type[BridgeError], target: str | None, says: str
) -> None:
    with pytest.raises(error) as refused:
        parse_request(request_body, most_records=10)

    assert (refused.value.status, refused.value.target) == (400, target)
    assert says in refused.value.message


def test_a_thousand_records_are_taken_and_one_more_is_not() -> None:
    values = [{"recordId": str(number), "data": {}} for number in range(1001)]

    assert len(parse_request(body(*values[:1000]), most_records=1000)) == 1000
    with pytest.raises(PayloadTooLarge, match="1001 records in one request, at most 1000") as refused:
        parse_request(body(*values), most_records=1000)
    assert refused.value.status == 413
    assert "batchSize" in refused.value.message


def test_every_record_has_all_four_members() -> None:
    rendered = render_response(
        [RecordResult("1", {"label": None}), RecordResult("2", {}, errors=["bad"], warnings=["hm", "so"])]
    )

    assert rendered == {
        "values": [
            {"recordId": "1", "data": {"label": None}, "errors": [], "warnings": []},
            {
                "recordId": "2",
                "data": {},
                "errors": [{"message": "bad"}],
                "warnings": [{"message": "hm"}, {"message": "so"}],
            },
        ]
    }
