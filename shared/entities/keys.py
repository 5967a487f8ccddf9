"""Where does a row lie? Its PartitionKey and RowKey, from its customer id and its primary key.

PartitionKey is a hash bucket of the customer id: `0000` to `ffff`. RowKey is `<customer id>|<primary key>`, both
escaped, so that a customer's rows are the range from `<customer id>|` up to `<customer id>}` of one partition.
Where primary key and customer id are one column, RowKey is the escaped customer id alone.

Escaping replaces a UTF-16 unit by `~` and four hex digits: what Table storage forbids in keys (`/`, `\\`, `#`, `?`,
control characters), what breaks requests (`%`, `'`), what XML cannot hold (lone surrogates, U+FFFE, U+FFFF), and
our own `~` and `|`. Everything else stays readable.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from zlib import crc32

SEPARATOR = "|"
_AFTER_SEPARATOR = "}"
"""The character behind the separator in Table storage's order."""
_AFTER_NOTHING = " "
"""Below every character that may follow in an escaped id, as control characters are escaped."""

LONGEST_ROW_KEY = 512
"""UTF-16 units: Table storage's 1 KiB."""
MOST_BUCKETS = 0x10000
"""What four hex digits can tell apart."""

_UNSAFE = re.compile(r"[\x00-\x1f\x7f-\x9f/\\#?%'|~\ud800-\udfff\ufffe\uffff]")
_UNSAFE_ASCII = bytes(code for code in range(128) if _UNSAFE.match(chr(code)))
_ESCAPED = re.compile(r"~([0-9A-F]{4})")


@dataclass(frozen=True, slots=True)
class KeyRange:
    """The RowKeys of one customer: `low` included, `high` not."""

    low: str
    high: str


def escape(text: str) -> str:
    """Reversible, and the same for the same text."""
    return _UNSAFE.sub(lambda found: f"~{ord(found[0]):04X}", text)


def unescape(text: str) -> str:
    return _ESCAPED.sub(lambda found: chr(int(found[1], 16)), text)


def row_key(customer_id: str, primary_key: str | None) -> str:
    """`primary_key` is None where it is the same column. Raises ValueError for a key that is too long."""
    key = escape(customer_id) if primary_key is None else f"{escape(customer_id)}{SEPARATOR}{escape(primary_key)}"
    if len(key) * 2 > LONGEST_ROW_KEY and utf16_units(key) > LONGEST_ROW_KEY:
        raise ValueError(
            f"customer id and primary key are too long: with escapes more than {LONGEST_ROW_KEY} UTF-16 units"
        )
    return key


def row_keys(customer_ids: Sequence[str], primary_keys: Sequence[str] | None) -> list[str] | None:
    """As `row_key` gives each, several times as fast; None where one of them needs a closer look."""
    texts = (customer_ids,) if primary_keys is None else (customer_ids, primary_keys)
    if any(_UNSAFE.search("".join(part)) for part in texts):
        return None
    keys = list(map(SEPARATOR.join, zip(*texts, strict=True)))
    return None if 2 * max(map(len, keys), default=0) > LONGEST_ROW_KEY else keys


def needs_no_escape(texts: bytes) -> bool:
    """Of ids in UTF-8, one behind the other."""
    if len(texts.translate(None, _UNSAFE_ASCII)) < len(texts):
        return False
    return texts.isascii() or _UNSAFE.search(texts.decode()) is None


def split_row_key(key: str) -> tuple[str, str | None]:
    """Customer id and primary key; the latter None where both are one column."""
    customer_id, separator, primary_key = key.partition(SEPARATOR)
    return unescape(customer_id), unescape(primary_key) if separator else None


def customer_range(customer_id: str, *, is_one_column: bool) -> KeyRange:
    """Where a customer's rows lie in the partition of its bucket."""
    low = escape(customer_id)
    if is_one_column:
        return KeyRange(low, low + _AFTER_NOTHING)
    return KeyRange(low + SEPARATOR, low + _AFTER_SEPARATOR)


def partition_key(customer_id: str, buckets: int) -> str:
    """The bucket of `buckets` (a power of two) that a customer's rows lie in, the same in every process and release.

    The low bits of a CRC-32: where the count doubles, a bucket splits in two.
    """
    return _bucket_names(buckets)[crc32(customer_id.encode("utf-8", "surrogatepass")) & (buckets - 1)]


def partition_keys(customer_ids: Sequence[bytes], buckets: int) -> list[str]:
    """As `partition_key` gives each; the ids in UTF-8."""
    names, mask = _bucket_names(buckets), buckets - 1
    return [names[crc32(customer_id) & mask] for customer_id in customer_ids]


@lru_cache(maxsize=4)
def _bucket_names(buckets: int) -> list[str]:
    return [f"{bucket:04x}" for bucket in range(buckets)]


def check_buckets(buckets: int) -> int:
    """Raises ValueError."""
    if not 1 <= buckets <= MOST_BUCKETS or buckets & (buckets - 1):
        raise ValueError(f"a bucket count is a power of two up to {MOST_BUCKETS}, not {buckets}")
    return buckets


def utf16_units(text: str) -> int:
    """How Table storage counts a text's length."""
    return len(text) if text.isascii() else len(text.encode("utf-16-le", "surrogatepass")) // 2
