"""The CSV file that all variants read: 12 columns, the same for the same number of rows, ids with zeros in front."""

import csv
from collections.abc import AsyncIterator, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from random import Random

from shared.entities.keys import partition_key, row_key
from shared.entities.outputs import Listed
from shared.entities.schema import Wanted

HEADER = (
    *("order_id", "customer_id", "segment", "score", "revenue", "orders", "visits"),
    *("is_active", "first_seen", "last_seen", "city", "remark"),
)
WANTED = Wanted("order_id", "customer_id", {})
ROWS_OF_A_CUSTOMER = 5
BUCKETS = 64
_CHUNK = 1024 * 1024
_SEGMENTS = ("new", "loyal", "at risk", "lost")
_CITIES = ("Berlin", "Hamburg", "Köln", "München", "Dresden", "Bremen")


def customer_of(row: int) -> str:
    return f"{row // ROWS_OF_A_CUSTOMER:08d}"


def write_csv(path: Path, rows: int) -> Path:
    """Made once, and found again."""
    if not path.exists():
        unfinished = path.with_suffix(".part")
        with unfinished.open("w", newline="", encoding="utf-8") as file:
            writer = csv.writer(file)
            writer.writerow(HEADER)
            writer.writerows(_rows(rows))
        unfinished.rename(path)
    return path


def _rows(count: int) -> Iterator[tuple[object, ...]]:
    random = Random(count)
    for row in range(count):
        number, day = random.getrandbits(32), 1 + random.getrandbits(32) % 28
        yield (
            f"{row:010d}",
            customer_of(row),
            _SEGMENTS[number % 4],
            f"{(number % 10_000) / 10_000:.4f}",
            f"{number % 100_000}.{number % 100:02d}",
            number % 500,
            number,
            number % 3 == 0,
            f"2024-{1 + number % 12:02d}-{day:02d}",
            f"2026-{1 + number % 12:02d}-{day:02d}T{number % 24:02d}:{number % 60:02d}:00Z",
            _CITIES[number % 6],
            f"remark {number:x} of a length that people write",
        )


def entity(record: Mapping[str, str]) -> dict[str, object]:
    """A record as the peers write it, typed as a person would and under the same keys as ours."""
    return {
        **record,
        "PartitionKey": partition_key(record["customer_id"], BUCKETS),
        "RowKey": row_key(record["customer_id"], record["order_id"]),
        "score": float(record["score"]),
        "revenue": float(record["revenue"]),
        "orders": int(record["orders"]),
        "visits": str(record["visits"]),
        "is_active": record["is_active"] == "True",
    }


@dataclass(frozen=True)
class LocalOutput:
    """The file as the datastore that a run wrote to."""

    path: Path

    async def list(self, path: str) -> AsyncIterator[Listed]:
        yield Listed(self.path.name, self.path.stat().st_size, "1")

    async def read(self, file: Listed, start: int = 0, end: int | None = None) -> AsyncIterator[bytes]:
        with self.path.open("rb") as opened:
            opened.seek(start)
            left = (file.size if end is None else end) - start
            while left > 0 and (chunk := opened.read(min(_CHUNK, left))):
                left -= len(chunk)
                yield chunk
