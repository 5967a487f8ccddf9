"""The table of `docs/errors.md`, made from the failures themselves: `python -m tests.docs.errors_table` prints it."""

import re

from shared.skills.failures import Kind


def row(kind: Kind) -> str:
    sentence = re.sub(r"\{(\w+)\}", r"‹\1›", kind.value.sentence)
    marks = [
        *(["busy"] if kind.busy else []),
        *(["retried"] if kind.retryable or kind.busy else []),
        *(["batch halved"] if kind.rejected else []),
    ]
    return f"| `{kind.code}` | {sentence} | {', '.join(marks)} | {kind.bare_status} |"


def table() -> str:
    heading = "| code | sentence | | on `/score` |\n|---|---|---|---|"
    return "\n".join([heading, *(row(kind) for kind in Kind)])


if __name__ == "__main__":
    print(table())  # noqa: T201
