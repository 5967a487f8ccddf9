"""Every question gets the rows that a second reading of the docs finds in memory: over HTTP, to the last page."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

import httpx
import pytest
from hypothesis import HealthCheck, given, settings

from tests.odata.asking import Asked, about_all_rows, about_customers, about_orders, ask, count, told
from tests.odata.reference import chosen, ordered
from tests.odata.samples import KEY, NAMES, parquet_files, sample_rows
from tests.support.bridge import Bridge
from tests.support.entities import publish_files

ENTITY = "Differential"
ROWS = sample_rows()
FEW = settings(max_examples=30, suppress_health_check=list(HealthCheck))
MANY = settings(max_examples=1000, suppress_health_check=list(HealthCheck))
type Checked = Callable[[Asked], None]


@pytest.fixture(scope="module")
def client(azurite: str, bridge: Bridge) -> Iterator[httpx.Client]:
    publish_files(azurite, ENTITY, parquet_files(ROWS), primary=KEY)
    with httpx.Client(base_url=f"http://127.0.0.1:{bridge.host.port}", timeout=60) as client:
        yield client


def check(client: httpx.Client, asked: Asked) -> None:
    """An order is exact, as what is equal goes by key in these files; all rows without one come as the table has them."""
    found = chosen(asked.filter, ROWS)
    names = NAMES if asked.select is None else asked.select

    answer = ask(client, ENTITY, asked)

    expected = [told(row, names) for row in cut(ordered(found, asked.orderby), asked)]
    if asked.filter or asked.orderby or asked.skip:
        assert list(answer.rows) == expected
    else:
        every = [told(row, names) for row in found]
        assert len(answer.rows) == len(expected)
        assert all(row in every for row in answer.rows)
    assert max(answer.sizes) <= asked.size
    assert set(answer.counts) == {len(found) if asked.with_count else None}
    assert not asked.with_count or count(client, ENTITY, asked.filter) == len(found)


def cut(rows: Sequence[Mapping[str, Any]], asked: Asked) -> Sequence[Mapping[str, Any]]:
    start = asked.skip or 0
    return rows[start:] if asked.top is None else rows[start : start + asked.top]


@FEW
@given(about_customers())
def test_questions_about_named_customers_are_answered_as_in_memory(client: httpx.Client, asked: Asked) -> None:
    check(client, asked)


@FEW
@given(about_all_rows())
def test_questions_about_all_rows_are_answered_as_in_memory(client: httpx.Client, asked: Asked) -> None:
    check(client, asked)


@FEW
@given(about_orders())
def test_orders_of_all_rows_are_those_in_memory_page_after_page(client: httpx.Client, asked: Asked) -> None:
    check(client, asked)


@pytest.mark.slow
@pytest.mark.timeout(900)
@MANY
@given(about_customers())
def test_a_thousand_questions_about_named_customers_are_answered_as_in_memory(
    client: httpx.Client, asked: Asked
) -> None:
    check(client, asked)


@pytest.mark.slow
@pytest.mark.timeout(900)
@MANY
@given(about_all_rows())
def test_a_thousand_questions_about_all_rows_are_answered_as_in_memory(client: httpx.Client, asked: Asked) -> None:
    check(client, asked)


def test_the_whole_entity_comes_with_every_row_once(client: httpx.Client) -> None:
    answer = ask(client, ENTITY, Asked(size=25))

    def by_key(row: Mapping[str, Any]) -> str:
        return str(row[KEY])

    assert sorted(answer.rows, key=by_key) == sorted((told(row, NAMES) for row in ROWS), key=by_key)
    assert datetime.fromisoformat(next(row["at"] for row in answer.rows if row["at"])).tzinfo == UTC
