"""All variants by name: what a worker process can be asked for."""

from collections.abc import Callable
from typing import Any

from benchmarks.data.process import Opened
from benchmarks.data.readers import READERS
from benchmarks.data.tops import TOPS
from benchmarks.data.writers import WRITERS

VARIANTS: dict[str, Callable[[Any], Opened]] = {
    **{f"write: {name}": writer for name, writer in WRITERS.items()},
    **{f"read: {name}": reader for name, reader in READERS.items()},
    **{f"top: {name}": top for name, top in TOPS.items()},
}
