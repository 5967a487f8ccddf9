"""`${NAME}` in a configuration: resolved, escaped, missing."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.errors import InvalidConfiguration
from shared.operations.variables import Scalar, escape, escaped, resolve

TEXTS = st.text(st.sampled_from("${}aZ_1é \\'\"\n"), max_size=12) | st.text(max_size=8)
NAMES = st.from_regex(r"[A-Za-z_][A-Za-z0-9_]{0,9}", fullmatch=True)
JSON: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | TEXTS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXTS, inner, max_size=3),
    max_leaves=6,
)


@given(value=JSON)
def test_what_was_escaped_resolves_to_itself(value: Any) -> None:
    assert resolve(escaped(value), {}) == value


@given(pieces=st.lists(st.tuples(TEXTS, NAMES)), last=TEXTS, values=st.dictionaries(NAMES, TEXTS))
def test_a_text_of_texts_and_variables_resolves_to_all_of_them_in_their_order(
    pieces: list[tuple[str, str]], last: str, values: dict[str, str]
) -> None:
    # A dollar before a variable would escape it: it is part of the value then.
    plain = [(text.rstrip("$"), name) for text, name in pieces]
    variables = {name: values.get(name, "v") for _, name in plain}
    template = "".join(f"{escape(text)}${{{name}}}" for text, name in plain) + escape(last)

    assert resolve(template, variables) == "".join(text + variables[name] for text, name in plain) + last


@pytest.mark.parametrize(
    ("template", "value"),
    [
        ("${A}", "one"),
        ("${N}", 2),
        ("${OFF}", False),
        ("P${N}D ${OFF}", "P2D false"),
        ("$A $ {A} }{", "$A $ {A} }{"),
        ("$${A}", "${A}"),
        ("$$${A}", "$${A}"),
        ("${LIKE}", "${A}"),
        (["${A}", {"${A}": "${A}"}], ["one", {"${A}": "one"}]),
        (7, 7),
        (None, None),
    ],
)
def test_a_template_resolves_once(template: Any, value: Any) -> None:
    variables: dict[str, Scalar] = {"A": "one", "N": 2, "OFF": False, "LIKE": "${A}"}

    resolved = resolve(template, variables)

    assert resolved == value
    assert type(resolved) is type(value)


def test_what_is_missing_is_told_once_a_name_with_all_places() -> None:
    with pytest.raises(
        InvalidConfiguration, match="variables without a value: A, B; give them in `variables`"
    ) as raised:
        resolve({"x": ["${B}", "${A} ${A}"], "y": {"z": "${A}", "broken": "${}"}}, {"C": "c"})

    assert [(detail.code, detail.target, detail.message) for detail in raised.value.details] == [
        ("UnknownVariable", "x[1]", "${A} has no value; it stands at x[1], y.z"),
        ("UnknownVariable", "x[0]", "${B} has no value; it stands at x[0]"),
        (
            "InvalidVariable",
            "y.broken",
            "y.broken: ${ begins no variable, which is ${NAME}; write $${ where ${ itself is meant",
        ),
    ]
