"""The table of roles, and what is read of a principal."""

import base64
import json
from typing import Any

import azure.functions as func
import pytest
from hypothesis import given
from hypothesis import strategies as st

import function_app
from shared.errors import Forbidden
from shared.operations.roles import INCLUDES, OPEN, ROLES, Role, check_role, roles_of
from tests.support.principals import ROLE_CLAIM, signed_in

READING_POSTS = {"query_data", "look_up_customers"}


def http_functions() -> dict[str, set[str]]:
    """Methods by function."""
    triggers = {str(f.get_function_name()): f.get_trigger() for f in function_app.create_app().get_functions()}
    return {name: methods_of(trigger) for name, trigger in triggers.items() if is_http(trigger)}


def is_http(trigger: Any) -> bool:
    return isinstance(trigger, func.decorators.http.HttpTrigger)


def methods_of(trigger: Any) -> set[str]:
    return {str(getattr(method, "value", method)) for method in trigger.methods}


FUNCTIONS = http_functions()
OPERATING_GETS = {"doctor"}
"""It looks, and to see whether this app can write, it writes a mark and removes it."""


def test_every_http_function_has_one_role_and_no_other_has() -> None:
    assert set(ROLES) | OPEN == set(FUNCTIONS)
    assert set(ROLES) & OPEN == set()


@pytest.mark.parametrize("function", sorted(ROLES))
def test_who_looks_is_a_reader_and_who_defines_an_admin(function: str) -> None:
    methods, role = FUNCTIONS[function], ROLES[function]

    if function in OPERATING_GETS:
        assert role is Role.OPERATOR
    elif methods == {"GET"} or function in READING_POSTS:
        assert role is Role.READER
    elif methods & {"PUT", "PATCH", "DELETE"}:
        assert role is Role.ADMIN
    else:
        assert role in (Role.OPERATOR, Role.ADMIN, Role.SKILL)


def test_admins_operate_and_operators_read_and_indexers_do_neither() -> None:
    assert INCLUDES[Role.READER] < INCLUDES[Role.OPERATOR] < INCLUDES[Role.ADMIN]
    assert {role for role in Role if Role.SKILL in INCLUDES[role]} == {Role.SKILL}


def principal(*roles: str, claim: str = "roles") -> str:
    return signed_in(*roles, claim=claim)["X-MS-CLIENT-PRINCIPAL"]


def encoded(value: object) -> str:
    return base64.b64encode(json.dumps(value).encode()).decode()


@pytest.mark.parametrize("claim", ["roles", ROLE_CLAIM])
def test_the_roles_of_a_principal_by_either_name_of_the_claim(claim: str) -> None:
    assert roles_of(principal("Bridge.Operator", "Bridge.Skill", claim=claim)) == (Role.OPERATOR, Role.SKILL)


@pytest.mark.parametrize(
    "header",
    [
        "",
        "!",
        "bm8ganNvbg==",
        encoded([]),
        encoded({"claims": "roles"}),
        encoded({"claims": ["Bridge.Admin"]}),
        encoded({"claims": [{"typ": "roles", "val": ["Bridge.Admin"]}, {"typ": ["roles"], "val": 1}]}),
        encoded({"claims": [{"val": "Bridge.Admin"}]}),
        encoded({"claims": [{"typ": "groups", "val": "Bridge.Admin"}], "role_typ": "other"}),
        principal("bridge.admin", "Bridge", "Bridge.Admin "),
        principal("Bridge.Admin", claim="groups"),
    ],
)
def test_what_names_no_role_of_ours_gives_none(header: str) -> None:
    assert roles_of(header) == ()


@given(
    st.one_of(
        st.text(), st.binary().map(lambda raw: base64.b64encode(raw).decode()), st.from_type(type(None)).map(encoded)
    )
)
def test_whatever_the_header_holds_it_is_read_or_names_no_role(header: str) -> None:
    assert roles_of(header) == ()


def test_a_refusal_names_the_roles_that_would_do_and_those_there_are() -> None:
    with pytest.raises(Forbidden) as refused:
        check_role("cancel_run", principal("Bridge.Reader", "Bridge.Skill"))

    assert "app role Bridge.Operator or Bridge.Admin," in refused.value.message
    assert "has Bridge.Reader, Bridge.Skill:" in refused.value.message


def test_a_function_that_the_table_does_not_know_is_for_admins() -> None:
    check_role("made_up", principal("Bridge.Admin"))
    with pytest.raises(Forbidden):
        check_role("made_up", principal("Bridge.Operator", "Bridge.Skill"))
