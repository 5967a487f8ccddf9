"""Which key opens which function."""

import pytest

from devhost.functions import AuthLevel
from devhost.keys import Keys, key_of

KEYS = Keys(
    "the-master", {"default": "the-host"}, {"Skill": {"default": "own", "caller": "own2"}, "other": {"default": "else"}}
)


@pytest.mark.parametrize(
    ("given", "function", "level"),
    [
        ("the-master", "skill", AuthLevel.ADMIN),
        ("the-master", None, AuthLevel.ADMIN),
        ("the-host", "skill", AuthLevel.FUNCTION),
        ("own", "skill", AuthLevel.FUNCTION),
        ("own2", "SKILL", AuthLevel.FUNCTION),
        ("else", "skill", AuthLevel.ANONYMOUS),
        ("own", None, AuthLevel.ANONYMOUS),
        ("wrong", "skill", AuthLevel.ANONYMOUS),
        ("", "skill", AuthLevel.ANONYMOUS),
        (None, "skill", AuthLevel.ANONYMOUS),
        ("schlüssel", "skill", AuthLevel.ANONYMOUS),
    ],
)
def test_a_key_is_worth_its_level_and_only_at_its_own_function(
    given: str | None, function: str | None, level: AuthLevel
) -> None:
    assert KEYS.level(given, function) is level


def test_an_empty_key_opens_nothing() -> None:
    assert Keys("", {"default": ""}).level("", "skill") is AuthLevel.ANONYMOUS


def test_the_header_wins_over_the_query() -> None:
    assert key_of({"x-functions-key": "a"}, {"code": "b"}) == "a"
    assert key_of({}, {"Code": "b"}) == "b"
    assert key_of({}, {}) is None
