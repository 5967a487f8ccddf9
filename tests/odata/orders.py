"""An entity that clients read whole: thousands of rows with two keys, quotes, nulls, times, and numbers that a Double
cannot hold."""

import io
from datetime import UTC, datetime, timedelta
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from shared.entities.schema import CUSTOMER_ID

ENTITY = "Orders"
ROWS = 3_500
_NAMES = ("O'Neil", 'said "yes"', "a, b", "Zoë 北京 🙂", "", "two\nlines", "=1+1", None)
_FIRST = datetime(2026, 1, 31, 23, 59, 59, 123456, tzinfo=UTC)
_SCHEMA = pa.schema(
    [
        ("id", pa.string()),
        ("order", pa.string()),
        ("name", pa.string()),
        ("pieces", pa.int32()),
        ("big", pa.int64()),
        ("score", pa.float64()),
        ("paid", pa.bool_()),
        ("at", pa.timestamp("us", "UTC")),
    ]
)


def orders() -> list[dict[str, Any]]:
    """By customer, then by order."""
    return [_order(number) for number in range(ROWS)]


def _order(number: int) -> dict[str, Any]:
    return {
        "id": f"c'{number // 7:04}",
        "order": f"o/{number % 7}",
        "name": _NAMES[number % len(_NAMES)],
        "pieces": None if number % 5 == 0 else number - 1000,
        "big": None if number % 11 == 0 else 2**63 - 1 - number,
        "score": None if number % 3 == 0 else number / 8,
        "paid": (True, False, None)[number % 3],
        "at": None if number % 13 == 0 else _FIRST + timedelta(hours=number),
    }


def as_told(order: dict[str, Any]) -> dict[str, Any]:
    """As the service's JSON has it."""
    time = order["at"]
    return {CUSTOMER_ID: order["id"], **order, "at": time and time.isoformat().replace("+00:00", "Z")}


def parquet() -> bytes:
    data = io.BytesIO()
    pq.write_table(pa.Table.from_pylist(orders(), _SCHEMA), data)
    return data.getvalue()
