"""An assumption about Azure, how it is looked at, and what came of it."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from enum import StrEnum


class Verdict(StrEnum):
    CONFIRMED = "confirmed"
    REFUTED = "refuted"
    """It is not as the product takes it to be."""
    OBSERVED = "observed"
    """Nothing was taken for granted; this is how it is."""
    SKIPPED = "skipped"
    FAILED = "failed"
    """It could not be looked at."""


@dataclass(frozen=True, slots=True)
class Finding:
    verdict: Verdict
    seen: str


@dataclass(frozen=True, slots=True)
class Check[T]:
    """`T` is what it is run against."""

    name: str
    assumption: str
    matters: str
    """What in the product rests on it."""
    run: Callable[[T], Finding]
    needs: tuple[str, ...] = ()
    """Options it cannot do without."""
    writes: bool = False
    """It makes something, and removes it again."""


class CheckFailed(Exception):
    """It could not be looked at; the text says why."""


def confirmed_if(holds: bool, seen: str) -> Finding:
    return Finding(Verdict.CONFIRMED if holds else Verdict.REFUTED, seen)


def observed(seen: str) -> Finding:
    return Finding(Verdict.OBSERVED, seen)


def skipped(why: str) -> Finding:
    return Finding(Verdict.SKIPPED, why)


def run_check[T](check: Check[T], target: T, *, given: Iterable[str], may_write: bool) -> Finding:
    """Whatever goes wrong is the check's own failure: the others still run."""
    lacking = [f"--{option.replace('_', '-')}" for option in check.needs if option not in set(given)]
    if lacking:
        return skipped(f"needs {' and '.join(lacking)}")
    if check.writes and not may_write:
        return skipped("writes; give --write")
    try:
        return check.run(target)
    except CheckFailed as failed:
        return Finding(Verdict.FAILED, str(failed))
    except Exception as error:  # noqa: BLE001  # one check must not end the report
        return Finding(Verdict.FAILED, f"{type(error).__name__}: {str(error)[:200]}")
