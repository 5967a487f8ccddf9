"""Erasure: from every snapshot that is kept, however often it is repeated, beside imports and after them."""

import asyncio

import pytest

from shared.entities.catalog import read_rejects
from shared.entities.erasure import ErasedRows, erase_again, erase_customer
from shared.entities.quality import Quality, reasons_to_hold
from shared.entities.snapshots import Snapshot, roll_back_entity
from shared.entities.tombstones import Erased
from shared.errors import StorageUnavailable
from tests.entities.kept import NOW, Gate, Kept

LONG = "x" * 40_000
ODD = ("O'Neil", "a/b\\c", "100%", "a|b", "a}", "Zoë 北京 🙂", "~", "a%2Fb", " ")


async def erase(kept: Kept, customer: str) -> list[ErasedRows]:
    """As the app does, where everybody has learned of the tombstone."""
    await kept.tombstones.set(customer, NOW)
    kept.later()
    return list(await erase_customer(customer, kept.stores, []))


async def test_every_snapshot_loses_the_rows_and_large_values_published_held_or_on_its_way() -> None:
    kept = Kept()
    text = f"id,k,t\na,1,{LONG}\na,2,y\nb,1,{LONG}\n"
    await kept.publish(text, "Former", "k")
    await kept.publish(text, "Current", "k")
    await (await (await kept.begin(text, "Held", "k")).all()).judge()
    await (await kept.begin(text, "Coming", "k")).all()

    found = await erase(kept, "a")

    assert sorted(found, key=lambda gone: gone.snapshot) == [
        ErasedRows("Value", table, rows=2, values=1) for table in ("Coming", "Current", "Former", "Held")
    ]
    assert [kept.stored(table) for table in ("Former", "Current", "Held", "Coming")] == [["b"]] * 4
    assert len(kept.large_values()) == 4
    assert await erase(kept, "a") == []


async def test_counts_are_right_after_an_erasure_and_its_repetition() -> None:
    kept = Kept()
    await kept.publish("id,k\na,1\na,2\nb,3\nb,3\n,4\n", primary="k")
    assert await kept.get("Value/$count") == 3

    for _ in range(2):
        await erase(kept, "a")

        assert await kept.get("Value/$count") == 1
        [snapshot] = await kept.entities.list_snapshots("Value")
        assert (snapshot.rows, snapshot.rejected, snapshot.erased) == (1, 2, 2)
        assert snapshot.published_at == NOW


async def test_an_erasure_that_died_is_finished_by_the_next() -> None:
    kept = Kept()
    await kept.publish("id,k\n" + "".join(f"a,{number}\n" for number in range(350)) + "b,1\n", primary="k")
    kept.rows.dies_after_deletes = 2
    with pytest.raises(SystemError):
        await erase(kept, "a")
    assert await kept.ids() == ["b"]
    kept.rows.dies_after_deletes = None

    [gone] = await erase(kept, "a")

    assert (gone.rows, kept.stored(), await kept.get("Value/$count")) == (150, ["b"], 1)


async def test_two_erasures_at_once_remove_every_row() -> None:
    kept = Kept()
    await kept.publish("id,k\n" + "".join(f"a,{number}\n" for number in range(250)), primary="k")
    await kept.tombstones.set("a", NOW)

    await asyncio.gather(*(erase_customer("a", kept.stores, []) for _ in range(3)))

    assert (kept.stored(), await kept.get("Value/$count")) == ([], 0)


@pytest.mark.parametrize("primary", ["id", "k"])
async def test_any_id_is_erased_and_no_other(primary: str) -> None:
    kept = Kept()
    lines = "".join(f'"{customer}",{number}\n' for number, customer in enumerate(ODD))
    await kept.publish(f"id,k\n{lines}", primary=primary)
    left = sorted(ODD)

    for customer in ODD:
        await erase(kept, customer)
        left.remove(customer)
        assert kept.stored() == left


async def test_an_erased_customer_is_not_imported_and_is_no_reject() -> None:
    kept = Kept()
    await erase(kept, "a")

    snapshot = await kept.publish(f"id,t\na,{LONG}\nb,2\n")

    assert (kept.stored(), kept.in_parquet(), kept.large_values()) == (["b"], ["b"], [])
    assert (snapshot.rows, snapshot.rejected, snapshot.erased) == (1, 0, 1)
    quality = Quality.model_validate({"maxRejectedRatio": 0})
    assert reasons_to_hold(quality, snapshot.contents, None, is_pinned=False) == []
    assert (await read_rejects("Value", kept.stores)).rejects == []


async def test_an_erasure_in_the_middle_of_an_import_holds_for_both_halves() -> None:
    kept = Kept()
    wide = "w" * 1000
    text = "id,k,w\n" + "".join(f"a,{number},{wide}\nb,{number},{wide}\n" for number in range(150))
    coming = await kept.begin(text, primary="k", records=50)
    half = len(coming.plan.parts) // 2
    for part in coming.plan.parts[:half]:
        await coming.part(part)
    assert "a" in kept.stored()

    await erase(kept, "a")
    for part in coming.plan.parts:  # some of them come twice
        await coming.part(part)

    snapshot = await coming.publish()
    assert set(kept.stored()) == {"b"}
    assert (snapshot.rows, snapshot.rejected, snapshot.erased) == (150, 0, 150)


async def test_a_part_that_began_before_and_ends_after_an_erasure_leaves_the_customer_out() -> None:
    kept = Kept()
    coming = await kept.begin("id,t\na,1\nb,2\n")
    gate = coming.output.gate = Gate()
    part = asyncio.create_task(coming.part(coming.plan.parts[0]))
    await gate.reached.wait()

    await erase(kept, "a")
    gate.open()
    await part

    snapshot = await coming.publish()
    assert (kept.stored(), snapshot.rows, snapshot.erased) == (["b"], 1, 1)


async def test_what_a_zombie_part_writes_after_an_erasure_is_seen_by_nobody_and_goes_with_the_next_sweep() -> None:
    kept = Kept()
    coming = await kept.begin(f"id,t\na,{LONG}\nb,2\n")
    gate = kept.rows.gate = Gate()
    zombie = asyncio.create_task(coming.part(coming.plan.parts[0]))
    await gate.reached.wait()
    await erase(kept, "a")
    gate.open()
    await zombie
    snapshot = await coming.publish()
    assert kept.stored() == ["a", "b"]

    assert await kept.ids() == ["b"]
    assert (await kept.get("Value", "$filter=CustomerId eq 'a'"))["value"] == []
    assert await erase_again("Value", snapshot, await kept.tombstones.erased(), kept.stores, []) == 1

    assert (kept.stored(), kept.large_values(), await kept.get("Value/$count")) == (["b"], [], 1)
    assert await erase_again("Value", snapshot, await kept.tombstones.erased(), kept.stores, []) == 0


async def test_a_rollback_does_not_bring_the_customer_back() -> None:
    kept = Kept()
    await kept.publish("id,n\na,1\nb,1\n", "Former")
    await kept.publish("id,n\na,2\nb,2\n", "Current")
    await erase(kept, "a")

    await roll_back_entity(kept.entities, "Value", NOW)

    assert (await kept.ids(), await kept.get("Value/$count")) == (["b"], 1)


async def test_after_its_tombstone_is_lifted_a_customer_comes_with_the_next_import() -> None:
    kept = Kept()
    await kept.publish("id,n\na,1\nb,1\n", "T1")
    await erase(kept, "a")

    await kept.tombstones.lift("a")

    assert await kept.ids() == ["b"]
    await kept.publish("id,n\na,2\nb,2\n", "T2")
    assert sorted(await kept.ids()) == ["a", "b"]


async def test_a_snapshot_whose_table_is_not_made_yet_or_gone_is_no_obstacle() -> None:
    kept = Kept()
    snapshot = await kept.publish("id,n\na,1\n")
    await kept.rows.drop("T1")

    assert await erase(kept, "a") == []
    assert await erase_again("Value", snapshot, await kept.tombstones.erased(), kept.stores, []) == 0


async def test_copies_beside_the_table_are_erased_in_every_snapshot_each_time() -> None:
    asked: list[tuple[str, str]] = []

    class Copies:
        async def erase(self, entity: str, snapshot: Snapshot, customer_id: str) -> int:
            asked.append((snapshot.table, customer_id))
            return 3 if snapshot.table == "T2" else 0

        async def erase_again(self, entity: str, snapshot: Snapshot, erased: Erased) -> int:
            raise NotImplementedError

    kept = Kept()
    await kept.publish("id,n\nb,1\n", "T1")
    await kept.publish("id,n\nb,1\n", "T2")

    for _ in range(2):
        found = await erase_customer("a", kept.stores, [Copies()])
        assert found == [ErasedRows("Value", "T2", rows=0, values=0, copies=3)]

    assert asked == [("T1", "a"), ("T2", "a")] * 2


async def test_a_snapshot_that_cannot_be_reached_keeps_no_other_from_being_erased() -> None:
    class Copies:
        async def erase(self, entity: str, snapshot: Snapshot, customer_id: str) -> int:
            if snapshot.table == "T1":
                raise StorageUnavailable("blob storage did not answer")
            return 0

        async def erase_again(self, entity: str, snapshot: Snapshot, erased: Erased) -> int:
            raise NotImplementedError

    kept = Kept()
    await kept.publish("id,n\na,1\n", "T1")
    await kept.publish("id,n\na,1\n", "T2")

    with pytest.raises(StorageUnavailable):
        await erase_customer("a", kept.stores, [Copies()])

    assert kept.stored("T2") == []
