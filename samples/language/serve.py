"""How is the sample endpoint served? By Azure ML's inference server, on loopback only.

    .venv-scoring/bin/python samples/language/serve.py --port 5001

The package's own command `azmlinfsrv` always binds 0.0.0.0 and writes an access log. It is a thin wrapper
that starts gunicorn on `azureml_inference_server_http.server.entry:app`; this does the same with another
bind. The process becomes gunicorn's, so SIGTERM and SIGINT stop it and its workers, and it exits with 0.

Environment: SCORING_PORT (5001), WORKER_COUNT (2, the server's own variable), SCORING_THREADS (8, a worker).
Logging: logging.json, errors alone; given to gunicorn for the master, and found beside score.py by the
server in each worker.
"""

import argparse
import os
import sys
from collections.abc import Mapping
from importlib.metadata import version
from pathlib import Path

HERE = Path(__file__).resolve().parent
SERVER = "azureml_inference_server_http.server.entry:app"


def server_environment(environ: Mapping[str, str]) -> dict[str, str]:
    """What `azmlinfsrv --entry_script score.py` sets before it starts gunicorn."""
    return {
        **environ,
        "AML_APP_ROOT": str(HERE),
        "AZUREML_ENTRY_SCRIPT": str(HERE / "score.py"),
        "HTTP_X_MS_SERVER_VERSION": f"azmlinfsrv/{version('azureml-inference-server-http')}",
        "AML_APP_INSIGHTS_ENABLED": "false",
    }


def gunicorn_command(port: int, environ: Mapping[str, str]) -> list[str]:
    """gthread, as sync workers close each connection and let idle ones starve others.

    The control socket is off: its path is one for the whole user, and two stacks may run at a time.
    """
    return [
        *(sys.executable, "-m", "gunicorn", "--bind", f"127.0.0.1:{port}"),
        *("--workers", environ.get("WORKER_COUNT", "2")),
        *("--worker-class", "gthread", "--threads", environ.get("SCORING_THREADS", "8")),
        *("--keep-alive", "75", "--timeout", "300", "--graceful-timeout", "5"),
        *("--no-control-socket", "--log-config-json", str(HERE / "logging.json"), SERVER),
    ]


def main() -> None:
    parser = argparse.ArgumentParser(description="Serve the language model on 127.0.0.1.")
    parser.add_argument("--port", type=int, default=int(os.environ.get("SCORING_PORT", "5001")))
    command = gunicorn_command(parser.parse_args().port, os.environ)
    os.execve(command[0], command, server_environment(os.environ))  # noqa: S606  no shell is wanted


if __name__ == "__main__":
    main()
