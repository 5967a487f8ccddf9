"""The daily sweep of what nobody is led to any more."""

from dataclasses import replace
from datetime import datetime, timedelta

from shared.entities.retention import SnapshotStores
from shared.workflows.definition import WorkflowDefinition, parse_workflow
from shared.workflows.job_body import export_folder
from shared.workflows.runs import RunStatus, Trigger, TriggerKind, new_run
from shared.workflows.sweeping import Retention, Sweep, SweepStores, SweptFiles
from tests.entities.fakes import MemoryEntities, MemoryLarge, MemoryRejects, MemoryRows
from tests.entities.snapshot_files import NOW
from tests.workflows.fakes import stored_workflow
from tests.workflows.poison_fakes import MemoryPoison
from tests.workflows.run_fakes import MemoryParts, MemoryRuns
from tests.workflows.slot_fakes import MemorySlots

DAY = timedelta(days=1)


async def no_files(definition: WorkflowDefinition, datastore: str) -> SweptFiles:
    raise AssertionError("no run has exported anything")


class Datastore:
    def __init__(self, *paths: str) -> None:
        self.paths = list(paths)

    async def drop(self, prefix: str) -> None:
        self.paths = [path for path in self.paths if not path.startswith(prefix)]


async def nothing_erased() -> int:
    return 0


def sweep_at(
    now: datetime, large: MemoryLarge, runs: MemoryRuns | None = None, files: Datastore | None = None
) -> Sweep:
    async def files_of(definition: WorkflowDefinition, datastore: str) -> SweptFiles:
        return files or await no_files(definition, datastore)

    snapshots = SnapshotStores(MemoryEntities(), MemoryRows(), large, MemoryRejects())
    stores = SweepStores(runs or MemoryRuns(), MemoryParts(), MemorySlots(), MemoryPoison(), snapshots)
    return Sweep(stores, files_of, Retention(2, DAY, 90 * DAY), lambda: now, erase_again=nothing_erased)


async def test_what_a_run_exported_goes_with_the_run_and_the_pipelines_output_stays() -> None:
    begun = new_run("brg-churn-1", stored_workflow("churn"), Trigger(TriggerKind.HTTP), NOW)
    ended = replace(begun.with_status(RunStatus.FAILED, NOW), exported={"prior": "azureml://…"}, updated_at=NOW)
    exported = f"{export_folder(parse_workflow(ended.definition), ended.id, 'prior')}/data.csv"
    files = Datastore(exported, f"outputs/value/{ended.id}/scores.csv", "outputs/value/in/brg-churn-2/prior/data.csv")
    runs = MemoryRuns({ended.id: (ended, "1")})

    await sweep_at(NOW + 89 * DAY, MemoryLarge({}), runs, files).sweep()
    early = list(files.paths)
    await sweep_at(NOW + 91 * DAY, MemoryLarge({}), runs, files).sweep()

    assert (exported in early, files.paths) == (True, [path for path in early if path != exported])
    assert runs.runs == {}


async def test_csv_files_go_with_the_daily_sweep_once_they_are_a_day_old() -> None:
    large = MemoryLarge({"exports/T1/x.csv": b"x"}, written_at=NOW)

    early = await sweep_at(NOW + 0.9 * DAY, large).sweep()
    late = await sweep_at(NOW + 1.1 * DAY, large).sweep()

    assert (early["csv"], late["csv"], large.values) == (0, 1, {})
