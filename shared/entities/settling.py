"""Once all parts are imported: which rows have lost their key to another part's, and what do the Parquet files hold?

Each part's file leaves out what was known to be no row when it was written; what was lost later is taken out here, and
so are rows of customers who were erased meanwhile.
"""

from bisect import bisect_right
from collections.abc import AsyncIterator

from shared.entities.describing import write_manifest
from shared.entities.files import SnapshotFiles, part_path
from shared.entities.manifests import Manifest
from shared.entities.parts import Plan
from shared.entities.rewriting import Going, leave_out
from shared.entities.rows import RejectStore, SnapshotTable
from shared.entities.schema import ORIGIN


async def settle_files(plan: Plan, table: SnapshotTable, files: SnapshotFiles, rejects: RejectStore) -> Manifest:
    """Make the Parquet files hold exactly the table's rows, and write the manifest beside them. May be repeated.

    Raises Gone where a part's file is missing, StorageUnavailable.
    """
    async for number, lost in _losers(plan, table, rejects):
        await leave_out(part_path(table.name, number), table.schema, _of_origins(lost), files)
    return await write_manifest(table, [part_path(table.name, part.number) for part in plan.parts], files)


def _of_origins(lost: list[str]) -> Going:
    return Going(ORIGIN, lambda column: lost)


async def _losers(plan: Plan, table: SnapshotTable, rejects: RejectStore) -> AsyncIterator[tuple[int, list[str]]]:
    """Parts, and the origins in them that are no rows any more; one part's are held."""
    starts = [(part.file, part.first_line) for part in plan.parts]
    number, lost = -1, list[str]()
    async for origin in rejects.left_out(table.name):
        found = bisect_right(starts, tuple(origin)) - 1
        if found != number:
            if lost:
                yield plan.parts[number].number, lost
            number, lost = found, []
        lost.append(origin.text)
    if lost:
        yield plan.parts[number].number, lost
