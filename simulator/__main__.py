"""python -m simulator [--port N] [--scoring-url URL]

Environment: SIMULATOR_PORT (7072), SCORING_PORT (5001), IDENTITY_HEADER (local).
"""

import argparse
import os
from collections.abc import Mapping, Sequence

from simulator.app import Simulator, create_app
from simulator.scoring.model import InferenceServer
from simulator.server import serve


def parse_arguments(arguments: Sequence[str] | None, environ: Mapping[str, str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m simulator", description="Azure ML, simulated on 127.0.0.1.")
    scoring_url = f"http://127.0.0.1:{environ.get('SCORING_PORT', '5001')}/score"
    parser.add_argument("--port", type=int, default=int(environ.get("SIMULATOR_PORT", "7072")), help="0: any free one")
    parser.add_argument(
        "--scoring-url", default=scoring_url, help="the model behind the managed endpoints; empty: they echo"
    )
    return parser.parse_args(arguments)


def main() -> None:
    arguments = parse_arguments(None, os.environ)
    model = InferenceServer(arguments.scoring_url) if arguments.scoring_url else None
    simulator = Simulator(identity_header=os.environ.get("IDENTITY_HEADER", "local"), model=model)
    serve(create_app(simulator), arguments.port)


if __name__ == "__main__":
    main()
