"""The simulator as a process of its own."""

import subprocess
import sys


def start_simulator(*arguments: str) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "simulator", *arguments]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def ready_url(process: subprocess.Popen[str]) -> str:
    """The address in the line that says it answers."""
    assert process.stdout is not None
    line = process.stdout.readline()
    if not line.startswith(("simulator ready http://127.0.0.1:", "simulator ready https://127.0.0.1:")):
        process.kill()
        raise AssertionError(line + str(process.stderr and process.stderr.read()))
    return line.split()[-1]
