"""The commands that make a role's key: a shell runs them, with an `az` that writes down what it was asked."""

import subprocess
from pathlib import Path

import pytest

from infra.keys import commands, functions_of
from shared.operations.roles import ROLES, Role

DATA_PLANE = {"get_data", "get_instance_data", "query_data"}
AZ = '#!/bin/sh\necho "$@" >> "$(dirname "$0")/asked"\n'


def asked(folder: Path, role: Role) -> dict[str, str]:
    """By function, the key that it was given."""
    az = folder / "az"
    az.write_text(AZ)
    az.chmod(0o755)
    script = "\n".join(commands(role, "my-app", "my-group"))
    path = {"PATH": f"{folder}:/usr/bin:/bin"}
    shown = subprocess.run(["sh"], input=script, env=path, capture_output=True, text=True, check=True).stdout
    calls = [line.split() for line in (folder / "asked").read_text().splitlines()]
    for call in calls:
        assert call[:8] == ["functionapp", "function", "keys", "set", "-n", "my-app", "-g", "my-group"]
        assert call[call.index("--key-name") + 1] == role.name.lower()
        assert call[call.index("--key-value") + 1] in shown
    return {call[call.index("--function-name") + 1]: call[call.index("--key-value") + 1] for call in calls}


@pytest.mark.parametrize(
    ("role", "opens"),
    [
        (Role.READER, {Role.READER}),
        (Role.OPERATOR, {Role.READER, Role.OPERATOR}),
        (Role.ADMIN, {Role.READER, Role.OPERATOR, Role.ADMIN}),
    ],
)
def test_a_roles_key_is_one_key_for_all_that_the_role_opens(tmp_path: Path, role: Role, opens: set[Role]) -> None:
    keys = asked(tmp_path, role)

    assert set(keys) == {function for function, needed in ROLES.items() if needed in opens} - DATA_PLANE
    [key] = set(keys.values())
    assert len(key) == 64


def test_a_skills_caller_has_a_key_for_one_function(tmp_path: Path) -> None:
    keys = asked(tmp_path, Role.SKILL)

    assert set(keys) == {"call_skill", "score_skill", "enrich_skill"}
    assert len(set(keys.values())) == 3


@pytest.mark.parametrize("role", list(Role))
def test_a_key_that_a_function_did_not_get_is_shown_to_nobody(tmp_path: Path, role: Role) -> None:
    az = tmp_path / "az"
    az.write_text(f'#!/bin/sh\ncase "$*" in *" {functions_of(role)[-1]} "*) exit 1;; esac\n')
    az.chmod(0o755)
    script = "\n".join(commands(role, "my-app", "my-group"))
    path = {"PATH": f"{tmp_path}:/usr/bin:/bin"}

    ended = subprocess.run(["sh"], input=script, env=path, capture_output=True, text=True, check=False)

    assert ended.returncode != 0
    told = [line.split(":")[0] for line in ended.stdout.splitlines()]
    assert told == ([f"skill of {function}" for function in functions_of(role)[:-1]] if role is Role.SKILL else [])


def test_what_asks_for_no_key_gets_none() -> None:
    assert not DATA_PLANE & {function for role in Role for function in functions_of(role)}
