"""The records of a CSV file become the same rows and rejects as columns as one by one."""

from collections.abc import Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shared.entities.fitting import FittedRow, Misfit, RowFitter
from shared.entities.outputs import OutputFile
from shared.entities.part_rows import fitted_rows
from shared.entities.parts import Plan, plan_import
from shared.entities.records import read_records
from shared.entities.row_columns import RowColumns
from shared.entities.rows import Origin, SnapshotTable
from shared.entities.schema import Wanted
from shared.entities.values import EdmType
from tests.entities.fakes import MemoryOutput

WANTED = Wanted("id", "customer", {"small": EdmType.INT32, "on": EdmType.BOOLEAN})
HEADER = "id,customer,on,small,wide,score,at,text"
PLAIN = ("7", "00042", "True", "30", "-3000000000", "1.25", "2026-05-13T12:45:00+02:00", "Köln")
ODD = (
    "",
    "",
    "007",
    "3.0",
    "1e5",
    "nan",
    "yes",
    "2026-05-13",
    "1500-01-01",
    "a/b",
    "\ufeff7",
    "é'|",
    "x" * 600,
    '"a ""b"""',
    '"1\n2"',
)

type Told = tuple[int, str | tuple[str, str, Origin, str]]


def told(number: int, fitted: FittedRow | Misfit) -> Told:
    """Values as text, so that NaN equals itself."""
    if isinstance(fitted, Misfit):
        return number, str(fitted)
    row = fitted.row
    return number, (row.partition, row.key, row.origin, repr(dict(row.values)))


async def planned(text: str) -> tuple[MemoryOutput, Plan, SnapshotTable]:
    output = MemoryOutput({"out/a.csv": text.encode()}, chunk=300)
    plan = await plan_import(output, "out", WANTED)
    return output, plan, SnapshotTable("T", plan.schema, 16)


async def together(output: MemoryOutput, plan: Plan, table: SnapshotTable) -> tuple[list[Told], int]:
    """What comes of the first part, and how much of it as columns."""
    found: list[Told] = []
    in_columns = 0
    async for some in fitted_rows(output, plan.files[0], plan.parts[0], table):
        if isinstance(some, RowColumns):
            in_columns += len(some)
            found += [told(row.origin.line, FittedRow(row, {}, 0)) for row in some.rows()]
        else:
            found += [told(*fitted) for fitted in some]
    return found, in_columns


async def one_by_one(output: MemoryOutput, file: OutputFile, plan: Plan, table: SnapshotTable) -> list[Told]:
    fit, found = RowFitter(table, file), list[Told]()
    async for records in read_records(output, file, plan.parts[0]):
        for record in records:
            try:
                found.append(told(record.number, fit.fit(record)))
            except Misfit as misfit:
                found.append(told(record.number, misfit))
    return found


rows = st.tuples(*(st.sampled_from([plain, plain, plain, plain, *ODD]) for plain in PLAIN))
lines = st.one_of(
    rows.map(",".join), rows.map(",".join), st.just(",".join(PLAIN)), st.sampled_from(["", "1,2", "7,x" + "," * 8])
)


@settings(max_examples=150)
@given(some=st.lists(lines, min_size=1, max_size=12), end=st.sampled_from(["\n", "\r\n", "\r"]))
async def test_columns_give_what_single_records_give(some: Sequence[str], end: str) -> None:
    output, plan, table = await planned(end.join([HEADER, ",".join(PLAIN), *some]) + end)

    found, _ = await together(output, plan, table)

    assert found == await one_by_one(output, plan.files[0], plan, table)


async def test_plain_records_become_columns_and_others_alone_do_not() -> None:
    plain, odd = ",".join(PLAIN), ",".join(("a/b", *PLAIN[1:]))
    lines = [HEADER, *[plain] * 5_000, odd, *[plain] * 5_000, ",".join((*PLAIN[:4], "", "", "", '"a, ""b"""'))]
    output, plan, table = await planned("\n".join(lines))

    found, in_columns = await together(output, plan, table)

    assert found == await one_by_one(output, plan.files[0], plan, table)
    assert len(found) == 10_002
    assert 9_000 < in_columns < 10_002


async def test_a_record_that_begins_with_a_mark_of_the_encoding_keeps_it() -> None:
    marked = ",".join(("\ufeff7", *PLAIN[1:]))
    output, plan, table = await planned("\n".join([HEADER, marked, ",".join(PLAIN), marked]))

    found, _ = await together(output, plan, table)

    assert found == await one_by_one(output, plan.files[0], plan, table)
    assert ["\ufeff" in repr(row) or "\\ufeff" in repr(row) for row in found] == [True, False, True]


@pytest.mark.parametrize("missing", ["on", "text"])
async def test_a_column_that_a_file_does_not_have_is_without_values(missing: str) -> None:
    header = [name for name in HEADER.split(",") if name != missing]
    values = [value for name, value in zip(HEADER.split(","), PLAIN, strict=True) if name != missing]
    output = MemoryOutput(
        {"out/a.csv": f"{','.join(header)}\n{','.join(values)}\n".encode(), "out/b.csv": f"{HEADER}\n".encode()}
    )
    plan = await plan_import(output, "out", Wanted("id", "customer", {}))
    table = SnapshotTable("T", plan.schema, 16)

    found, in_columns = await together(output, plan, table)

    assert in_columns == 1
    assert found == await one_by_one(output, plan.files[0], plan, table)
    assert f"'{missing}'" not in found[0][1][3]
