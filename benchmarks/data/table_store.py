"""What the Table service of the benches remembers: rows counted by partition, kept if wanted, and how many it may take.

Far from all that Table storage does: enough that our app and azure-data-tables cannot tell the difference in what the
benches do.
"""

import re
from bisect import bisect_left, insort
from collections.abc import Sequence
from dataclasses import dataclass, field

ACCOUNT_RATE = 20_000
PARTITION_RATE = 2_000
"""Rows a second. Source: "Scalability and performance targets for Table storage"."""
BURST_SECONDS = 0.1
"""What a limit that was not used lately gives at once; at least a transaction."""
_LARGEST_TRANSACTION = 100
_ETAG = re.compile(rb'^\{"odata.etag":"((?:[^"\\]|\\.)*)",')
_ANNOTATIONS = re.compile(rb'"odata.etag":"(?:[^"\\]|\\.)*",|,\s*"[^"]*@odata\.type":\s*"[^"]*"')


class TokenBucket:
    """Admits `rate` rows a second, and what was not used for a moment at once."""

    def __init__(self, rate: float, now: float) -> None:
        self._rate = rate
        self._most = max(rate * BURST_SECONDS, _LARGEST_TRANSACTION)
        self._tokens = self._most
        self._seen = now

    def has(self, rows: int, now: float) -> bool:
        self._tokens = min(self._most, self._tokens + (now - self._seen) * self._rate)
        self._seen = now
        return self._tokens >= rows

    def take(self, rows: int) -> None:
        self._tokens -= rows


class Limits:
    """Those of an account and its partitions; what is refused costs nothing."""

    def __init__(self, account: float = ACCOUNT_RATE, partition: float = PARTITION_RATE) -> None:
        self._account_rate, self._partition_rate = account, partition
        self._account: TokenBucket | None = None
        self._partitions: dict[tuple[str, str], TokenBucket] = {}
        self.refused = {"account": 0, "partition": 0}
        """Transactions, by the limit that they met."""

    def admit(self, table: str, partition: str, rows: int, now: float) -> bool:
        if self._account is None:
            self._account = TokenBucket(self._account_rate, now)
        bucket = self._partitions.get((table, partition))
        if bucket is None:
            bucket = self._partitions[(table, partition)] = TokenBucket(self._partition_rate, now)
        limit = (not self._account.has(rows, now) and "account") or (not bucket.has(rows, now) and "partition")
        if limit:
            self.refused[limit] += 1
            return False
        self._account.take(rows)
        bucket.take(rows)
        return True


@dataclass(slots=True)
class Partition:
    """Rows by RowKey, each as its JSON with its ETag in front."""

    count: int = 0
    rows: dict[str, bytes] = field(default_factory=dict)
    _keys: list[str] | None = None

    def put(self, key: str, entity: bytes, etag: bytes) -> None:
        if key not in self.rows and self._keys is not None:
            insort(self._keys, key)
        self.rows[key] = b'{"odata.etag":"%b",%b' % (etag, entity.lstrip()[1:])

    def remove(self, key: str) -> None:
        del self.rows[key]
        self._keys = None

    def keys(self, low: str) -> tuple[list[str], int]:
        """All keys in order, and where those from `low` on begin."""
        if self._keys is None:
            self._keys = sorted(self.rows)
        return self._keys, bisect_left(self._keys, low)


@dataclass(frozen=True, slots=True)
class Condition:
    """Of a query: one partition or all, RowKeys from `low` and below `high`."""

    partition: str | None = None
    low: str = ""
    high: str | None = None


type Table = dict[str, Partition]


def etag_of(entity: bytes) -> str:
    found = _ETAG.match(entity)
    assert found
    return found[1].decode().replace('\\"', '"')


def bare(entity: bytes) -> bytes:
    """Without annotations: `odata=nometadata`."""
    return _ANNOTATIONS.sub(b"", entity)


def select(
    table: Table, condition: Condition, top: int, start: tuple[str, str] | None
) -> tuple[Sequence[bytes], tuple[str, str] | None]:
    """A page of entities in the order of their keys, and where the next one starts."""
    found: list[bytes] = []
    names = sorted(table) if condition.partition is None else [condition.partition] * (condition.partition in table)
    for name in names:
        if start is not None and name < start[0]:
            continue
        low = start[1] if start is not None and name == start[0] else ""
        keys, index = table[name].keys(max(low, condition.low))
        for key in keys[index : index + top + 1 - len(found)]:
            if condition.high is not None and key >= condition.high:
                break
            if len(found) == top:
                return found, (name, key)
            found.append(table[name].rows[key])
    return found, None
