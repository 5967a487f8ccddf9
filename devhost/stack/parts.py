"""The parts of the stack: what each runs, and how it is known to answer."""

import shutil
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from devhost.stack.config import ROOT, StackConfig, StackError

HOSTS = ("devhost", "func")


@dataclass(frozen=True, slots=True)
class Part:
    name: str
    command: Sequence[str]
    answers_at: Sequence[str]
    """Addresses that answer, with any status below 500, once it is ready."""
    environment: dict[str, str] = field(default_factory=dict)
    shows_output: bool = False
    """Whether its output goes to the terminal as well as into its log."""


type Which = Callable[[str], str | None]
"""Where a command is on the PATH."""


def parts(config: StackConfig, host: str, which: Which = shutil.which) -> list[Part]:
    """All of the stack, the function app last. Raises StackError where something is not installed."""
    return [_azurite(config, which), _simulator(config), _scoring(config), _bridge(config, host, which)]


def _azurite(config: StackConfig, which: Which) -> Part:
    port = config.azurite_port
    ports = ("--blobPort", str(port), "--queuePort", str(port + 1), "--tablePort", str(port + 2))
    location = config.data / "azurite"
    flags = ("--silent", "--skipApiVersionCheck", "--loose", "--disableTelemetry")
    command = [_node(which), str(_installed(ROOT / "node_modules" / "azurite" / "dist" / "src" / "azurite.js"))]
    addresses = [f"http://127.0.0.1:{port + offset}/" for offset in range(3)]
    return Part("storage", [*command, *ports, *flags, "--location", str(location)], addresses)


def _simulator(config: StackConfig) -> Part:
    command = [sys.executable, "-m", "simulator", "--port", str(config.simulator_port)]
    scoring = ["--scoring-url", f"{config.scoring}/score"]
    environment = {
        "IDENTITY_HEADER": "local",
        "AzureWebJobsStorage": config.storage,
        "PIPELINE_PYTHON": str(_installed(ROOT / ".venv-pipeline" / "bin" / "python")),
    }
    events = ["--events-queue", "aml-events"]  # Event Grid's part
    return Part("simulator", [*command, *scoring, *events], [f"{config.simulator}/calls"], environment)


def _scoring(config: StackConfig) -> Part:
    python = _installed(ROOT / ".venv-scoring" / "bin" / "python")
    script = ROOT / "samples" / "language" / "serve.py"
    return Part("endpoint", [str(python), str(script), "--port", str(config.scoring_port)], [f"{config.scoring}/"])


def _bridge(config: StackConfig, host: str, which: Which) -> Part:
    if host not in HOSTS:
        raise StackError(f"HOST is {host!r}; it is one of {', '.join(HOSTS)}")
    environment = config.app_settings() | {"BRIDGE_DATA": str(config.data / "host")}
    address = [f"{config.bridge}/api/health"]
    if host == "devhost":
        command = [sys.executable, "-m", "devhost", "--app", str(ROOT), "--port", str(config.bridge_port)]
        command.append("--access-log")
        return Part("bridge", command, address, environment, shows_output=True)
    func = which("func")
    if func is None:
        raise StackError("HOST=func needs Azure Functions Core Tools on the PATH; without them leave HOST out")
    command = [func, "start", "--port", str(config.bridge_port), *(("--enableAuth",) if config.auth else ())]
    environment["languageWorkers__python__defaultExecutablePath"] = sys.executable
    return Part("bridge", command, address, environment, shows_output=True)


def _node(which: Which) -> str:
    node = which("node")
    if node is None:
        raise StackError("node is not on the PATH: install Node.js 20 or later, which runs the storage emulator")
    return node


def _installed(path: Path) -> Path:
    if not path.exists():
        raise StackError(f"{path.relative_to(ROOT)} is not there: run `make setup`")
    return path
