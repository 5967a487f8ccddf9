"""An identity for where none may be asked for."""

from typing import NoReturn


def no_identity() -> NoReturn:
    raise AssertionError("an identity was asked for, with a connection string given")
