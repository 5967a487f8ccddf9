"""Results remembered for a while."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.skills.results import LIFETIME, MOST_BYTES, ResultCache, result_key


class Clock:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


def key(number: int) -> bytes:
    return result_key({"text": number}, "v")


@pytest.mark.parametrize("outputs", [{"a": None}, {"a": 2**70, "b": ["é", "\ud800"]}, {}])
def test_what_is_put_comes_back_equal_and_apart(outputs: dict[str, Any]) -> None:
    cache = ResultCache(Clock())
    cache.put(key(1), outputs)

    first = cache.get(key(1))

    assert first == outputs
    assert first is not cache.get(key(1))


def test_what_was_not_put_is_not_there() -> None:
    assert ResultCache(Clock()).get(key(1)) is None


def test_a_result_expires_after_ten_minutes() -> None:
    clock = Clock()
    cache = ResultCache(clock)
    cache.put(key(1), {"a": 1})

    clock.now = LIFETIME
    assert cache.get(key(1)) == {"a": 1}
    clock.now = LIFETIME + 1
    assert cache.get(key(1)) is None
    assert len(cache) == 0


def test_the_default_is_ten_minutes_and_64_megabytes() -> None:
    assert (LIFETIME, MOST_BYTES) == (600, 64 * 1024 * 1024)


def test_the_least_recently_used_goes_first() -> None:
    cache = ResultCache(Clock(), most_bytes=700)
    for number in (1, 2, 3):
        cache.put(key(number), {"a": number})
    cache.get(key(1))

    cache.put(key(4), {"a": 4})

    assert [cache.get(key(number)) is not None for number in (1, 2, 3, 4)] == [True, False, True, True]


def test_a_result_larger_than_the_cache_is_not_kept_and_pushes_nothing_out() -> None:
    cache = ResultCache(Clock(), most_bytes=700)
    cache.put(key(1), {"a": 1})

    cache.put(key(2), {"a": "x" * 1000})

    assert cache.get(key(1)) is not None
    assert cache.get(key(2)) is None


@given(st.lists(st.tuples(st.integers(0, 20), st.integers(0, 400)), max_size=60))
def test_the_cache_stays_within_its_bytes(puts: list[tuple[int, int]]) -> None:
    cache = ResultCache(Clock(), most_bytes=2000)
    for number, size in puts:
        cache.put(key(number), {"a": "x" * size})

    kept = [outputs for number in range(21) if (outputs := cache.get(key(number))) is not None]

    assert len(kept) == len(cache)
    assert sum(len(str(outputs["a"])) + 200 for outputs in kept) <= 2000


def test_a_result_put_again_counts_once() -> None:
    cache = ResultCache(Clock(), most_bytes=500)
    for value in range(100):
        cache.put(key(1), {"a": value})
    cache.put(key(2), {"a": 1})

    assert cache.get(key(1)) == {"a": 99}


@pytest.mark.parametrize(
    ("one", "other", "is_same"),
    [
        (({"a": 1}, "v"), ({"a": 1}, "v"), True),
        (({"a": 1}, "v"), ({"a": 2}, "v"), False),
        (({"a": 1}, "v"), ({"b": 1}, "v"), False),
        (({"a": 1}, "v"), ({"a": "1"}, "v"), False),
        (({"a": 1}, "v"), ({"a": 1}, "w"), False),
        (({"a": 2**70}, "v"), ({"a": 2**70 + 1}, "v"), False),
        (({}, "v"), ({"a": None}, "v"), False),
    ],
)
def test_a_key_is_the_payload_under_a_version(one: Any, other: Any, is_same: bool) -> None:
    assert (result_key(*one) == result_key(*other)) is is_same
