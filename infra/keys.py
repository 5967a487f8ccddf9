"""The Azure CLI's commands that make one key a role: a key of that value for every function that the role opens.

    python -m infra.keys operator -n <app> -g <group>      # or: make keys ROLE=operator APP=<app> GROUP=<group>

Printed, not run. Functions without a key of the host's, such as those of the data plane, are left out.
"""

import argparse
import sys
from collections.abc import Iterator, Sequence

import azure.functions as func

import function_app
from shared.operations.roles import INCLUDES, ROLES, Role

NAMES = {role.name.lower(): role for role in Role}


def functions_of(role: Role) -> list[str]:
    """That a key of `role` opens, in the order of the table."""
    with_key = _functions_with_a_key()
    return [function for function, needed in ROLES.items() if needed in INCLUDES[role] and function in with_key]


def commands(role: Role, app: str, group: str) -> Iterator[str]:
    """For a POSIX shell, which ends at the first that fails: a key is shown only once every function has it. A skill's caller
    gets a key for one function, so each has its own."""
    yield "("  # a terminal that these are pasted into stays open
    yield "set -eu"
    name = role.name.lower()
    if role is Role.SKILL:
        for function in functions_of(role):
            yield from _one_key([function], name, app, group)
    else:
        yield from _one_key(functions_of(role), name, app, group)
    yield ")"


def _one_key(functions: Sequence[str], key_name: str, app: str, group: str) -> Iterator[str]:
    yield "key=$(openssl rand -hex 32)"
    yield f"for function in {' '.join(functions)}; do"
    yield f"  az functionapp function keys set -n {app} -g {group} --function-name $function \\"
    yield f'    --key-name {key_name} --key-value "$key" --output none'
    yield "done"
    yield f'echo "{key_name} of {functions[0] if len(functions) == 1 else app}: $key"'


def _functions_with_a_key() -> set[str]:
    functions = function_app.create_app().get_functions()
    return {
        str(function.get_function_name())
        for function in functions
        if getattr(function.get_trigger(), "auth_level", None) is func.AuthLevel.FUNCTION
    }


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("role", choices=NAMES)
    parser.add_argument("-n", "--name", default="<app>", help="the function app")
    parser.add_argument("-g", "--group", default="<group>", help="its resource group")
    options = parser.parse_args(arguments)
    print("\n".join(commands(NAMES[options.role], options.name, options.group)))
    return 0


if __name__ == "__main__":
    sys.exit(main())
