"""Modules at first use, each case in a fresh process."""

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
_HEAD = """
import sys
from shared.loading import at_first_use
with at_first_use():
    from shared.workflows import messages
"""
CLAIMS = {
    "it is not there before": "assert 'shared.workflows.messages' not in sys.modules",
    "no trace of it is left": "import shared.workflows; assert not hasattr(shared.workflows, 'messages')",
    "its first name loads it": "messages.VERSION; assert 'shared.workflows.messages' in sys.modules",
    "its names are the module's own": """
from shared.workflows.messages import PartMessage
assert messages.PartMessage is PartMessage
""",
    "a name that it lacks is an AttributeError": """
try:
    messages.no_such_name
except AttributeError as error:
    assert "shared.workflows.messages" in str(error)
else:
    raise AssertionError("found")
""",
    "threads that ask at once all get the module whole": """
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier
together = Barrier(16)
def ask(_):
    together.wait()
    return messages.PartMessage
with ThreadPoolExecutor(16) as pool:
    found = set(pool.map(ask, range(16)))
assert len(found) == 1 and found.pop().__module__ == "shared.workflows.messages"
""",
    "another thread imports as always meanwhile": """
from threading import Thread
statuses = []
def other():
    from shared.workflows import runs as whole
    from shared.workflows.slots import SlotOutcome
    statuses.extend([whole.RunStatus.FAILED, SlotOutcome.RUN])
with at_first_use():
    from shared.workflows import slots
    thread = Thread(target=other)
    thread.start()
    thread.join()
assert len(statuses) == 2
assert slots.SlotOutcome.RUN is statuses[1]
assert sys.modules["shared.workflows.slots"].SlotOutcome is slots.SlotOutcome
""",
    "what could not be loaded is tried again": """
class Away:
    def find_spec(self, name, path, target=None):
        if name == "shared.workflows.messages":
            raise ImportError("away", name=name)
sys.meta_path.insert(0, Away())
for _ in range(2):
    try:
        messages.VERSION
    except ImportError as error:
        assert error.name == "shared.workflows.messages"
    else:
        raise AssertionError("loaded")
del sys.meta_path[0]
messages.VERSION
""",
    "a signature that names it in quotes can be read": """
import inspect, typing
def handler(part: "messages.PartMessage") -> None: ...
hints = typing.get_type_hints(handler)
assert hints["part"] is sys.modules["shared.workflows.messages"].PartMessage
""",
    "a module that is loaded already comes as itself": """
from shared.workflows import runs
with at_first_use():
    from shared.workflows import runs as again
assert again is runs
""",
    "a module that there is not is told at once": """
try:
    with at_first_use():
        from shared.workflows import no_such_module
except ImportError as error:
    assert "no_such_module" in str(error)
else:
    raise AssertionError("found")
""",
    "what is not ours is imported as always": """
with at_first_use():
    from xml.dom import minidom
assert 'xml.dom.minidom' in sys.modules
""",
    "afterwards imports are as always": "from shared.workflows import runs; assert 'shared.workflows.runs' in sys.modules",
}


@pytest.mark.parametrize("claim", CLAIMS)
def test_at_first_use(claim: str) -> None:
    done = subprocess.run(
        [sys.executable, "-c", _HEAD + CLAIMS[claim]], cwd=ROOT, capture_output=True, text=True, check=False
    )

    assert (done.returncode, done.stderr) == (0, "")
