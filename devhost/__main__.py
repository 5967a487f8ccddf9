"""The command line: `python -m devhost [--app DIR] [--port N] [--quiet] [--access-log]`."""

import argparse
import asyncio
import contextlib
import io
import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from typing import NoReturn

from devhost.errors import StartError


def main() -> NoReturn:
    options = read_options()
    for each in (signal.SIGINT, signal.SIGTERM):
        signal.signal(each, lambda *_: os._exit(0))  # until the host takes them: loading it takes a second
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(line_buffering=True)  # what a function prints is seen at once, in a file too
    run(options)


def run(options: argparse.Namespace) -> NoReturn:
    from devhost import logs
    from devhost.host import run_host
    from devhost.settings import load_settings

    app = Path(options.app).resolve()
    running = logs.Running()
    try:
        if not app.is_dir():
            raise StartError(f"no folder {app}")
        os.chdir(app)  # relative paths in the app are the app's, as with `func start`
        settings = load_settings(app, os.environ, options.port, options.quiet, options.access_log)
        logs.configure(
            settings.host.logging.log_level,
            running,
            quiet=settings.quiet,
            debug=settings.env.get("PYTHON_ENABLE_DEBUG_LOGGING") == "1",
        )
        with asyncio.Runner(loop_factory=loop_factory()) as runner:
            runner.run(run_host(settings, running))
            leave(0)  # in here, where a second signal still changes nothing
    except StartError as error:
        print(f"devhost: {error}", file=sys.stderr, flush=True)
        leave(1)


def read_options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="devhost", description="Run an Azure Functions app on this machine.")
    parser.add_argument("--app", default=".", help="the folder with function_app.py and host.json (default: here)")
    parser.add_argument("--port", type=int, help="default: BRIDGE_PORT, else 7071; 0 takes a free one")
    parser.add_argument("--quiet", action="store_true", help="warnings and errors only")
    parser.add_argument("--access-log", action="store_true", help="one line a request, not the host's two")
    return parser.parse_args()


def loop_factory() -> Callable[[], asyncio.AbstractEventLoop] | None:
    try:
        import uvloop
    except ImportError:
        return None
    return uvloop.new_event_loop


def leave(code: int) -> NoReturn:
    """At once, as Azure ends a worker: it has no shutdown hook, so the app's sessions are open still and its threads
    may run. The interpreter would wait for the threads, and each session would complain while it is taken down."""
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(OSError):  # whoever read it is gone
            stream.flush()
    os._exit(code)


if __name__ == "__main__":
    main()
