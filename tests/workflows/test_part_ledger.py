"""Who may have a part, and which parts are sent again."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from shared.workflows.part_ledger import LEASE, PartEntry, PartState, given_up, renewed, take, to_send_again
from tests.workflows.run_fakes import MemoryParts

NOON = datetime(2026, 11, 21, 12, tzinfo=UTC)
SECOND = timedelta(seconds=1)


async def test_a_part_that_nobody_has_begun_is_leased_for_a_minute() -> None:
    entry = await take(MemoryParts(), "run", 3, "p1", NOON)

    assert entry is not None
    assert (entry.number, entry.state, entry.by, entry.attempts) == (3, PartState.WORKING, "p1", 1)
    assert (entry.leased_until, LEASE) == (NOON + LEASE, timedelta(seconds=60))


async def test_a_leased_part_is_nobody_elses_until_its_lease_runs_out() -> None:
    parts = MemoryParts()
    first = await take(parts, "run", 0, "p1", NOON)
    assert first is not None

    assert await take(parts, "run", 0, "p2", NOON + LEASE - SECOND) is None
    assert await take(parts, "run", 0, "p1", NOON) is None
    second = await take(parts, "run", 0, "p2", NOON + LEASE)

    assert second is not None
    assert (second.by, second.attempts, second.leased_until) == ("p2", 2, NOON + 2 * LEASE)
    assert await parts.save("run", renewed(first, NOON + LEASE)) is None


async def test_a_renewed_lease_holds_from_then_on() -> None:
    parts = MemoryParts()
    first = await take(parts, "run", 0, "p1", NOON)
    assert first is not None
    await parts.save("run", renewed(first, NOON + 50 * SECOND))

    assert await take(parts, "run", 0, "p2", NOON + LEASE + 49 * SECOND) is None
    assert await take(parts, "run", 0, "p2", NOON + LEASE + 50 * SECOND) is not None


async def test_a_part_given_up_is_anybodys_from_the_moment_on_that_was_said() -> None:
    parts = MemoryParts()
    first = await take(parts, "run", 0, "p1", NOON)
    assert first is not None
    await parts.save("run", given_up(first, NOON + 5 * SECOND))

    assert await take(parts, "run", 0, "p2", NOON + 4 * SECOND) is None
    assert await take(parts, "run", 0, "p2", NOON + 5 * SECOND) is not None


@pytest.mark.parametrize("state", [PartState.DONE, PartState.FAILED])
async def test_a_part_that_is_over_is_taken_no_more(state: PartState) -> None:
    parts = MemoryParts()
    await parts.save("run", PartEntry(0, state, "p1", NOON))

    assert await take(parts, "run", 0, "p2", NOON + 100 * LEASE) is None


HELD = PartEntry(0, PartState.WORKING, "p1", NOON + SECOND)
LAPSED = PartEntry(1, PartState.WORKING, "p1", NOON - SECOND)
DONE = PartEntry(2, PartState.DONE, "p1", NOON - LEASE)
SENT_LONG_AGO = NOON - 10 * LEASE
SENT_AGAIN = NOON - SECOND / 2
AGAIN = {
    "nobody has begun, and it was just sent": ([], NOON - LEASE + SECOND, []),
    "nobody has begun, and a minute has passed": ([], NOON - LEASE, [0, 1, 2, 3]),
    "others are still worked at": ([HELD], SENT_LONG_AGO, []),
    "a lease ran out": ([HELD, LAPSED, DONE], SENT_LONG_AGO, [1]),
    "a lease ran out, and it was sent again since": ([HELD, LAPSED], SENT_AGAIN, []),
    "sent again a minute ago, and still nobody came": ([LAPSED, DONE], NOON - LEASE, [0, 1, 3]),
    "nobody is at any, and some were never begun": ([DONE], SENT_LONG_AGO, [0, 1, 3]),
    "all are over": ([replace(DONE, number=number) for number in range(4)], SENT_LONG_AGO, []),
    "one has failed": ([replace(DONE, number=0, state=PartState.FAILED), HELD], SENT_LONG_AGO, []),
}


@pytest.mark.parametrize("case", AGAIN)
def test_which_parts_are_sent_again(case: str) -> None:
    entries, sent_at, expected = AGAIN[case]

    assert to_send_again(entries, 4, sent_at, NOON) == expected
