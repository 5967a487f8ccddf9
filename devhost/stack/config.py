"""Where does the stack listen, and where does it keep its data? Ports and folder by environment variables."""

import os
import secrets
import socket
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Self

ROOT = Path(__file__).resolve().parents[2]
# The emulator's own well-known account: no secret, the same on every machine.
ACCOUNT = "devstoreaccount1"
ACCOUNT_KEY = "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw=="


class StackError(Exception):
    """The stack cannot run; the message says why and what to do."""


@dataclass(frozen=True, slots=True)
class StackConfig:
    bridge_port: int
    azurite_port: int
    """Blob; the queue service is on the next port, tables on the one after."""
    simulator_port: int
    scoring_port: int
    data: Path
    auth: bool
    key: str
    """The host key, where keys are asked for."""

    @classmethod
    def from_environment(cls, environment: Mapping[str, str]) -> Self:
        """Raises StackError."""
        auth = environment.get("BRIDGE_AUTH", "off").lower()
        if auth not in ("on", "off"):
            raise StackError(f"BRIDGE_AUTH is {auth!r}; it is on or off")
        return cls(
            bridge_port=_port(environment, "BRIDGE_PORT", 7071),
            azurite_port=_port(environment, "AZURITE_PORT", 10000),
            simulator_port=_port(environment, "SIMULATOR_PORT", 7072),
            scoring_port=_port(environment, "SCORING_PORT", 5001),
            data=Path(environment.get("BRIDGE_DATA") or ".local").absolute(),
            auth=auth == "on",
            key=environment.get("BRIDGE_KEY") or (secrets.token_urlsafe(32) if auth == "on" else ""),
        )

    @property
    def bridge(self) -> str:
        return f"http://127.0.0.1:{self.bridge_port}"

    @property
    def simulator(self) -> str:
        return f"http://127.0.0.1:{self.simulator_port}"

    @property
    def scoring(self) -> str:
        return f"http://127.0.0.1:{self.scoring_port}"

    @property
    def storage(self) -> str:
        """The emulator's connection string."""
        services = {"Blob": 0, "Queue": 1, "Table": 2}
        endpoints = ";".join(
            f"{name}Endpoint=http://127.0.0.1:{self.azurite_port + offset}/{ACCOUNT}"
            for name, offset in services.items()
        )
        return f"DefaultEndpointsProtocol=http;AccountName={ACCOUNT};AccountKey={ACCOUNT_KEY};{endpoints}"

    def check_ports(self) -> None:
        """Raises StackError for a port that something else holds, with the variable that moves ours."""
        wanted = {
            "BRIDGE_PORT": [self.bridge_port],
            "AZURITE_PORT": [self.azurite_port + offset for offset in range(3)],
            "SIMULATOR_PORT": [self.simulator_port],
            "SCORING_PORT": [self.scoring_port],
        }
        for variable, ports in wanted.items():
            for port in ports:
                if not _is_free(port):
                    raise StackError(f"port {port} is in use; stop what holds it, or set {variable} to another port")

    def app_settings(self) -> dict[str, str]:
        """The function app's settings on this machine: what local.settings.json would hold."""
        return {
            "FUNCTIONS_WORKER_RUNTIME": "python",
            "AzureWebJobsStorage": self.storage,
            "ALLOW_LOOPBACK_SCORING": "true",
            "ALLOW_LITERAL_KEYS": "true",
            "AZURE_RESOURCE_MANAGER": self.simulator,
            # The managed identity's own protocol: the simulator plays the platform's token endpoint.
            "IDENTITY_ENDPOINT": f"{self.simulator}/identity/token",
            "IDENTITY_HEADER": "local",
            "BRIDGE_AUTH": "on" if self.auth else "off",
            **({"BRIDGE_KEY": self.key} if self.key else {}),
        }


def _port(environment: Mapping[str, str], name: str, default: int) -> int:
    text = environment.get(name) or str(default)
    if not text.isdigit() or not 0 < int(text) < 65534:
        raise StackError(f"{name} is {text!r}; a port is a number from 1 to 65533")
    return int(text)


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True


def inherited_environment() -> dict[str, str]:
    """What the parts get of ours: no Python path that would lead into another project."""
    return {
        name: value for name, value in os.environ.items() if name not in ("PYTHONPATH", "PYTHONHOME", "VIRTUAL_ENV")
    }
