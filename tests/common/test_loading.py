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
