"""The data bench: every variant writes or reads all that it is given, and none hides a failure."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from benchmarks.data.__main__ import GOALS, Finding, case, goals_table, section_table
from benchmarks.data.process import Worker
from benchmarks.data.readers import READERS, ReadJob, publish_table
from benchmarks.data.service import TableService, started_table_service
from benchmarks.data.source import customer_of, write_csv
from benchmarks.data.writers import WRITERS, WriteJob
from benchmarks.measure import Sample
from shared.errors import Gone

ROWS = 300


@pytest.fixture(scope="module")
def service() -> Iterator[TableService]:
    with started_table_service() as running:
        yield running


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_csv(tmp_path_factory.mktemp("data") / "rows.csv", ROWS)


def test_the_file_is_the_same_each_time(file: Path, tmp_path: Path) -> None:
    again = write_csv(tmp_path / "again.csv", ROWS).read_text()

    assert again == file.read_text()
    assert again.splitlines()[1].startswith("0000000000,00000000,")
    assert len(again.splitlines()) == ROWS + 1


@pytest.mark.parametrize("name", WRITERS)
async def test_a_variant_writes_all_rows(name: str, service: TableService, file: Path) -> None:
    service.reset(keep=True)

    async with WRITERS[name](WriteJob(service.connection, file, "Written", ROWS)) as work:
        assert await work() == ROWS

    assert sum(service.rows("Written").values()) == ROWS


async def test_shares_of_ours_are_the_whole(service: TableService, file: Path) -> None:
    service.reset()
    written = []
    for share in range(2):
        async with WRITERS["ours"](WriteJob(service.connection, file, "Shared", ROWS, share, 2, True)) as work:
            written.append(await work())

    assert sum(written) == sum(service.rows("Shared").values()) == ROWS


@pytest.mark.parametrize("name", READERS)
async def test_a_variant_reads_what_ours_wrote(name: str, service: TableService, file: Path) -> None:
    service.reset(keep=True)
    async with WRITERS["ours"](WriteJob(service.connection, file, "Read", ROWS)) as work:
        await work()
    await publish_table(service.connection, "Read", ROWS)

    async with READERS[name](ReadJob(service.connection, "Read", (customer_of(0), customer_of(ROWS - 1)))) as read:
        assert await read() == 2


async def test_a_table_that_is_not_there_is_a_failure(service: TableService) -> None:
    service.reset(keep=True)
    await publish_table(service.connection, "Empty", 0)

    with pytest.raises(Gone):
        async with READERS["ours"](ReadJob(service.connection, "Empty", (customer_of(0),))) as read:
            await read()


def test_a_worker_measures_and_tells_what_failed(service: TableService, file: Path) -> None:
    service.reset()
    worker = Worker("write: ours")
    try:
        result = worker.run(WriteJob(service.connection, file, "Worker", ROWS))
        with pytest.raises(RuntimeError, match="write: ours: FileNotFoundError"):
            worker.run(WriteJob(service.connection, file.with_name("absent.csv"), "Worker", ROWS))
    finally:
        worker.close()

    assert result.sample.records == ROWS
    assert 0 < result.sample.cpu_s < 10
    assert result.peak_mb > 20


def test_goals_are_judged_and_missed_ones_are_told() -> None:
    results = {"limited": {case("ours"): [Sample(1, 1, 100)], case("the account's ceiling"): [Sample(0.5, 0, 100)]}}

    table, is_met = goals_table(results, [Finding("memory", "< 260 MB", "100 MB", True)])

    assert not is_met
    assert "| rate of the account's ceiling | >= 0.9 | 0.50 (0.50-0.50) | MISS |" in table
    assert "| memory | < 260 MB | 100 MB | pass |" in table
    assert table.count("not measured") == len(GOALS) - 1
    assert "| ours | 100 (100-100) | 10000.0 | 1 (1-1) |" in section_table(results["limited"])
