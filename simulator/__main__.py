"""python -m simulator [--port N] [--scoring-url URL] [--storage CONNECTION] [--python PATH] [--events-queue NAME]

Environment: SIMULATOR_PORT (7072), SCORING_PORT (5001), IDENTITY_HEADER (local), AzureWebJobsStorage (the storage
account of the datastores), PIPELINE_PYTHON (what runs the steps; .venv-pipeline's, else this one).
"""

import argparse
import os
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from simulator.app import Simulator, create_app
from simulator.arm.datastores import Account
from simulator.scoring.model import InferenceServer
from simulator.server import serve

PIPELINE_PYTHON = Path(__file__).resolve().parents[1] / ".venv-pipeline" / "bin" / "python"


def parse_arguments(arguments: Sequence[str] | None, environ: Mapping[str, str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m simulator", description="Azure ML, simulated on 127.0.0.1.")
    scoring_url = f"http://127.0.0.1:{environ.get('SCORING_PORT', '5001')}/score"
    parser.add_argument("--port", type=int, default=int(environ.get("SIMULATOR_PORT", "7072")), help="0: any free one")
    parser.add_argument(
        "--scoring-url", default=scoring_url, help="the model behind the managed endpoints; empty: they echo"
    )
    storage = environ.get("AzureWebJobsStorage", "")
    parser.add_argument("--storage", default=storage, help="connection string of the datastores' account; empty: none")
    parser.add_argument("--python", default=pipeline_python(environ), help="runs the steps of pipelines")
    parser.add_argument("--events-queue", default="", help="gets Event Grid's events about runs; in --events-storage")
    parser.add_argument("--events-storage", default="", help="connection string of its account; default --storage")
    parser.add_argument("--certificate", help="PEM file, for https")
    parser.add_argument("--key", help="PEM file, for https")
    return parser.parse_args(arguments)


def pipeline_python(environ: Mapping[str, str]) -> str:
    own = str(PIPELINE_PYTHON) if PIPELINE_PYTHON.exists() else sys.executable
    return environ.get("PIPELINE_PYTHON") or own


def make_simulator(arguments: argparse.Namespace, environ: Mapping[str, str]) -> Simulator:
    return Simulator(
        identity_header=environ.get("IDENTITY_HEADER", "local"),
        model=InferenceServer(arguments.scoring_url) if arguments.scoring_url else None,
        python=arguments.python,
        **make_storage(arguments),
    )


def make_storage(arguments: argparse.Namespace) -> dict[str, Any]:
    """Storage's part of a simulator. Its SDKs are imported where there is an account: they take a while."""
    events = arguments.events_storage or arguments.storage
    if not arguments.storage and not events:
        return {}
    from simulator.blobs import BlobStorage, StorageQueue

    account = Account.of(arguments.storage) if arguments.storage else Account()
    made: dict[str, Any] = {"account": account}
    if arguments.storage:
        made["storage"] = BlobStorage(arguments.storage)
    if arguments.events_queue:
        made["queue"] = StorageQueue(events, arguments.events_queue)
    return made


def main() -> None:
    arguments = parse_arguments(None, os.environ)
    simulator = make_simulator(arguments, os.environ)
    serve(create_app(simulator), arguments.port, arguments.certificate, arguments.key)


if __name__ == "__main__":
    main()
