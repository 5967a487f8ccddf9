"""What is examined: groups, and names within them."""

import pytest

from shared.errors import BadRequest
from shared.operations.doctor.findings import Group
from shared.operations.doctor.selection import Selection

STORAGE, SKILLS, CONNECTIONS = Group.STORAGE, Group.SKILLS, Group.CONNECTIONS


@pytest.mark.parametrize(
    ("query", "groups", "skill"),
    [
        ({}, set(Group), None),
        ({"only": ""}, set(Group), None),
        ({"only": "storage"}, {STORAGE}, None),
        ({"only": " storage , connections,"}, {STORAGE, CONNECTIONS}, None),
        ({"skill": "language"}, {SKILLS}, "language"),
        ({"only": "storage", "skill": "language"}, {STORAGE, SKILLS}, "language"),
        ({"skill": "", "code": "key"}, set(Group), None),
    ],
)
def test_what_is_chosen(query: dict[str, str], groups: set[Group], skill: str | None) -> None:
    selection = Selection.parse(query)

    assert selection.groups == groups
    assert selection.name_of(SKILLS) == skill
    assert selection.name_of(CONNECTIONS) is None


@pytest.mark.parametrize("only", ["skill", "Storage", "storage;skills"])
def test_an_unknown_group_is_refused_with_those_there_are(only: str) -> None:
    with pytest.raises(BadRequest, match="there are: settings, identity, storage"):
        Selection.parse({"only": only})
