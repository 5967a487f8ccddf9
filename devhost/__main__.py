"""The command line: `python -m devhost [--app DIR] [--port N] [--quiet]`."""

import argparse
import asyncio
import os
import sys
from collections.abc import Callable
from pathlib import Path

from devhost import logs
from devhost.errors import StartError
from devhost.host import run_host
from devhost.settings import load_settings


def main() -> int:
    options = read_options()
    app = Path(options.app).resolve()
    running = logs.Running()
    try:
        if not app.is_dir():
            raise StartError(f"no folder {app}")
        os.chdir(app)  # relative paths in the app are the app's, as with `func start`
        settings = load_settings(app, os.environ, options.port, options.quiet)
        logs.configure(
            settings.host.logging.log_level,
            running,
            quiet=settings.quiet,
            debug=settings.env.get("PYTHON_ENABLE_DEBUG_LOGGING") == "1",
        )
        with asyncio.Runner(loop_factory=loop_factory()) as runner:
            stopped = runner.run(run_host(settings, running))
    except StartError as error:
        print(f"devhost: {error}", file=sys.stderr, flush=True)
        return leave(1)
    return 0 if stopped else leave(0)


def read_options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="devhost", description="Run an Azure Functions app on this machine.")
    parser.add_argument("--app", default=".", help="the folder with function_app.py and host.json (default: here)")
    parser.add_argument("--port", type=int, help="default: BRIDGE_PORT, else 7071; 0 takes a free one")
    parser.add_argument("--quiet", action="store_true", help="warnings and errors only")
    return parser.parse_args()


def loop_factory() -> Callable[[], asyncio.AbstractEventLoop] | None:
    try:
        import uvloop
    except ImportError:
        return None
    return uvloop.new_event_loop


def leave(code: int) -> int:
    """At once: a thread of the app may still run, and the interpreter would wait for it."""
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)


if __name__ == "__main__":
    sys.exit(main())
