"""The command line behind `make start`, `make demo` and `make trace`."""

import argparse
import contextlib
import os
import sys

from devhost.collector import collecting
from devhost.stack.client import BridgeClient
from devhost.stack.config import StackConfig, StackError
from devhost.stack.parts import HOSTS, parts
from devhost.stack.queues import make_queues
from devhost.stack.running import RunningStack, Stopped, be_stopped_by_signals
from devhost.stack.samples import load_samples
from devhost.stack.tracing import draw_traces, with_collector
from samples.customer_value.datastore import PATH
from samples.customer_value.demo import DemoFailed
from samples.customer_value.demo import run_demo as run_workflow_demo
from samples.language.demo import run_demo as run_skill_demo


def main() -> int:
    options = _options()
    try:
        be_stopped_by_signals()
        config = StackConfig.from_environment(os.environ)
        config.check_ports()
        {"start": _start, "demo": _demo, "trace": _trace}[options.command](config, options.host)
    except Stopped:
        with contextlib.suppress(OSError):  # a Ctrl-C ends what our output was piped into as well
            os.write(sys.stdout.fileno(), b"stopped\n")
    except StackError as error:
        print(f"stack: {error}", file=sys.stderr, flush=True)
        return 1
    return 0


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="devhost.stack", description=__doc__)
    parser.add_argument("command", choices=("start", "demo", "trace"))
    parser.add_argument("--host", choices=HOSTS, default="devhost", help="what runs the function app (start)")
    return parser.parse_args()


def _start(config: StackConfig, host: str) -> None:
    with RunningStack(parts(config, host), config.data / "logs", quiet=False) as stack:
        make_queues(config.storage)
        client = BridgeClient(config)
        load_samples(client, config)
        print(_overview(config), flush=True)
        print(f"ready {config.bridge}", flush=True)
        stack.watch()


def _overview(config: StackConfig) -> str:
    key = f"\n  host key         {config.key} (x-functions-key)" if config.auth else ""
    return f"""
  function app     {config.bridge}/api/health
  sample skill     {config.bridge}/api/skills/language
  sample endpoint  {config.scoring}/score
  Azure ML         {config.simulator} (simulator)
  sample data      {PATH}
  to run it        PUT {config.bridge}/api/connections/local, then …/api/workflows/customer-value?run=true (README.md)
  storage          http://127.0.0.1:{config.azurite_port} (blob; +1 queue, +2 table)
  logs             {config.data / "logs"}{key}
"""


def _demo(config: StackConfig, host: str) -> None:
    print("Starting storage, the Azure ML simulator, the sample endpoint and the function app …", flush=True)
    with RunningStack(parts(config, host), config.data / "logs", quiet=True):
        make_queues(config.storage)
        client = BridgeClient(config)
        load_samples(client, config)
        run_skill_demo(client.call)
        try:
            run_workflow_demo(client.send)
        except DemoFailed as failed:
            raise StackError(str(failed)) from failed


def _trace(config: StackConfig, host: str) -> None:
    with collecting() as (address, collected):
        *others, bridge = parts(config, host)
        with RunningStack([*others, with_collector(bridge, address)], config.data / "logs", quiet=True):
            make_queues(config.storage)
            client = BridgeClient(config)
            load_samples(client, config)
            try:
                draw_traces(client, collected)
            except DemoFailed as failed:
                raise StackError(str(failed)) from failed


if __name__ == "__main__":
    sys.exit(main())
