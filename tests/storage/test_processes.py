"""Heartbeats: who is alive, and who is swept away."""

from datetime import UTC, datetime, timedelta

import pytest
from azure.data.tables.aio import TableServiceClient

from shared.storage.processes import TableProcesses

NOW = datetime(2026, 1, 1, tzinfo=UTC)


@pytest.fixture
def processes(service: TableServiceClient) -> TableProcesses:
    return TableProcesses(service)


async def test_the_first_is_alone(processes: TableProcesses) -> None:
    assert await processes.beat("a", NOW) == 1
    assert await processes.beat("a", NOW) == 1


@pytest.mark.parametrize(("later", "alive"), [(0, 3), (44, 3), (45, 1), (3000, 1), (4000, 1)], ids=str)
async def test_others_count_for_forty_five_seconds(processes: TableProcesses, later: int, alive: int) -> None:
    await processes.beat("a", NOW)
    await processes.beat("b", NOW)

    assert await processes.beat("c", NOW + timedelta(seconds=later)) == alive


async def test_a_clock_that_is_ahead_counts_as_alive(processes: TableProcesses) -> None:
    await processes.beat("ahead", NOW + timedelta(minutes=1))

    assert await processes.beat("a", NOW) == 2


async def test_who_is_long_gone_is_removed(processes: TableProcesses, service: TableServiceClient) -> None:
    await processes.beat("gone", NOW)
    await processes.beat("recent", NOW + timedelta(hours=1))

    await processes.beat("a", NOW + timedelta(hours=1, seconds=1))

    table = service.get_table_client("bridgeprocesses")
    assert sorted([row["RowKey"] async for row in table.list_entities()]) == ["a", "recent"]
