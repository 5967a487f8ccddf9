"""What the app really answers is what its description says, and the examples there are such answers.

`RECORD_EXAMPLES=1 make test ARGS=tests/openapi` writes the examples anew.
"""

import json
import os
from collections.abc import Iterator, Mapping
from difflib import unified_diff
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from shared.openapi.document import EXAMPLES, OPERATIONS, description
from shared.openapi.operations import Operation
from tests.openapi.conversation import Exchange, conversation
from tests.openapi.settled import Settled
from tests.support.workshop import SOON, running_workshop

pytestmark = pytest.mark.timeout(180)
WITHOUT_EXAMPLE = {"health", "home", "api_page", "api_document"}
"""Their answers tell every function, or are the page and the document themselves."""


@pytest.fixture(scope="module")
def exchanges() -> Iterator[Mapping[str, Exchange]]:
    with running_workshop(**SOON) as workshop:
        yield {exchange.operation: exchange for exchange in conversation(workshop)}


def test_every_operation_is_tried(exchanges: Mapping[str, Exchange]) -> None:
    assert {operation.id for operation in OPERATIONS} == set(exchanges)


@pytest.mark.parametrize("operation", OPERATIONS, ids=lambda operation: operation.id)
def test_an_answer_is_as_described(exchanges: Mapping[str, Exchange], operation: Operation) -> None:
    exchange = exchanges[operation.id]
    reply = exchange.reply

    assert reply.status in operation.answers, reply.body
    answer = operation.answers[reply.status]
    described = description("1")
    if answer.shape is None:
        assert reply.body == b""
        return
    assert reply.headers["Content-Type"].partition(";")[0] == answer.media
    assert {name.lower() for name in answer.headers} <= {name.lower() for name in reply.headers}
    if answer.media == "application/json":
        assert list(_faults(described, answer.shape.__name__, reply.json)) == []
    if operation.takes is not None:
        assert list(_faults(described, operation.takes.__name__, exchange.request)) == []


def test_the_examples_are_what_was_asked_and_answered(exchanges: Mapping[str, Exchange]) -> None:
    settled = Settled()
    told = {name: _example(exchange, settled) for name, exchange in exchanges.items() if name not in WITHOUT_EXAMPLE}
    if os.environ.get("RECORD_EXAMPLES"):
        EXAMPLES.write_text(json.dumps(told, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")

    kept = json.loads(EXAMPLES.read_text(encoding="utf-8"))
    assert set(kept) == set(told)
    assert [line for name in told for line in _difference(name, kept[name], told[name])] == []


def _difference(name: str, kept: Any, told: Any) -> Iterator[str]:
    before, after = (json.dumps(example, indent=1, sort_keys=True).splitlines() for example in (kept, told))
    return unified_diff(before, after, f"{name}, kept", f"{name}, told", lineterm="", n=1)


def _faults(described: Mapping[str, Any], schema: str, value: Any) -> Iterator[str]:
    whole = {"$ref": f"#/components/schemas/{schema}", "components": described["components"]}
    for fault in Draft202012Validator(whole).iter_errors(value):
        yield f"{fault.json_path}: {fault.message}"


def _example(exchange: Exchange, settled: Settled) -> dict[str, Any]:
    example: dict[str, Any] = {"status": exchange.reply.status}
    if exchange.request is not None:
        example["request"] = settled(exchange.request)
    if exchange.reply.body:
        is_json = exchange.reply.headers["Content-Type"].startswith("application/json")
        example["answer"] = settled(exchange.reply.json if is_json else exchange.reply.body.decode())
    return example
