"""An entity of every type, with nulls and edges in it, and the filters' own literals among its values."""

import io
import random
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from shared.entities.keys import row_key
from shared.entities.schema import CUSTOMER_ID
from shared.entities.values import EdmType
from tests.support.filters import TYPES

CUSTOMERS = ("ab", "AB", "a", "O'Neil", "Straße", "a b", "北🙂", "%41", "a/b&c", "'", "b|", "İſ")
KEY = "key"
NAMES = (CUSTOMER_ID, "id", KEY, *(name for name in TYPES if name != "id"))
_ROWS = 180
_FILES = 3
_TEXTS = ("", "ab", "AB", "O'Neil", "Straße", "a b", " a\u00a0", "北🙂'%", "_\\.", "Σς", "İſ", "ÉéßA", "/&", "\u3000b")
_EDGES = (2**63 - 1, -(2**63), 2**53, 2**53 + 1, -(2**53) - 1, 2**62, 3037000500, 2**32)
_DOUBLES = (0.0, -0.0, 0.5, -0.5, 1.5, -1.5, 1.0, -2.0, 2.0**53, 1e300, -1e300, 5e-324)
_NOT_FINITE = (float("nan"), float("inf"), float("-inf"))
_TIMES = (
    datetime(2026, 1, 31, tzinfo=UTC),
    datetime(2026, 1, 31, 23, 59, 59, 999999, tzinfo=UTC),
    datetime(1969, 12, 31, 23, 59, 59, 999999, tzinfo=UTC),
    datetime(1601, 1, 1, tzinfo=UTC),
    datetime(9999, 12, 31, 23, 59, 59, tzinfo=UTC),
)
_ARROW = {
    EdmType.STRING: pa.string(),
    EdmType.INT32: pa.int32(),
    EdmType.INT64: pa.int64(),
    EdmType.DOUBLE: pa.float64(),
    EdmType.BOOLEAN: pa.bool_(),
    EdmType.DATE_TIME_OFFSET: pa.timestamp("us", "UTC"),
}


def sample_rows() -> list[dict[str, Any]]:
    """By key, the same each time. What is equal in an order then goes by key and by file alike."""
    dice = random.Random(4)
    rows = [_row(dice, number) for number in range(_ROWS)]
    return sorted(rows, key=lambda row: row_key(row["id"], row[KEY]))


def _row(dice: random.Random, number: int) -> dict[str, Any]:
    customer = dice.choice(CUSTOMERS)
    values = {name: _any(dice, edm_type) for name, edm_type in TYPES.items() if name != "id"}
    return {CUSTOMER_ID: customer, "id": customer, KEY: f"k{number}", **values}


def _any(dice: random.Random, edm_type: EdmType) -> Any:
    if dice.random() < 0.2:
        return None
    match edm_type:
        case EdmType.STRING:
            return dice.choice(_TEXTS)
        case EdmType.BOOLEAN:
            return dice.random() < 0.5
        case EdmType.INT32:
            return dice.choice([dice.randint(-3, 3), 2**31 - 1, -(2**31), dice.randint(-(2**31), 2**31 - 1)])
        case EdmType.INT64:
            return dice.choice([dice.randint(-3, 3), dice.choice(_EDGES), dice.randint(-(2**63), 2**63 - 1)])
        case EdmType.DOUBLE:
            return dice.choice([dice.choice(_DOUBLES), dice.choice(_NOT_FINITE), dice.gauss(0, 1e3)])
    later = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=dice.randint(-(10**16), 10**17))
    return dice.choice([dice.choice(_TIMES), later])


def parquet_files(rows: Sequence[dict[str, Any]]) -> dict[str, bytes]:
    """Several, in the order of the rows."""
    schema = pa.schema([(name, _ARROW[TYPES.get(name, EdmType.STRING)]) for name in NAMES if name != CUSTOMER_ID])
    size = -(-len(rows) // _FILES)
    files = {}
    for number in range(_FILES):
        data = io.BytesIO()
        pq.write_table(pa.Table.from_pylist(list(rows[number * size : (number + 1) * size]), schema), data)
        files[f"out/part-{number}.parquet"] = data.getvalue()
    return files
