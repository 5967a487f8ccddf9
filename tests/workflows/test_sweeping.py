"""The daily sweep of what nobody is led to any more."""

from datetime import datetime, timedelta

from shared.entities.retention import SnapshotStores
from shared.workflows.definition import WorkflowDefinition
from shared.workflows.sweeping import Retention, Sweep, SweepStores, SweptFiles
from tests.entities.fakes import MemoryEntities, MemoryLarge, MemoryRejects, MemoryRows
from tests.entities.snapshot_files import NOW
from tests.workflows.poison_fakes import MemoryPoison
from tests.workflows.run_fakes import MemoryParts, MemoryRuns
from tests.workflows.slot_fakes import MemorySlots

DAY = timedelta(days=1)


async def no_files(definition: WorkflowDefinition, datastore: str) -> SweptFiles:
    raise AssertionError("no run has exported anything")


async def nothing_erased() -> int:
    return 0


def sweep_at(now: datetime, large: MemoryLarge) -> Sweep:
    snapshots = SnapshotStores(MemoryEntities(), MemoryRows(), large, MemoryRejects())
    stores = SweepStores(MemoryRuns(), MemoryParts(), MemorySlots(), MemoryPoison(), snapshots)
    return Sweep(stores, no_files, Retention(2, DAY, 90 * DAY), lambda: now, erase_again=nothing_erased)


async def test_csv_files_go_with_the_daily_sweep_once_they_are_a_day_old() -> None:
    large = MemoryLarge({"exports/T1/x.csv": b"x"}, written_at=NOW)

    early = await sweep_at(NOW + 0.9 * DAY, large).sweep()
    late = await sweep_at(NOW + 1.1 * DAY, large).sweep()

    assert (early["csv"], late["csv"], large.values) == (0, 1, {})
