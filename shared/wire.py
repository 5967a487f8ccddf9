"""JSON as it crosses the wire: read strictly and without loss, written fast.

`json.loads` reads, because orjson turns integers beyond 64 bits into floats; `orjson` writes, because it
is eight times faster, and `json` takes over for the rare values that orjson refuses.
"""

import json
import re
from math import isfinite
from typing import Any, NoReturn

import orjson

from shared.errors import InvalidJson

_SURROGATE = re.compile("[\ud800-\udfff]")
DEEPEST = 100
"""Levels of arrays and objects; most readers of JSON take 64, and nobody needs more."""

type Json = dict[str, Any] | list[Any] | str | int | float | bool | None


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is no JSON value")


def _read_float(text: str) -> float:
    """`1e999` is JSON, but would become infinite, and null when it is written again."""
    number = float(text)
    if not isfinite(number):
        raise ValueError(f"the number {text[:30]} is too large")
    return number


# One for all calls: `json.loads` would build it anew for each, which takes longer than reading a small answer.
_DECODER = json.JSONDecoder(parse_constant=_refuse_constant, parse_float=_read_float)


def parse_json(body: bytes | str) -> Json:
    """Read one JSON text (UTF-8). Raises ValueError for anything else, NaN and Infinity included."""
    try:
        text = body if isinstance(body, str) else body.decode("utf-8")
    except UnicodeDecodeError as error:
        raise ValueError(f"byte {error.start} is not UTF-8") from error
    try:
        parsed: Json = _DECODER.decode(text)
    except json.JSONDecodeError as error:
        raise ValueError(f"{error.msg} at line {error.lineno}, column {error.colno}") from error
    except RecursionError as error:
        raise ValueError("nested too deeply") from error
    except ValueError as error:
        # Of a whole number with more than 4,300 digits; the rest of that text is for programmers.
        raise ValueError(str(error).partition(";")[0]) from error
    if text.count("[") + text.count("{") > DEEPEST and not _is_shallow(parsed, DEEPEST):
        raise ValueError(f"nested more than {DEEPEST} levels deep")
    return parsed


def _is_shallow(value: Json, levels: int) -> bool:
    if isinstance(value, dict):
        return levels > 0 and all(_is_shallow(item, levels - 1) for item in value.values())
    if isinstance(value, list):
        return levels > 0 and all(_is_shallow(item, levels - 1) for item in value)
    return True


def read_json(body: bytes | str) -> Json:
    """Read a request's body. Raises InvalidJson, which names the place."""
    if not body:
        raise InvalidJson("the body is empty; send a JSON object with Content-Type: application/json")
    try:
        return parse_json(body)
    except ValueError as error:
        raise InvalidJson(f"the body is not JSON: {error}") from error


def json_bytes(value: object) -> bytes:
    """Write `value` as UTF-8 JSON; integers of any size and lone surrogates survive."""
    try:
        return orjson.dumps(value)
    except TypeError:
        return json.dumps(value, separators=(",", ":")).encode()


def readable_bytes(value: object) -> bytes:
    """`value` as JSON for people and version control: indented, a line each, and as exact as `json_bytes`."""
    try:
        return orjson.dumps(value, option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE)
    except TypeError:
        return f"{json.dumps(value, indent=2)}\n".encode()


def answer_bytes(value: object) -> bytes:
    """Write an answer that any reader takes: a lone surrogate, which is no character, becomes U+FFFD."""
    try:
        return orjson.dumps(value)
    except TypeError:
        text = json.dumps(value, separators=(",", ":"), ensure_ascii=False)
        return _SURROGATE.sub("\ufffd", text).encode()
