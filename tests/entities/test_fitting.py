"""Records become the same rows column by column as one by one."""

from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.entities.fitting import FittedRow, Misfit, RowFitter
from shared.entities.keys import row_key, row_keys
from shared.entities.outputs import FileKind, Listed, OutputFile
from shared.entities.records import Record
from shared.entities.rows import SnapshotTable
from shared.entities.schema import FoundColumn, Wanted, decide_schema
from shared.entities.values import EdmType, read_all, reader

TYPES = {
    "id": None,
    "customer": None,
    "on": EdmType.BOOLEAN,
    "small": EdmType.INT32,
    "wide": EdmType.INT64,
    "score": EdmType.DOUBLE,
    "at": EdmType.DATE_TIME_OFFSET,
    "text": EdmType.STRING,
}
SCHEMA = decide_schema([[FoundColumn(name, 1, kind) for name, kind in TYPES.items()]], Wanted("id", "customer", {}))
PLAIN = ("7", "00042", "True", "30", "-3000000000", "1.25", "2026-05-13T12:45:00+02:00", "Köln")
ODD = (
    "",
    None,
    "a/b",
    "007",
    "3.0",
    " 5",
    "1e5",
    "nan",
    "9" * 400,
    "2026-05-13",
    "1500-01-01",
    "yes",
    "x" * 40_000,
    "é'|",
)


def fitter(kind: FileKind) -> RowFitter:
    file = OutputFile(3, Listed("out.csv", 1, "1"), kind, False, header=tuple(TYPES))
    return RowFitter(SnapshotTable("T", SCHEMA, 16), file)


def one_by_one(fit: RowFitter, records: Sequence[Record]) -> list[FittedRow | str]:
    fitted: list[FittedRow | str] = []
    for record in records:
        try:
            fitted.append(fit.fit(record))
        except Misfit as misfit:
            fitted.append(str(misfit))
    return fitted


def told(fitted: FittedRow | Misfit | str) -> object:
    return str(fitted) if isinstance(fitted, Misfit | str) else (fitted.row._replace(values={}), fitted.large)


def values(fitted: FittedRow | Misfit | str) -> object:
    """As text, so that NaN equals itself."""
    return repr(dict(fitted.row.values)) if isinstance(fitted, FittedRow) else None


texts = st.tuples(*(st.sampled_from([plain, plain, plain, *ODD]) for plain in PLAIN))


@given(rows=st.lists(texts, max_size=6), kind=st.sampled_from([FileKind.CSV, FileKind.JSON_LINES]), fault=st.booleans())
def test_columns_give_what_single_records_give(rows: list[tuple[str | None, ...]], kind: FileKind, fault: bool) -> None:
    records = [Record(number, row) for number, row in enumerate(rows, 2)]
    records += [Record(99, (), "has 3 fields")] if fault else []
    fit = fitter(kind)

    together, single = fit.fit_all(records), one_by_one(fit, records)

    assert [told(fitted) for fitted in together] == [told(fitted) for fitted in single]
    assert [values(fitted) for fitted in together] == [values(fitted) for fitted in single]


@given(rows=st.lists(texts, min_size=1, max_size=6))
def test_no_row_weighs_less_by_columns(rows: list[tuple[str | None, ...]]) -> None:
    records, fit = [Record(number, row) for number, row in enumerate(rows)], fitter(FileKind.CSV)

    for together, single in zip(fit.fit_all(records), one_by_one(fit, records), strict=True):
        if isinstance(single, FittedRow):
            assert isinstance(together, FittedRow)
            assert together.weight >= single.weight


def test_plain_records_need_no_second_look() -> None:
    assert fitter(FileKind.CSV)._columns([Record(2, PLAIN), Record(3, (*PLAIN[:-1], ""))]) is not None


@pytest.mark.parametrize("kind", EdmType)
@given(some=st.lists(st.sampled_from([text for text in (*PLAIN, *ODD) if text]), min_size=1, max_size=4))
def test_a_column_is_read_as_its_texts_are(kind: EdmType, some: list[str]) -> None:
    found = read_all(kind, some)

    assert found is None or list(map(repr, found)) == [repr(reader(kind)(text)) for text in some]


@given(ids=st.lists(st.text(st.sampled_from("ab|/~'é"), min_size=1, max_size=300), min_size=1, max_size=4))
def test_row_keys_are_those_of_single_rows(ids: list[str]) -> None:
    keys = row_keys(ids, ids)

    assert keys is None or keys == [row_key(text, text) for text in ids]
    assert keys is not None or any(set(text) & set("|/~'") or len(text) > 127 for text in ids)
