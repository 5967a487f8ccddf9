"""How should this call fail? One parser for what a caller asks, wherever it asks.

Given as query of the scoring URI (`?status=503&delay=0.2`), as header `x-simulate` (JSON), as member
`simulate` of the body, or of one record in a body with many. Between the first three the later wins, member
by member; a record's own stands for itself. README.md has the table of members.
"""

import difflib
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from random import Random
from typing import Annotated, Any, Literal

import orjson
from pydantic import BaseModel, ConfigDict, Field, ValidationError
from pydantic.alias_generators import to_camel

MEMBER = "simulate"
HEADER = "x-simulate"

# Both a header's value and a model's: printable, one line.
HeaderText = Annotated[str, Field(max_length=200, pattern=r"^[ -~]*$")]
Seconds = Annotated[float, Field(ge=0, le=600, allow_inf_nan=False)]
Count = Annotated[int, Field(ge=0)]
Status = Annotated[int, Field(ge=200, le=599)]


class BadFault(ValueError):
    """Not a fault; the message names the member."""


class Full(Exception):
    """More calls in flight than the capacity."""


class Fault(BaseModel):
    model_config = ConfigDict(
        extra="forbid",
        frozen=True,
        alias_generator=to_camel,
        coerce_numbers_to_str=True,
        protected_namespaces=(),
    )

    status: Status | None = None
    delay: Seconds = 0
    retry_after: HeaderText | None = None
    content_type: HeaderText | None = None
    answer: Literal["object", "invalid", "string", "array", "number", "html", "huge", "missing"] = "object"
    drop: Literal["before", "midway"] | None = None
    slow_body: Seconds = 0
    model_status: Status | None = None
    model_reason: HeaderText | None = None
    message: str | None = None
    rate: Annotated[float, Field(ge=0, le=1)] = 1
    times: Count | None = None
    key: str | None = None
    capacity: Count | None = None
    reject_batch: Count | None = None


MEMBERS = [to_camel(name) for name in Fault.model_fields]


def faults_asked(query: Mapping[str, str], header: str | None, body: object, records: object) -> list[Fault]:
    """The faults this call asks for, a record's before the call's; empty when it asks for none."""
    asked: list[Fault] = []
    if isinstance(records, Sequence):
        asked += [read(record[MEMBER]) for record in records if isinstance(record, Mapping) and MEMBER in record]
    of_call: list[object] = [dict(query)] if query else []
    if header is not None:
        of_call.append(_json(header))
    if isinstance(body, Mapping) and MEMBER in body:
        of_call.append(body[MEMBER])
    return [*asked, read(*of_call)] if of_call else asked


def read(*sources: object) -> Fault:
    """The fault that `sources` give together; the later wins, member by member."""
    members: dict[str, Any] = {}
    for source in sources:
        if not isinstance(source, Mapping):
            raise BadFault(f"{MEMBER}: a fault is a JSON object, not {source!r:.40}")
        members.update(source)
    try:
        return Fault.model_validate(members)
    except ValidationError as error:
        raise BadFault(_explain(error)) from error


def _json(header: str) -> object:
    try:
        value: object = orjson.loads(header)
    except ValueError as error:
        raise BadFault(f"{HEADER} is not JSON: {error}") from error
    return value


def _explain(error: ValidationError) -> str:
    first = error.errors(include_url=False)[0]
    member = str(first["loc"][0])
    if first["type"] != "extra_forbidden":
        return f"{MEMBER}: {member}: {first['msg']}"
    nearest = difflib.get_close_matches(member, MEMBERS, n=1)
    hint = f"; did you mean {nearest[0]}?" if nearest else f"; there are {', '.join(MEMBERS)}"
    return f"{MEMBER}: unknown member {member}{hint}"


class FaultMemory:
    """What earlier calls mean to a fault: its draws for `rate`, uses for `times`, calls in flight."""

    def __init__(self) -> None:
        self._uses: Counter[str] = Counter()
        self._draws: dict[str, Random] = {}
        self._in_flight: Counter[str] = Counter()

    def forget(self) -> None:
        self._uses.clear()
        self._draws.clear()

    def first_that_applies(self, faults: list[Fault], path: str) -> Fault | None:
        return next((fault for fault in faults if self._applies(fault, fault.key or path)), None)

    @contextmanager
    def place(self, key: str, capacity: int | None) -> Iterator[None]:
        """A place among the calls in flight of `key`, while it lasts; Full beyond `capacity`."""
        if capacity is not None and self._in_flight[key] >= capacity:
            raise Full
        self._in_flight[key] += 1
        try:
            yield
        finally:
            self._in_flight[key] -= 1

    def _applies(self, fault: Fault, key: str) -> bool:
        return self._drawn(fault, key) and self._in_time(fault, key)

    def _drawn(self, fault: Fault, key: str) -> bool:
        """The n-th call of a key always draws the same number, in every process."""
        return fault.rate == 1 or self._draws.setdefault(key, Random(key)).random() < fault.rate

    def _in_time(self, fault: Fault, key: str) -> bool:
        if fault.times is None:
            return True
        self._uses[key] += 1
        return self._uses[key] <= fault.times
