"""Modules that are loaded at first use, so that a cold start pays for nothing but what its first request needs.

    with at_first_use():
        from shared.workflows import messages

`messages` then stands for the module: the first name asked of it imports the module in the ordinary way, and raises what
the import raises. So names are asked of it where they are used, and its name stands in quotes in annotations.
"""

import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import cache
from importlib import import_module
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec, PathFinder
from pkgutil import walk_packages
from threading import get_ident
from types import ModuleType
from typing import Any

_OURS = "shared"
_PACKAGES_OF_FUNCTIONS = ("azure.identity.aio", "cronsim", "httpx_aiohttp", "pyarrow.compute", "pyarrow.parquet")
"""What functions of ours import for themselves."""


class _Later(ModuleType):
    """Stands for the module of its name, which alone is in `sys.modules` once it is loaded."""

    def __getattr__(self, name: str) -> Any:
        if sys.modules.get(self.__name__) is self:  # another thread asks while the statement still runs
            _forget(self.__name__)
        return getattr(import_module(self.__name__), name)


class _LaterFinder(MetaPathFinder, Loader):
    """Finds our modules, but loads none; packages, which are empty, and what is not ours are left to others."""

    def __init__(self) -> None:
        self.found: list[str] = []
        self._thread = get_ident()

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        if not fullname.startswith(f"{_OURS}.") or get_ident() != self._thread:
            return None
        spec = PathFinder.find_spec(fullname, path, target)
        if spec is None or spec.submodule_search_locations is not None:
            return None
        self.found.append(fullname)
        return ModuleSpec(fullname, self)

    def exec_module(self, module: ModuleType) -> None:
        module.__class__ = _Later


@contextmanager
def at_first_use() -> Iterator[None]:
    """For import statements: `from package import module`."""
    finder = _LaterFinder()
    sys.meta_path.insert(0, finder)
    try:
        yield
    finally:
        sys.meta_path.remove(finder)
        for name in finder.found:
            _forget(name)


def _forget(name: str) -> None:
    """What stands for a module is no longer found under its name; the module itself is."""
    package, _, module = name.rpartition(".")
    if isinstance(sys.modules.get(name), _Later):
        del sys.modules[name]
    if isinstance(vars(sys.modules[package]).get(module), _Later):
        delattr(sys.modules[package], module)


@cache
def load_all() -> None:
    """Load every module of ours and what they need, at most once. Raises what the first that cannot be loaded raises.

    Telemetry is loaded where it is configured, and a fault of it fails nothing.
    """
    package = import_module(_OURS)
    for module in walk_packages(package.__path__, f"{_OURS}."):
        if not module.name.startswith(f"{_OURS}.telemetry."):
            import_module(module.name)
    for name in _PACKAGES_OF_FUNCTIONS:
        import_module(name)
