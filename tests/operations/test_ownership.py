"""Whose the data account is: claimed once, kept, taken over once, given free."""

from datetime import UTC, datetime, timedelta

import pytest

from shared.errors import AccountInUse
from shared.operations.ownership import AccountOwner, Ownership, settled
from tests.operations.fakes import MemoryOwnership

NOON = datetime(2026, 11, 21, 12, tzinfo=UTC)
LATER = NOON + timedelta(hours=1)


def owner(
    app: str, store: MemoryOwnership, *, take_over: bool = False, seconds: list[float] | None = None
) -> AccountOwner:
    clock = seconds if seconds is not None else [0.0]
    return AccountOwner(store, app, take_over=take_over, now=lambda: LATER, clock=lambda: clock[0])


@pytest.mark.parametrize(
    ("found", "take_over", "is_owner", "former", "took"),
    [
        (None, False, "b", None, ()),
        (None, True, "b", None, ("b",)),
        (Ownership("b", NOON), False, "b", None, ()),
        (Ownership("b", NOON), True, "b", None, ()),
        (Ownership("a", NOON), False, "a", None, ()),
        (Ownership("a", NOON), True, "b", "a", ("b",)),
        # The setting was left: it has been used.
        (Ownership("a", NOON, former="b", took=("b", "a")), True, "a", "b", ("b", "a")),
        # It was removed: it may be used again.
        (Ownership("a", NOON, former="b", took=("b", "a")), False, "a", "b", ("a",)),
        (Ownership("b", NOON, former="a", took=("b",)), False, "b", "a", ()),
    ],
)
def test_what_becomes_of_the_account_when_app_b_asks_for_it(
    found: Ownership | None, take_over: bool, is_owner: str, former: str | None, took: tuple[str, ...]
) -> None:
    ownership = settled(found, "b", LATER, take_over=take_over)

    assert (ownership.owner, ownership.former, ownership.took) == (is_owner, former, took)
    is_new = found is None or found.owner != ownership.owner
    assert ownership.since == (LATER if is_new else NOON)


async def test_the_first_to_ask_owns_it_and_asks_storage_no_more() -> None:
    store = MemoryOwnership()
    first = owner("a", store)

    for _ in range(3):
        await first.check()

    assert (store.reads, store.writes) == (1, 1)


async def test_all_processes_of_an_app_share_it() -> None:
    store = MemoryOwnership()

    await owner("a", store).check()
    await owner("a", store).check()

    assert store.writes == 1


async def test_another_app_is_refused_with_the_owner_and_the_cure_and_looks_again_each_minute() -> None:
    store, seconds = MemoryOwnership(Ownership("a", NOON, version="1")), [0.0]
    second = owner("b", store, seconds=seconds)

    for now in (0, 30, 59.9):
        seconds[0] = now
        with pytest.raises(
            AccountInUse, match=r"'a' since 2026-11-21T12:00:00Z, and this is 'b'.*BRIDGE_TAKE_OVER=true"
        ):
            await second.check()
    assert store.reads == 1

    store.found, seconds[0] = None, 60.0
    await second.check()

    now_found = await store.get()
    assert now_found is not None
    assert now_found.owner == "b"


async def test_taking_over_is_recorded_and_a_setting_that_was_left_does_not_take_it_back() -> None:
    store = MemoryOwnership(Ownership("x", NOON, version="1"))

    await owner("a", store, take_over=True).check()
    await owner("b", store, take_over=True).check()

    with pytest.raises(AccountInUse, match="it has been used"):
        await owner("a", store, take_over=True).check()
    assert store.found is not None
    assert (store.found.owner, store.found.former, store.found.since) == ("b", "a", LATER)


async def test_of_two_that_ask_at_once_one_gets_it() -> None:
    class Raced(MemoryOwnership):
        async def save(self, ownership: Ownership) -> bool:
            if self.found is None:
                await super().save(Ownership("a", NOON))
            return await super().save(ownership)

    with pytest.raises(AccountInUse, match="'a'"):
        await owner("b", Raced()).check()
